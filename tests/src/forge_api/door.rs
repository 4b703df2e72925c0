//! What a host lets through: whom it knows, what they may, its limits and troubles.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::Method, http::StatusCode};
use proto::Timestamp;
use serde_json::{Value, json};

use super::Kind;

/// What stands before every request.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Whether each token may write.
    pub(super) tokens: BTreeMap<String, bool>,
    pub(super) fail_next: Option<(u64, u16)>,
    pub(super) requests: Vec<String>,
    shut_until: Option<Timestamp>,
}

impl Door {
    pub(super) fn use_up(&mut self, window: Duration) {
        self.shut_until = Some(Timestamp::now() + window);
    }

    /// How a request is answered that is not let in.
    pub(super) fn refuses(&mut self, kind: Kind, request: &HttpRequest) -> Option<HttpResponse> {
        self.requests.push(format!("{} {}", request.method(), request.uri()));
        if let Some((left, status)) = self.fail_next.filter(|(left, _)| *left > 0) {
            self.fail_next = Some((left - 1, status));
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            return Some(HttpResponse::build(status).body("<html>Bad Gateway</html>"));
        }
        if let Some(until) = self.shut_until.filter(|until| Timestamp::now() < *until) {
            return Some(kind.too_many(until));
        }
        let token = kind.token(request).and_then(|token| self.tokens.get(token));
        match token {
            None => Some(kind.says(StatusCode::UNAUTHORIZED, "401 Unauthorized")),
            Some(false) if request.method() != Method::GET => Some(kind.needs_a_scope()),
            Some(_) => None,
        }
    }
}

impl Kind {
    pub(super) fn token(self, request: &HttpRequest) -> Option<&str> {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        match self {
            Self::Gitlab => header("private-token"),
            Self::Gitea => header("authorization")?.strip_prefix("token "),
        }
    }

    /// GitLab says when to come again; before a Gitea stands a proxy, which says nothing.
    fn too_many(self, until: Timestamp) -> HttpResponse {
        let mut answer = HttpResponse::TooManyRequests();
        if self == Self::Gitlab {
            let left = until.duration_since(Timestamp::now()).as_secs().max(1);
            answer.insert_header(("RateLimit-Limit", "2000")).insert_header(("RateLimit-Remaining", "0"));
            answer.insert_header(("RateLimit-Reset", until.as_second().to_string()));
            answer.insert_header(("Retry-After", left.to_string()));
        }
        answer.body("Retry later\n")
    }

    fn needs_a_scope(self) -> HttpResponse {
        match self {
            Self::Gitlab => HttpResponse::Forbidden().json(json!({
                "error": "insufficient_scope", "scope": "api",
                "error_description": "The request requires higher privileges than provided by the access token.",
            })),
            Self::Gitea => self.says(
                StatusCode::FORBIDDEN,
                "token does not have at least one of required scope(s), required=[write:repository], token scope=read:repository",
            ),
        }
    }

    pub(super) fn not_found(self) -> HttpResponse {
        match self {
            Self::Gitlab => self.says(StatusCode::NOT_FOUND, "404 Project Not Found"),
            Self::Gitea => self.says(StatusCode::NOT_FOUND, "The target couldn't be found."),
        }
    }

    /// An error, in its form.
    pub(super) fn says(self, status: StatusCode, message: impl Into<Value>) -> HttpResponse {
        let message = message.into();
        HttpResponse::build(status).json(match self {
            Self::Gitlab => json!({ "message": message }),
            Self::Gitea => json!({ "message": message, "url": "https://gitea.example/api/swagger" }),
        })
    }
}
