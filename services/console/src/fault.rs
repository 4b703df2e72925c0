//! Every refusal, and the one place where it becomes an HTTP status: for programs as problem details (RFC 9457), for
//! people as a page. Both say what to do next.

use std::time::Duration;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use ledger::LedgerError;
use operate::OperateError;
use schemars::JsonSchema;
use serde::Serialize;

/// Every status that a refusal may have, and when, as programs are told of it.
pub(crate) const REFUSALS: &[(u16, &str)] = &[
    (400, "a parameter or a body that is not what belongs there, or a beginning that several things have"),
    (401, "no token, or nobody's"),
    (403, "who may only read orders"),
    (404, "nothing of that name"),
    (408, "a body that does not arrive in its time"),
    (413, "a body that is too large"),
    (421, "asked for by a name that is not the console's"),
    (429, "too many wrong tokens"),
    (500, "the console failed at it; its log says more"),
    (503, "the ledger is away, or the bus did not confirm; send it again, an order under the same key"),
];

/// A refusal as programs get it (RFC 9457).
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the status says of what kind it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong.
    detail: String,
    /// What to do next.
    next: &'static str,
}

/// Why a request is not answered as it was meant.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// Nobody says who it is.
    #[error("not signed in")]
    NotSignedIn,
    /// The token is nobody's.
    #[error("this token is nobody's here")]
    WrongToken,
    /// Too many wrong tokens from there.
    #[error("this token is nobody's here, and too many were wrong; wait {} s", seconds(*.0))]
    TooManyTries(Duration),
    /// Whoever it is may look only.
    #[error("{0} may look, and order nothing")]
    ReadOnly(String),
    /// The form is not one that this session was shown.
    #[error("this form is not of your session, or your session has ended since; nothing was done")]
    Forged,
    /// The form is of a page elsewhere.
    #[error("this was sent by a page that is not the console's; nothing was done")]
    Foreign,
    /// It was asked for by a name that is not the console's.
    #[error("the console does not go by this name")]
    WrongHost,
    /// There is no such page, or it is not asked for so.
    #[error("there is no such page, or not by this method")]
    NoSuchPage,
    /// There is nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as it was asked for.
    #[error("{0}")]
    Invalid(String),
    /// A body over the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A body that did not arrive in its time, or ended early.
    #[error("the body did not arrive")]
    NoBody,
    /// The ledger is away, or took too long.
    #[error("{0}")]
    Away(String),
    /// The bus did not confirm it.
    #[error("{0}")]
    NotOrdered(String),
    /// Something of ours that nobody thought of.
    #[error("the console failed at this; its log says more")]
    Broken,
}

impl Fault {
    /// What to do next.
    pub(crate) fn next(&self) -> &'static str {
        match self {
            Self::NotSignedIn => "sign in; programs send `Authorization: Bearer <token>`",
            Self::WrongToken => "check the token; `console.operators` says where each one lies",
            Self::TooManyTries(_) => "wait, and check the token meanwhile",
            Self::ReadOnly(_) => "ask somebody who may order (`console.operators[].may`)",
            Self::Forged => "open the page anew, and send its form",
            Self::Foreign => {
                "open the console itself; behind a proxy, set `console.url` to the address that browsers have"
            }
            Self::WrongHost => "ask by `localhost`, or set `console.url` to the address that browsers have",
            Self::NoSuchPage => "begin at the overview; programs find the routes in CONSOLE.md",
            Self::NotFound(_) => "look for it among the events, or in the overview",
            Self::Invalid(_) => "mend what is named, and send it again",
            Self::TooLarge(_) => "send less",
            Self::NoBody => "send it again",
            Self::Away(_) => "try again in a moment; if it stays so, `windlass doctor` says what is broken",
            Self::NotOrdered(_) => "send it again: it is ordered once, however often it is sent",
            Self::Broken => "see the console's log",
        }
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyTries(wait) => Some(seconds(*wait)),
            Self::Away(_) | Self::NotOrdered(_) => Some(5),
            _ => None,
        }
    }

    /// An answer's head.
    pub(crate) fn head(&self) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotSignedIn | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::TooManyTries(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::ReadOnly(_) | Self::Forged | Self::Foreign => StatusCode::FORBIDDEN,
            Self::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NoSuchPage | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoBody => StatusCode::REQUEST_TIMEOUT,
            Self::Away(_) | Self::NotOrdered(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// For programs.
    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = self.head();
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"windlass\""));
        }
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            next: self.next(),
        };
        response.content_type("application/problem+json").body(serde_json::json!(problem).to_string())
    }
}

impl From<OperateError> for Fault {
    fn from(error: OperateError) -> Self {
        match error {
            // Where to look is said in the console's own words.
            OperateError::NotFound { says, .. } => Self::NotFound(says),
            OperateError::Ambiguous(says) | OperateError::Invalid(says) => Self::Invalid(says),
            OperateError::Unpublished { what, source } => Self::NotOrdered(format!("{what}: {source}")),
            OperateError::Unrecorded(why) => Self::Away(format!("recording the replay, which is under way: {why}")),
            OperateError::Ledger(why) => why.into(),
        }
    }
}

impl From<LedgerError> for Fault {
    fn from(error: LedgerError) -> Self {
        Self::Away(error.to_string())
    }
}

/// Whole seconds, the begun one included.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Fault as F, *};

    /// One of each. A new one does not compile until it stands here.
    fn every() -> Vec<Fault> {
        let (text, wait) = (String::new, Duration::ZERO);
        let all = vec![
            F::NotSignedIn,
            F::WrongToken,
            F::TooManyTries(wait),
            F::ReadOnly(text()),
            F::Forged,
            F::Foreign,
            F::WrongHost,
            F::NoSuchPage,
            F::NotFound(text()),
            F::Invalid(text()),
            F::TooLarge(1),
            F::NoBody,
            F::Away(text()),
            F::NotOrdered(text()),
            F::Broken,
        ];
        for fault in &all {
            let (F::NotSignedIn
            | F::WrongToken
            | F::TooManyTries(_)
            | F::ReadOnly(_)
            | F::Forged
            | F::Foreign
            | F::WrongHost
            | F::NoSuchPage
            | F::NotFound(_)
            | F::Invalid(_)
            | F::TooLarge(_)
            | F::NoBody
            | F::Away(_)
            | F::NotOrdered(_)
            | F::Broken) = fault;
        }
        all
    }

    #[test]
    fn every_status_of_a_refusal_is_told_of() {
        let statuses: BTreeSet<_> = every().iter().map(|fault| fault.status_code().as_u16()).collect();
        assert_eq!(statuses, REFUSALS.iter().map(|(status, _)| *status).collect());
    }
}
