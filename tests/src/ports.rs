//! Ports for servers that cannot choose one themselves.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::{Mutex, PoisonError},
};

use anyhow::{Result, bail};

/// Below the range from which the kernel takes the ports of outgoing connections, so that none of those occupies a
/// server's port while the server is stopped to be started again.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// Ports this process was given: whoever asks twice before listening must not get the same one.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on loopback that nobody listens on now, and that was not given out here before. Another process may take it
/// first: callers start again with another.
pub fn free() -> Result<u16> {
    for _ in 0..200 {
        let port = rand::random_range(RANGE);
        let is_new = GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
        if is_new && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port found on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}
