//! What GitHub lets through: its limits, its troubles, and who it knows.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{HttpResponse, HttpResponseBuilder, http::StatusCode};
use proto::Timestamp;
use serde_json::json;

/// What was asked, and how it was answered.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    /// All of them.
    pub all: u64,
    /// Redeliveries that were accepted.
    pub redeliveries: u64,
    /// Tokens of installations that were made.
    pub tokens: u64,
    /// How many were answered with each status.
    pub answered: BTreeMap<u16, u64>,
    /// How many came while a limit held that the asker had been told of.
    pub rude: u64,
    /// The least that was left of a window's requests; absent as long as none were limited.
    pub least_left: Option<u64>,
}

/// What stands before every request.
#[derive(Debug, Default)]
pub(super) struct Gate {
    pub(super) requests: Requests,
    pub(super) trouble_every: Option<u64>,
    pub(super) hang_after: Option<u64>,
    pub(super) fail_next: Option<(u64, u16)>,
    primary: Option<Primary>,
    secondary_after: Option<(u64, u64)>,
    secondary_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Primary {
    limit: u64,
    used: u64,
    window: Duration,
    reset: Timestamp,
    told: bool,
}

/// What becomes of a request before anybody looks at it.
pub(super) enum Entry {
    /// It is let in.
    In,
    /// It is answered so instead.
    Refused(HttpResponse),
    /// It is let in, and then answered 502.
    Lost,
}

impl Gate {
    pub(super) fn limit(&mut self, limit: u64, window: Duration) {
        self.primary = Some(Primary { limit, used: 0, window, reset: Timestamp::now() + window, told: false });
    }

    pub(super) fn use_up(&mut self) {
        self.primary.iter_mut().for_each(|primary| primary.used = primary.limit);
    }

    pub(super) fn secondary(&mut self, posts: u64, seconds: u64) {
        self.secondary_after = Some((posts, seconds));
    }

    /// Counts a request that may be let in.
    pub(super) fn enter(&mut self, is_post: bool) -> Entry {
        self.requests.all += 1;
        let now = Timestamp::now();
        if let Some((left, status)) = self.fail_next.filter(|(left, _)| *left > 0) {
            self.fail_next = Some((left - 1, status));
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            return Entry::Refused(HttpResponse::build(status).body("Server Error"));
        }
        if self.secondary_until.is_some_and(|until| now < until) {
            self.requests.rude += 1;
            return Entry::Refused(self.secondary_limit(1));
        }
        if let (true, Some((left, seconds))) = (is_post, self.secondary_after) {
            self.secondary_after = (left > 0).then(|| (left.saturating_sub(1), seconds));
            if left == 0 {
                self.secondary_until = Some(now + Duration::from_secs(seconds));
                return Entry::Refused(self.secondary_limit(seconds));
            }
        }
        if let Some(refused) = self.primary_limit(now) {
            return Entry::Refused(refused);
        }
        match self.trouble_every {
            Some(every) if self.requests.all.is_multiple_of(2 * every) => Entry::Lost,
            Some(every) if self.requests.all.is_multiple_of(every) => {
                Entry::Refused(HttpResponse::BadGateway().body("Server Error"))
            }
            _ => Entry::In,
        }
    }

    fn secondary_limit(&self, seconds: u64) -> HttpResponse {
        let mut answer = self.headed(StatusCode::FORBIDDEN);
        answer.insert_header(("Retry-After", seconds.to_string()));
        answer.json(json!({
            "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
            "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
        }))
    }

    fn primary_limit(&mut self, now: Timestamp) -> Option<HttpResponse> {
        let primary = self.primary.as_mut()?;
        if now >= primary.reset {
            (primary.used, primary.reset, primary.told) = (0, now + primary.window, false);
        }
        if primary.used < primary.limit {
            primary.used += 1;
            let left = primary.limit - primary.used;
            self.requests.least_left = Some(self.requests.least_left.map_or(left, |least| least.min(left)));
            return None;
        }
        self.requests.rude += u64::from(primary.told);
        primary.told = true;
        Some(self.headed(StatusCode::FORBIDDEN).json(json!({
            "message": "API rate limit exceeded for user ID 21031068.",
            "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
        })))
    }

    /// An answer with the headers that every answer has.
    pub(super) fn headed(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut answer = HttpResponse::build(status);
        if let Some(primary) = self.primary {
            // A window ends within the second that is told.
            let reset = primary.reset.as_second() + i64::from(primary.reset.subsec_nanosecond() > 0);
            answer.insert_header(("X-RateLimit-Limit", primary.limit.to_string()));
            answer.insert_header(("X-RateLimit-Remaining", primary.limit.saturating_sub(primary.used).to_string()));
            answer.insert_header(("X-RateLimit-Used", primary.used.to_string()));
            answer.insert_header(("X-RateLimit-Reset", reset.to_string()));
        }
        answer
    }
}
