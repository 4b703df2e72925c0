//! Secrets out of text: as they are, line by line, and in the codings in which programs like to repeat them.

use std::ops::Range;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::Secret;

/// Shorter ones would mask half of every line, and protect nothing.
const SHORTEST: usize = 4;
/// What stands in a secret's place.
const MASK: &str = "***";

/// What must not be seen.
#[derive(Clone, Default)]
pub struct Masks(Vec<String>);

impl Masks {
    /// Masks of these secrets.
    pub fn of(secrets: &[Secret]) -> Self {
        let mut patterns: Vec<String> = secrets.iter().flat_map(|secret| patterns(secret.expose())).collect();
        patterns.sort();
        patterns.dedup();
        Self(patterns)
    }

    /// The longest of them, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.0.iter().map(String::len).max().unwrap_or(0)
    }

    /// The text with every secret masked.
    pub fn apply(&self, text: &str) -> String {
        let mut hits: Vec<Range<usize>> = self.0.iter().flat_map(|pattern| occurrences(text, pattern)).collect();
        hits.sort_by_key(|hit| hit.start);
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for hit in hits {
            // One that begins within the one before belongs to the same mask.
            if hit.start >= at {
                masked.push_str(&text[at..hit.start]);
                masked.push_str(MASK);
            }
            at = at.max(hit.end);
        }
        masked.push_str(&text[at..]);
        masked
    }
}

/// Every occurrence, overlapping ones as well.
fn occurrences<'a>(text: &'a str, pattern: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(pattern)?;
        from = text.ceil_char_boundary(start + 1);
        Some(start..start + pattern.len())
    })
}

fn patterns(secret: &str) -> Vec<String> {
    let mut all: Vec<String> = secret.lines().map(|line| line.trim().to_owned()).collect();
    for whole in [secret, secret.trim()] {
        all.extend(percent_encoded(whole));
        let json = serde_json::Value::from(whole).to_string();
        all.push(json[1..json.len() - 1].to_owned());
        all.extend((0..3).flat_map(|offset| base64_at(whole.as_bytes(), offset)));
    }
    all.retain(|pattern| pattern.len() >= SHORTEST && !pattern.contains('\n'));
    all
}

/// What of the secret's base64 is the same whatever stands around it, when it begins so far into a group of three
/// bytes: `user:password` is one text to base64.
fn base64_at(secret: &[u8], offset: usize) -> [String; 2] {
    let padded: Vec<u8> = std::iter::repeat_n(0, offset).chain(secret.iter().copied()).collect();
    let (from, to) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    // Of a very short secret too little is left to tell it from other text.
    let inner = |text: String| if to >= from + 6 { text[from..to].to_owned() } else { String::new() };
    [inner(STANDARD_NO_PAD.encode(&padded)), inner(URL_SAFE_NO_PAD.encode(&padded))]
}

/// With either case of the hex digits.
fn percent_encoded(text: &str) -> [String; 2] {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let plain = |b: u8| char::from(b).to_string();
    let upper = text.bytes().map(|b| if is_plain(b) { plain(b) } else { format!("%{b:02X}") }).collect();
    [upper, text.bytes().map(|b| if is_plain(b) { plain(b) } else { format!("%{b:02x}") }).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secret: &str, text: &str) -> String {
        Masks::of(&[Secret::from(secret.to_owned())]).apply(text)
    }

    #[test]
    fn a_secret_is_masked_wherever_it_stands() {
        assert_eq!(masked("hunter22", "a hunter22 b hunter22"), "a *** b ***");
        assert_eq!(masked("aaaa", "xaaaaaay"), "x***y");
        assert_eq!(masked("träger-1", "ü träger-1 ü"), "ü *** ü");
    }

    #[test]
    fn overlapping_secrets_leave_nothing() {
        let masks = Masks::of(&["abcd1234".to_owned().into(), "1234wxyz".to_owned().into()]);
        assert_eq!(masks.apply("[abcd1234wxyz]"), "[***]");
    }

    #[test]
    fn short_ones_mask_nothing() {
        assert_eq!(masked("abc", "abc"), "abc");
    }

    #[test]
    fn each_line_of_a_long_secret_is_one() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n  kqhkiG9w0BAQEF\n-----END KEY-----\n";
        assert_eq!(masked(key, "x MIIEvQIBADANBg y"), "x *** y");
        assert_eq!(masked(key, "kqhkiG9w0BAQEF"), "***");
    }

    #[test]
    fn codings_are_known() {
        let secret = "p@ss/word+with?odd&chars\"";
        for prefix in ["", "x", "me", "x-access-token:"] {
            let coded = STANDARD_NO_PAD.encode(format!("{prefix}{secret}"));
            let text = masked(secret, &coded);
            assert!(
                text.contains(MASK) && text.len() <= MASK.len() + (prefix.len() + 2) * 4 / 3 + 2,
                "{prefix}: {text}"
            );
        }
        assert_eq!(masked(secret, "p%40ss%2Fword%2Bwith%3Fodd%26chars%22"), "***");
        assert_eq!(masked(secret, "p%40ss%2fword%2bwith%3fodd%26chars%22"), "***");
        assert_eq!(masked(secret, r#"{"x":"p@ss/word+with?odd&chars\""}"#), r#"{"x":"***"}"#);
    }
}
