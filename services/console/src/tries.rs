//! How often somebody may be wrong about a token. Tokens are too long to be guessed however often it is tried; this says
//! so to whoever tries, and keeps the log from being filled. Who is right is let in whoever else knocks.

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

/// Wrong tries that one address has free, and how many more it gets a minute.
const EACH: (u32, u32) = (10, 10);
/// The same for all addresses together: many belong to one who has a network.
const ALL: (u32, u32) = (100, 60);
/// How many addresses are kept in mind before those that are quiet are let go.
const KEPT: usize = 10_000;

/// Who was wrong of late.
pub(crate) struct Tries {
    each: DefaultKeyedRateLimiter<IpAddr>,
    all: DefaultDirectRateLimiter,
    shut: Mutex<HashMap<Whom, Instant>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whom {
    One(IpAddr),
    Everybody,
}

impl Default for Tries {
    fn default() -> Self {
        Self { each: RateLimiter::keyed(quota(EACH)), all: RateLimiter::direct(quota(ALL)), shut: Mutex::default() }
    }
}

fn quota((free, a_minute): (u32, u32)) -> Quota {
    let of = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(of(a_minute)).allow_burst(of(free))
}

impl Tries {
    /// How long a wrong token from there is told to wait, and no more than that.
    pub(crate) fn shut_for(&self, from: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        let whoms = from.map(|from| Whom::One(network(from))).into_iter().chain([Whom::Everybody]);
        let left = whoms.filter_map(|whom| shut.get(&whom)?.checked_duration_since(now));
        left.filter(|left| !left.is_zero()).max()
    }

    /// Counts a wrong one.
    pub(crate) fn wrong(&self, from: Option<IpAddr>, now: Instant) {
        let clock = DefaultClock::default();
        let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        shut.retain(|_, until| *until > now);
        if self.each.len() > KEPT {
            self.each.retain_recent();
        }
        if let Err(until) = self.all.check() {
            shut.insert(Whom::Everybody, now + until.wait_time_from(clock.now()));
        }
        let Some(from) = from.map(network) else { return };
        if let Err(until) = self.each.check_key(&from) {
            shut.insert(Whom::One(from), now + until.wait_time_from(clock.now()));
        }
    }
}

/// The address; of IPv6 the network of 64 bits that one subscriber has at the least (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(it) if it.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = it.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other.to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_was_wrong_too_often_waits_and_nobody_else_does() {
        let (tries, now) = (Tries::default(), Instant::now());
        let [one, other] = ["2001:db8::1", "2001:db8:0:1::1"].map(|text| Some(text.parse().unwrap()));
        for _ in 0..EACH.0 {
            tries.wrong(one, now);
            assert_eq!(tries.shut_for(one, now), None);
        }
        tries.wrong(one, now);
        let wait = tries.shut_for(one, now).unwrap();
        assert!(wait <= Duration::from_secs(6), "{wait:?}");
        assert_eq!(tries.shut_for(Some("2001:db8::ffff".parse().unwrap()), now), Some(wait));
        assert_eq!((tries.shut_for(other, now), tries.shut_for(one, now + wait)), (None, None));
    }

    #[test]
    fn many_who_are_wrong_once_are_bounded_together() {
        let (tries, now) = (Tries::default(), Instant::now());
        for n in 0..=ALL.0 {
            tries.wrong(Some(std::net::Ipv4Addr::from(n << 8).into()), now);
        }
        assert!(tries.shut_for(Some("192.0.2.1".parse().unwrap()), now).is_some());
    }
}
