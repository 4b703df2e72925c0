//! How a text is written as a scalar, so that every reader of YAML or JSON reads the same text.

use saphyr_parser::ScalarStyle;

/// The text in the quotes it was in. Without any only where no reader takes it for something else: `1.10` is a number,
/// and so is a commit such as `12e4567`.
pub(super) fn written(value: &str, was: ScalarStyle, is_json: bool) -> String {
    match was {
        ScalarStyle::Plain if !is_json && is_plain(value) => value.to_owned(),
        ScalarStyle::SingleQuoted if !value.chars().any(char::is_control) => {
            format!("'{}'", value.replace('\'', "''"))
        }
        // A text of JSON is one of YAML.
        _ => serde_json::Value::from(value).to_string(),
    }
}

/// Whether a text may stand without quotes: what images, tags and digests are made of, and nothing a reader of YAML 1.1
/// or 1.2 takes for a null, a truth, a number or a date.
pub(super) fn is_plain(value: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"_./:@+=-".contains(&b);
    let begins = value.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b"_./".contains(&b));
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"];
    let is_word = words.iter().any(|word| value.eq_ignore_ascii_case(word));
    begins && value.bytes().all(inside) && !value.ends_with(':') && !is_word && !is_number(value) && !is_date(value)
}

/// Any reader's numbers: `7`, `1_000`, `0x1f`, `0o17`, `0b1`, `1.5`, `.5`, `1e3`, `1:30` (in sixties).
fn is_number(value: &str) -> bool {
    let all = |text: &str, digit: fn(&u8) -> bool| text.bytes().all(|b| b == b'_' || digit(&b));
    for (prefix, base) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = value.get(..2).filter(|p| p.eq_ignore_ascii_case(prefix)).and(value.get(2..)) {
            return digits.chars().all(|c| c == '_' || c.is_digit(base));
        }
    }
    let (mantissa, exponent) = value.split_once(['e', 'E']).map_or((value, None), |(m, e)| (m, Some(e)));
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let sixties = whole.split(':').all(|part| all(part, u8::is_ascii_digit));
    let digits = mantissa.bytes().any(|b| b.is_ascii_digit());
    digits && sixties && all(fraction, u8::is_ascii_digit) && exponent.is_none_or(|e| all(e, u8::is_ascii_digit))
}

/// `2026-01-31`, or what begins so.
fn is_date(value: &str) -> bool {
    let mut parts = value.splitn(3, '-');
    let mut number = || parts.next().is_some_and(|part| part.bytes().next().is_some_and(|b| b.is_ascii_digit()));
    let is_year = value.bytes().take_while(u8::is_ascii_digit).count() == 4;
    is_year && number() && number() && number()
}
