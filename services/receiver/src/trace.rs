//! W3C Trace Context (level 1): taken as the sender gave it, or begun here.

use uuid::Uuid;

/// The sender's `traceparent` if it is valid, else a new one, sampled.
pub(crate) fn parent(given: Option<&str>) -> String {
    given.filter(|text| is_valid(text)).map_or_else(begin, ToOwned::to_owned)
}

fn begin() -> String {
    let (trace, span) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4().simple().to_string());
    format!("00-{trace}-{}-01", &span[..16])
}

/// Version 00 exactly: `00-<trace>-<span>-<flags>`, lower-case hex, neither id all zeros.
fn is_valid(text: &str) -> bool {
    let hex =
        |s: &str, digits| s.len() == digits && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let id = |s: &str, digits| hex(s, digits) && s.bytes().any(|b| b != b'0');
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], ["00", trace, span, flags] if id(trace, 32) && id(span, 16) && hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_senders_trace_goes_on() {
        assert_eq!(parent(Some(GIVEN)), GIVEN);
    }

    #[test]
    fn a_broken_or_absent_trace_is_begun_anew() {
        let upper = GIVEN.to_uppercase();
        let zeros = GIVEN.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        for bad in [None, Some(""), Some("00-1-2-3"), Some(&upper), Some(&zeros), Some(&format!("{GIVEN}-x"))] {
            let begun = parent(bad);
            assert!(is_valid(&begun) && Some(begun.as_str()) != bad, "{bad:?}: {begun}");
        }
    }
}
