//! What people say with an order: who they are, and why. Both are kept with it, so both must say something.

use crate::{OperateError, Result};

/// The longest reason or comment, in characters: it stands in messages and commits.
const LONGEST: usize = 1000;

/// What is shown as nothing: what Unicode 16 has fonts ignore (`Default_Ignorable_Code_Point`), with the annotation marks
/// and the Braille pattern of no dots.
const UNSEEN: &[(char, char)] = &[
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Who orders something, and why: both are kept with the event. There is none that does not say both.
#[derive(Debug, Clone)]
pub struct Word {
    /// Who.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: String,
}

impl Word {
    /// Of this person, for this reason; an error that says what to say where either says nothing, or too much.
    pub fn new(by: &str, reason: &str) -> Result<Self> {
        let says_who = "say who orders it; it is kept with the order";
        Ok(Self { by: sound("as", by, says_who)?, reason: sound("reason", reason, SAYS_WHY)? })
    }
}

/// What is to be said for a reason.
const SAYS_WHY: &str = "say why; it is kept with the order";

/// A person's comment, if it says something and not too much.
pub(crate) fn comment(words: &str) -> Result<String> {
    sound("comment", words, SAYS_WHY)
}

fn sound(name: &str, words: &str, else_say: &str) -> Result<String> {
    let words = words.trim();
    if !words.chars().any(is_seen) {
        return Err(OperateError::Invalid(format!("`{name}`: {else_say}")));
    }
    if words.chars().count() > LONGEST {
        return Err(OperateError::Invalid(format!("`{name}`: at most {LONGEST} characters")));
    }
    Ok(words.to_owned())
}

fn is_seen(c: char) -> bool {
    let is_unseen = UNSEEN.iter().any(|(first, last)| (first..=last).contains(&&c));
    !is_unseen && !c.is_whitespace() && !c.is_control()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reason_is_something_that_people_see() {
        for nothing in [
            "",
            " \n",
            "\u{200b}",
            "\u{2060} \u{feff}\u{200d}",
            "\u{3164}",
            "\u{2800}\u{a0}",
            "\u{7}\u{ad}",
            "\u{e0041}\u{fe0f}",
        ] {
            let why = Word::new("ada", nothing).unwrap_err().to_string();
            assert_eq!(why, "`reason`: say why; it is kept with the order", "{nothing:?}");
            assert!(
                comment(nothing).is_err_and(|why| why.to_string().starts_with("`comment`: say why")),
                "{nothing:?}"
            );
            assert!(
                Word::new(nothing, "x").is_err_and(|why| why.to_string().starts_with("`as`: say who")),
                "{nothing:?}"
            );
        }
        // What joins what is seen belongs to it.
        for something in ["x", "👍", "…", "می\u{200c}خواهم", "👩\u{200d}🚒 \u{fe0f}", "é", "理由"] {
            assert_eq!(Word::new(" ada ", &format!(" {something}\n")).unwrap().reason, something);
        }
        assert!(Word::new("ada", &"ü".repeat(LONGEST)).is_ok());
        assert!(Word::new("ada", &"ü".repeat(LONGEST + 1)).is_err_and(|why| why.to_string().contains("at most 1000")));
    }
}
