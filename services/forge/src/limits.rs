//! What an answer means for the next question (docs.github.com, "Rate limits for the REST API" and "Best practices for
//! using the REST API"; docs.gitlab.com, "User and IP rate limits").

use std::time::Duration;

/// Trouble at the host's end is tried again after this, doubled each time.
const TROUBLE: Duration = Duration::from_secs(1);
/// "Otherwise, wait for at least one minute", doubled each time.
const SECONDARY: Duration = Duration::from_mins(1);
/// Nobody waits longer than this in one go.
const LONGEST: Duration = Duration::from_mins(15);
/// The primary limit is counted by the hour; a clock that is wrong must not have us wait longer.
const WINDOW: Duration = Duration::from_mins(61);
/// The part of the primary limit that is left to others who use the same token: a tenth.
const RESERVE: u64 = 10;

/// What the headers of an answer say about limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// `retry-after`, in seconds.
    pub(crate) retry_after: Option<u64>,
    /// `x-ratelimit-limit`, GitLab's without the `x-`: requests a window.
    pub(crate) limit: Option<u64>,
    /// `x-ratelimit-remaining`: what is left of it.
    pub(crate) remaining: Option<u64>,
    /// `x-ratelimit-reset`: when the next window begins, in seconds since 1970.
    pub(crate) reset: Option<i64>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is what was asked for, or says that there is no such thing; the asker knows which.
    Answer,
    /// Ask again after a while.
    Wait(Cause, Duration),
    /// Nobody is known by these credentials, or no more.
    NotKnown,
    /// Nothing will come of asking again.
    Refused(&'static str),
}

/// Why something is asked again only later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// 5xx, or no answer.
    Trouble,
    /// The window's requests are used up.
    Primary,
    /// Too much at once.
    Secondary,
}

/// Nobody should ask before a while has passed; told to those who do not wait themselves, and where waiting again and
/// again did not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Later {
    /// Why.
    pub cause: Cause,
    /// How long.
    pub after: Duration,
    pub(crate) why: String,
}

impl Later {
    /// Whether that is because one may not ask so often, and not for some trouble.
    pub fn is_limit(&self) -> bool {
        self.cause != Cause::Trouble
    }
}

impl Cause {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Primary => "primary_limit",
            Self::Secondary => "secondary_limit",
        }
    }
}

impl Limits {
    /// Reads them from headers.
    pub(crate) fn read<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let either = |name: &str| header(&format!("x-{name}")).or_else(|| header(name));
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse().ok());
        Self {
            retry_after: number(header("retry-after")),
            limit: number(either("ratelimit-limit")),
            remaining: number(either("ratelimit-remaining")),
            reset: either("ratelimit-reset").and_then(|text| text.trim().parse().ok()),
        }
    }

    /// How long nobody should ask after this answer, so that something is left to others.
    pub(crate) fn rest(&self, now: i64) -> Option<Duration> {
        let (remaining, limit) = (self.remaining?, self.limit?);
        (remaining <= limit / RESERVE).then(|| self.until_reset(now))
    }

    fn until_reset(&self, now: i64) -> Duration {
        // The whole second in which the window begins counts to the old one.
        let seconds = self.reset.map_or(60, |reset| reset.saturating_sub(now).saturating_add(1));
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).clamp(Duration::from_secs(1), WINDOW)
    }
}

/// What the answer to a question means that was asked `tried` times before, at `now` in seconds since 1970.
pub(crate) fn judge(status: u16, limits: &Limits, message: &str, tried: u32, now: i64) -> Verdict {
    let is_limit = || {
        let message = message.to_ascii_lowercase();
        message.contains("rate limit") || message.contains("abuse")
    };
    match status {
        403 | 429 => match (limits.retry_after, limits.remaining) {
            (Some(seconds), _) => Verdict::Wait(Cause::Secondary, Duration::from_secs(seconds.max(1)).min(WINDOW)),
            (None, Some(0)) => Verdict::Wait(Cause::Primary, limits.until_reset(now)),
            _ if status == 429 || is_limit() => Verdict::Wait(Cause::Secondary, doubled(SECONDARY, tried)),
            _ => Verdict::Refused("what we are there may not do this"),
        },
        401 => Verdict::NotKnown,
        301 | 302 | 307 | 308 => Verdict::Refused("it has moved; write its new name"),
        408 | 500..=599 => Verdict::Wait(Cause::Trouble, trouble(tried)),
        _ => Verdict::Answer,
    }
}

