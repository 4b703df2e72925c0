//! What both backends keep to (how large a body and a reason may be), and how large bodies are squeezed on the wire.

use std::io::Read;

use proto::{Message, WorkerName};

use crate::BusError;

/// Bytes a body may have, uncompressed; above GitHub's 25 MB with room, and the bound of what decompresses.
pub const MAX_BODY: usize = 64 << 20;
/// Bytes of a dead letter's reason that are kept: AMQP headers share one frame, so this must stay small.
const MAX_REASON: usize = 8 << 10;
/// Bodies up to this size travel as they are: compressing them costs more than it saves.
const PLAIN: usize = 64 << 10;
/// zstd's fastest ordinary level: JSON shrinks to a fifth at it, and to little less above it.
const LEVEL: i32 = 1;

/// Refuses a body over the limit.
pub(crate) fn check_body(message: &Message) -> Result<(), BusError> {
    let (id, size) = (message.attribute("id"), message.body.len());
    if size <= MAX_BODY {
        return Ok(());
    }
    Err(BusError::Refused(format!("event {id}: its body of {size} bytes is over the limit of {MAX_BODY}")))
}

/// The error for a worker whose queue nobody has declared: what were published to it would lie there for good.
pub(crate) fn no_queue(worker: WorkerName) -> BusError {
    let name = worker.queue().name();
    BusError::Unusable(format!(
        "there is no queue `{name}`: nothing here has run the {worker} yet; start it once, then publish again"
    ))
}

/// The reason, cut at a character's border where it is too long.
pub(crate) fn bounded(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

/// The body in zstd, where that is worth it: a tenth smaller at least.
pub(crate) fn compress(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() <= PLAIN {
        return None;
    }
    let squeezed = zstd::bulk::compress(body, LEVEL).ok()?;
    (squeezed.len() < body.len() / 10 * 9).then_some(squeezed)
}

/// The body back; `None` when it is not zstd, or becomes larger than a body may be.
pub(crate) fn decompress(body: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
    zstd::stream::read::Decoder::new(body).ok()?.take(most + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= MAX_BODY).then_some(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let cut = "\u{fc}".repeat(MAX_REASON);
        let cut = bounded(&cut);
        assert!(cut.len() <= MAX_REASON && cut.len() > MAX_REASON - 2, "{}", cut.len());
        assert_eq!(bounded("short"), "short");
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let body = b"{\"ref\":\"refs/heads/main\"}".repeat(10_000);
        let squeezed = compress(&body).unwrap();
        assert!(squeezed.len() < body.len() / 5, "{}", squeezed.len());
        assert_eq!(decompress(&squeezed).unwrap(), body);
    }

    #[test]
    fn what_does_not_shrink_travels_as_it_is() {
        assert_eq!(compress(&vec![7; PLAIN]), None);
        // A linear congruential generator's high bytes: no pattern zstd could use.
        let noise = std::iter::successors(Some(1_u64), |x| Some(x.wrapping_mul(6_364_136_223_846_793_005) + 1));
        let noise: Vec<u8> = noise.map(|x| x.to_be_bytes()[0]).take(2 * PLAIN).collect();
        assert_eq!(compress(&noise), None);
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let bomb = zstd::bulk::compress(&vec![0; MAX_BODY + 1], LEVEL).unwrap();
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        assert_eq!(decompress(&bomb), None);
        assert_eq!(decompress(b"no zstd at all"), None);
    }
}
