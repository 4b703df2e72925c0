//! What both backends keep to: how large a body and a reason may be.

/// Bytes a body may have, uncompressed; above GitHub's 25 MB with room, and a bound for what decompresses.
pub(crate) const MAX_BODY: usize = 64 << 20;
/// Bytes of a dead letter's reason that are kept: AMQP headers share one frame, so this must stay small.
const MAX_REASON: usize = 8 << 10;

/// The reason, cut at a character's border where it is too long.
pub(crate) fn bounded(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(MAX_REASON)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = "\u{fc}".repeat(MAX_REASON);
        let cut = bounded(&long[..]);
        assert!(cut.len() <= MAX_REASON && cut.len() > MAX_REASON - 2, "{}", cut.len());
        assert_eq!(bounded("short"), "short");
    }
}