/// How long to wait after the `tried`-th trouble in a row.
pub(crate) fn trouble(tried: u32) -> Duration {
    doubled(TROUBLE, tried)
}

/// How often a question is asked again for this.
pub(crate) fn patience(cause: Cause) -> u32 {
    match cause {
        Cause::Trouble => 5,
        Cause::Primary | Cause::Secondary => 10,
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn limits(retry_after: Option<u64>, remaining: Option<u64>, reset: Option<i64>) -> Limits {
        Limits { retry_after, limit: Some(5000), remaining, reset }
    }

    fn judged(status: u16, limits: &Limits, message: &str) -> Verdict {
        judge(status, limits, message, 0, NOW)
    }

    #[test]
    fn a_limit_is_told_from_a_refusal() {
        let seconds = Duration::from_secs;
        let used_up = limits(None, Some(0), Some(NOW + 90));
        assert_eq!(judged(403, &used_up, "API rate limit exceeded"), Verdict::Wait(Cause::Primary, seconds(91)));
        assert_eq!(judged(429, &used_up, ""), Verdict::Wait(Cause::Primary, seconds(91)));
        let told = limits(Some(30), Some(0), Some(NOW + 3000));
        assert_eq!(judged(403, &told, ""), Verdict::Wait(Cause::Secondary, seconds(30)));
        let untold = limits(None, Some(4000), None);
        let message = "You have exceeded a secondary rate limit.";
        assert_eq!(judged(403, &untold, message), Verdict::Wait(Cause::Secondary, seconds(60)));
        assert_eq!(judge(403, &untold, message, 2, NOW), Verdict::Wait(Cause::Secondary, seconds(240)));
        assert!(matches!(judged(403, &untold, "Resource not accessible by integration"), Verdict::Refused(_)));
        assert_eq!(judged(401, &untold, "Bad credentials"), Verdict::NotKnown);
        assert!(matches!(judged(301, &untold, "Moved Permanently"), Verdict::Refused(_)));
    }

    #[test]
    fn trouble_is_tried_again_and_what_is_not_there_is_an_answer() {
        assert_eq!(judged(502, &Limits::default(), ""), Verdict::Wait(Cause::Trouble, Duration::from_secs(1)));
        assert_eq!(judge(500, &Limits::default(), "", 3, NOW), Verdict::Wait(Cause::Trouble, Duration::from_secs(8)));
        assert_eq!(judge(500, &Limits::default(), "", 60, NOW), Verdict::Wait(Cause::Trouble, LONGEST));
        for status in [200, 202, 404, 422] {
            assert_eq!(judged(status, &Limits::default(), ""), Verdict::Answer, "{status}");
        }
    }

    #[test]
    fn a_wrong_clock_costs_a_window_at_most() {
        assert_eq!(limits(None, Some(0), Some(NOW - 900)).until_reset(NOW), Duration::from_secs(1));
        assert_eq!(limits(None, Some(0), Some(NOW + 900_000)).until_reset(NOW), WINDOW);
    }

    #[test]
    fn a_tenth_is_left_to_others() {
        assert_eq!(limits(None, Some(501), Some(NOW + 9)).rest(NOW), None);
        assert_eq!(limits(None, Some(500), Some(NOW + 9)).rest(NOW), Some(Duration::from_secs(10)));
        assert_eq!(Limits::default().rest(NOW), None);
    }

    #[test]
    fn headers_are_read() {
        let header = |name: &str| match name {
            "retry-after" => Some("7"),
            "x-ratelimit-remaining" => Some("12"),
            "x-ratelimit-reset" => Some("soon"),
            _ => None,
        };
        let wanted = Limits { retry_after: Some(7), limit: None, remaining: Some(12), reset: None };
        assert_eq!(Limits::read(header), wanted);
        let gitlabs = |name: &str| match name {
            "ratelimit-limit" => Some("2000"),
            "ratelimit-remaining" => Some("0"),
            "ratelimit-reset" => Some("1764230400"),
            _ => None,
        };
        let wanted = Limits { retry_after: None, limit: Some(2000), remaining: Some(0), reset: Some(1_764_230_400) };
        assert_eq!(Limits::read(gitlabs), wanted);
    }
}
