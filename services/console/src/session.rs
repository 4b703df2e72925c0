//! Sessions of browsers: a cookie that says who it is and until when, sealed with a key that follows from their token.
//! Nothing of it is kept here, so it outlives a restart, and ends with its time or with the token.

use std::time::Duration;

use proto::Timestamp;
use uuid::Uuid;

use crate::operators::{Operator, Operators, is_mac, mac};

/// A session: the cookie's value, and whose it is.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) value: String,
    pub(crate) operator: Operator,
}

impl Session {
    /// A new one, from now on for so long.
    pub(crate) fn begin(operator: Operator, lasts: Duration, now: Timestamp) -> Self {
        let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
        let ends = now.as_second().saturating_add(lasts);
        // What tells apart two sessions of the same second.
        let unique = Uuid::new_v4().simple();
        let says = format!("{}.{ends}.{unique}", hex::encode(&operator.name));
        let value = format!("{says}.{}", hex::encode(mac(&operator.session, says.as_bytes())));
        Self { value, operator }
    }

    /// The one this value is of, if it is one of ours and has not ended.
    pub(crate) fn read(value: &str, operators: &Operators, now: Timestamp) -> Option<Self> {
        let (says, seal) = value.rsplit_once('.')?;
        let mut parts = says.split('.');
        let name = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        let ends: i64 = parts.next()?.parse().ok()?;
        let operator = operators.by_name(&name)?;
        let holds = is_mac(&operator.session, says.as_bytes(), seal) && now.as_second() < ends;
        holds.then(|| Self { value: value.to_owned(), operator })
    }

    /// What a form of this session carries, which no other page can know.
    pub(crate) fn form_token(&self) -> String {
        hex::encode(mac(&self.operator.form, self.value.as_bytes()))
    }

    /// Whether a form is of this session; in constant time.
    pub(crate) fn is_form_token(&self, stated: &str) -> bool {
        is_mac(&self.operator.form, self.value.as_bytes(), stated)
    }
}

/// The cookie that holds sessions.
#[derive(Debug, Clone)]
pub(crate) struct Cookie {
    is_secure: bool,
}

impl Cookie {
    /// One that browsers send over TLS alone, if the console is reached so.
    pub(crate) fn new(is_secure: bool) -> Self {
        Self { is_secure }
    }

    /// Its name. Browsers take one of the first kind from the very host alone, and only over TLS (RFC 6265bis, 4.1.3.2).
    fn name(&self) -> &'static str {
        if self.is_secure { "__Host-windlass" } else { "windlass" }
    }

    /// The `Set-Cookie` that begins a session.
    pub(crate) fn set(&self, session: &Session, lasts: Duration) -> String {
        self.with(&session.value, lasts.as_secs())
    }

    /// The `Set-Cookie` that ends it.
    pub(crate) fn clear(&self) -> String {
        self.with("", 0)
    }

    fn with(&self, value: &str, seconds: u64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.name())
    }

    /// The value in a `Cookie` header.
    pub(crate) fn find<'a>(&self, header: &'a str) -> Option<&'a str> {
        let pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(name, _)| *name == self.name()).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::operators::tests::{operators, token};

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_session_is_its_operator_s_until_its_end_or_the_token_s() {
        let folder = tempfile::tempdir().unwrap();
        token(folder.path(), "alice", "alice-0123456789abcdef0123");
        token(folder.path(), "b.o=b; x", "bob-0123456789abcdef012345");
        let operators = operators(folder.path(), &["alice", "b.o=b; x"]);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let at = |seconds: i64| Timestamp::from_second(1_800_000_000 + seconds).unwrap();
        let who = |value: &str, now| Session::read(value, &operators, now).map(|session| session.operator.name);
        let begin = |name| Session::begin(operators.by_name(name).unwrap(), HOUR, now);
        let (alice, bob) = (begin("alice"), begin("b.o=b; x"));
        assert_eq!(who(&alice.value, at(3599)).as_deref(), Some("alice"));
        assert_eq!(who(&alice.value, at(3600)), None);
        assert_eq!(who(&bob.value, now).as_deref(), Some("b.o=b; x"));
        assert!(bob.value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.'), "{}", bob.value);

        // No part of one fits another.
        let part = |of: &Session, n| of.value.split('.').nth(n).unwrap().to_owned();
        let longer = (1_800_003_600_i64 + 1).to_string();
        for forged in [
            [part(&bob, 0), part(&alice, 1), part(&alice, 2), part(&alice, 3)].join("."),
            [part(&alice, 0), longer, part(&alice, 2), part(&alice, 3)].join("."),
            [part(&alice, 0), part(&alice, 1), part(&alice, 2)].join("."),
            [part(&alice, 0), part(&alice, 1), part(&alice, 2), String::new()].join("."),
            String::new(),
            "...".to_owned(),
        ] {
            assert_eq!(who(&forged, now), None, "{forged}");
        }
        assert!(alice.is_form_token(&alice.form_token()));
        let again = begin("alice");
        for stated in ["", &bob.form_token(), &again.form_token(), &part(&alice, 3)] {
            assert!(!alice.is_form_token(stated), "{stated}");
        }

        token(folder.path(), "alice", "alice-0123456789abcdef0124");
        assert_eq!((who(&alice.value, now), who(&bob.value, now).is_some()), (None, true));
    }

    #[test]
    fn over_tls_the_cookie_goes_nowhere_else() {
        let (safe, plain) = (Cookie::new(true), Cookie::new(false));
        assert_eq!(safe.clear(), "__Host-windlass=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(plain.clear(), "windlass=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
        assert_eq!(safe.find("a=b; __Host-windlass=x.y; windlass=z"), Some("x.y"));
        assert_eq!(plain.find("a=b;windlass=z"), Some("z"));
        assert_eq!(plain.find("xwindlass=z; windlass"), None);
    }
}
