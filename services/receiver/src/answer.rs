//! Every answer of the receiver, and the one place where a refusal becomes an HTTP status (RFC 9457 problem details).

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use proto::EventId;

/// What a request came to, when it was let in.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Durable on the bus under this id.
    Accepted(EventId),
    /// The same, for a sender that wants to hear nothing of it.
    Acknowledged,
    /// Authentic, and rightly not kept.
    Ignored(String),
}

/// Why a request was not let in. The text is what its sender reads: it tells nothing about secrets or about which part
/// of a proof was wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The path names no source.
    #[error("no source of this name is configured; the path is /webhooks/<source>")]
    UnknownSource,
    /// Any method but POST.
    #[error("webhooks are sent by POST")]
    WrongMethod,
    /// A connection more than `receiver.max_connections`.
    #[error("too many connections; try again")]
    TooManyConnections,
    /// Authentic, and more than the source's `rate`.
    #[error("this source sends more often than it may; try again")]
    TooOften(std::time::Duration),
    /// Bodies under way fill the memory set aside for them.
    #[error("too many bodies are under way; try again")]
    TooMuchUnderWay,
    /// A content type the source does not send.
    #[error("the content type must be one of: {0}")]
    WrongMediaType(String),
    /// A body that is compressed.
    #[error("the body must come without content encoding")]
    Encoded,
    /// A body over the limit, declared or found.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A body that did not arrive in its time, or only trickled.
    #[error("the body took too long")]
    TooSlow,
    /// A body that ended before its end, or was framed wrongly.
    #[error("the body ended early, or is framed wrongly")]
    BrokenBody,
    /// The proof is absent, malformed or wrong; which of these, is for the log alone.
    #[error("not authentic")]
    NotAuthentic(&'static str),
    /// A header that says what the body is, is absent or malformed.
    #[error("the header {0} is missing or malformed")]
    BadHeader(&'static str),
    /// No secret of the source can be read, or an issuer does not tell its keys, so nobody can prove anything.
    #[error("this source cannot be verified at the moment; try again")]
    NoSecret,
    /// The bus did not confirm in time: it may or may not be durable, and sending it again does no harm.
    #[error("it could not be made durable; send it again")]
    NotDurable,
    /// The bus takes no message of that size.
    #[error("the body is larger than the message bus takes")]
    TooLargeForBus,
}

impl Answer {
    /// Its value of the metric label `outcome`.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Accepted(_) | Self::Acknowledged => "accepted",
            Self::Ignored(_) => "ignored",
        }
    }
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Accepted(id) => Self::Accepted().json(serde_json::json!({ "event": id })),
            Answer::Acknowledged => Self::Ok().finish(),
            Answer::Ignored(reason) => Self::Ok().json(serde_json::json!({ "ignored": reason })),
        }
    }
}

impl Refusal {
    /// Its value of the metric label `outcome`.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::UnknownSource => "unknown_source",
            Self::WrongMethod => "wrong_method",
            Self::TooManyConnections | Self::TooMuchUnderWay => "busy",
            Self::TooOften(_) => "too_often",
            Self::WrongMediaType(_) | Self::Encoded => "wrong_media_type",
            Self::TooLarge(_) | Self::TooLargeForBus => "too_large",
            Self::TooSlow => "too_slow",
            Self::BrokenBody | Self::BadHeader(_) => "malformed",
            Self::NotAuthentic(_) => "not_authentic",
            Self::NoSecret => "no_secret",
            Self::NotDurable => "not_durable",
        }
    }

    /// What was wrong with a proof, for whoever runs this; no sender is told.
    pub(crate) fn why(&self) -> Option<&'static str> {
        if let Self::NotAuthentic(why) = self { Some(why) } else { None }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BrokenBody | Self::BadHeader(_) => StatusCode::BAD_REQUEST,
            Self::NotAuthentic(_) => StatusCode::UNAUTHORIZED,
            Self::UnknownSource => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) | Self::TooLargeForBus => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongMediaType(_) | Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyConnections | Self::TooMuchUnderWay | Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSecret | Self::NotDurable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// How many seconds a sender should wait before it tries again, where trying again helps.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooOften(wait) => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            Self::TooManyConnections | Self::TooMuchUnderWay => Some(1),
            Self::NotDurable => Some(5),
            // Somebody has to put a secret in place first; an issuer is asked again after as long.
            Self::NoSecret => Some(30),
            _ => None,
        }
    }

    /// Whether the connection is of no more use: its body was not read to the end, or there is one too many.
    fn closes(&self) -> bool {
        matches!(
            self,
            Self::TooManyConnections | Self::TooMuchUnderWay | Self::TooLarge(_) | Self::TooSlow | Self::BrokenBody
        )
    }
}

impl Refusal {
    /// The answer. What the request's body still holds is kept until the answer is written: dropped earlier, the
    /// server would read a chunked body to its end before it lets go of the connection, and that end need not come.
    pub(crate) fn answer(self, unread: web::Payload) -> HttpResponse {
        let status = self.status();
        let mut response = HttpResponseBuilder::new(status);
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if matches!(self, Self::WrongMethod) {
            response.insert_header((header::ALLOW, "POST"));
        }
        if self.closes() {
            response.force_close();
        }
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let body = Problem { text: problem.to_string().into(), _unread: unread };
        response.content_type("application/problem+json").body(body)
    }
}

/// A refusal's body, and the rest of the request it answers.
struct Problem {
    text: Bytes,
    _unread: web::Payload,
}

impl MessageBody for Problem {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.text.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let text = std::mem::take(&mut self.text);
        Poll::Ready((!text.is_empty()).then_some(Ok(text)))
    }
}
