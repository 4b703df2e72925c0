//! Whether a token can let anybody in, for whoever sets it up: judged by what will compare it.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use runtime::SecretRef;

/// The shortest token, in bytes. Of hexadecimal digits alone, drawn by chance, that is 96 bits.
const SHORTEST: usize = 24;
/// The fewest different bytes of a token: 24 hexadecimal digits drawn by chance have fewer once in two million.
const DIFFERENT: usize = 7;

/// Whether a token could let its operator in now: it can be read, cannot be guessed, and fits into a header.
pub fn token(reference: &SecretRef) -> Result<()> {
    usable(reference.read()?.expose())
}

/// Why nobody could be let in by this text, which the error does not repeat.
pub(crate) fn usable(token: &str) -> Result<()> {
    ensure!(
        token.bytes().all(|b| b.is_ascii_graphic()),
        "it must be of visible ASCII characters without spaces, as in `openssl rand -hex 32`"
    );
    ensure!(
        token.len() >= SHORTEST,
        "it has {} characters, and must have {SHORTEST} or more: `openssl rand -hex 32` makes one",
        token.len()
    );
    let different = token.bytes().collect::<BTreeSet<_>>().len();
    ensure!(
        different >= DIFFERENT,
        "it is the same {different} again and again: `openssl rand -hex 32` makes a better one"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::usable;

    #[test]
    fn what_can_be_guessed_or_not_be_sent_is_no_token() {
        for (token, why) in [
            ("", "0 characters"),
            ("hunter2", "7 characters"),
            (&"a".repeat(64), "the same 1 again and again"),
            ("000000000000000000000012", "the same 3 again and again"),
            ("of visible ascii but spaces", "visible"),
            ("0123456789abcdef01234567\u{e9}", "visible"),
            ("0123456789abcdef01234567\n", "visible"),
        ] {
            let refused = usable(token);
            assert!(refused.as_ref().is_err_and(|error| error.to_string().contains(why)), "{token:?}: {refused:?}");
        }
        assert!(usable("0123456789abcdef01234567").is_ok());
    }
}
