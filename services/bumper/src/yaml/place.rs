//! The bytes of a scalar, quotes included.

use std::ops::Range;

use saphyr_parser::ScalarStyle;

use super::Kind;

/// Where a scalar can be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// These bytes are it, with its quotes.
    Token(Range<usize>),
    /// Nothing is written; a value would stand after its key's colon, which ends here.
    Nothing(usize),
    /// It is written in a way that is left alone, and why.
    Fixed(&'static str),
}

const UNKNOWN: Place = Place::Fixed("its place is not understood");
const LINES: Place = Place::Fixed("its value is broken over lines; write it on one line");
const BLOCK: Place = Place::Fixed("its value is a block scalar; write it on the key's own line");

/// Finds places in the order of the text.
pub(super) struct Places<'t> {
    text: &'t str,
    /// A character's index and its byte's: the parser counts characters, and the text is walked once.
    cursor: (usize, usize),
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, cursor: (0, 0) }
    }

    /// The place of a scalar that begins, with its anchor and tag, at this character.
    pub(super) fn of(&mut self, value: &str, style: ScalarStyle, index: usize) -> Place {
        let start = self.byte_of(index);
        let start = start + properties(&self.text[start..]);
        let rest = &self.text[start..];
        let length = match style {
            ScalarStyle::Literal | ScalarStyle::Folded => return BLOCK,
            // On one line it says what it is.
            ScalarStyle::Plain if value.is_empty() => return UNKNOWN,
            ScalarStyle::Plain if rest.starts_with(value) => value.len(),
            ScalarStyle::Plain => return LINES,
            ScalarStyle::SingleQuoted => match single_quoted(rest) {
                Some(length) => length,
                None => return UNKNOWN,
            },
            ScalarStyle::DoubleQuoted => match double_quoted(rest) {
                Some(length) => length,
                None => return UNKNOWN,
            },
        };
        if rest[..length].contains(['\n', '\r']) { LINES } else { Place::Token(start..start + length) }
    }

    /// The place of a value that is not written, by its key.
    pub(super) fn after_key(&self, key: Option<&Kind>) -> Place {
        let Some(Kind::Scalar { place: Place::Token(key), .. }) = key else { return UNKNOWN };
        let rest = &self.text[key.end..];
        let colon = rest.trim_start_matches([' ', '\t']);
        if colon.starts_with(':') { Place::Nothing(key.end + rest.len() - colon.len() + 1) } else { UNKNOWN }
    }

    fn byte_of(&mut self, index: usize) -> usize {
        let (chars, bytes) = self.cursor;
        let (chars, bytes) = if index < chars { (0, 0) } else { (chars, bytes) };
        let rest = &self.text[bytes..];
        let ahead = rest.char_indices().nth(index - chars).map_or(rest.len(), |(at, _)| at);
        self.cursor = (index, bytes + ahead);
        bytes + ahead
    }
}

/// How many bytes anchors, tags and what lies between them and the scalar take.
fn properties(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let ends = match rest.as_bytes().first() {
            Some(b'&' | b'!') => rest.find([' ', '\t', '\n', '\r']),
            // A comment, between them and a scalar on a later line.
            Some(b'#') if rest.len() < text.len() => rest.find(['\n', '\r']),
            _ => return text.len() - rest.len(),
        };
        rest = &rest[ends.unwrap_or(rest.len())..];
    }
}

/// The bytes up to the closing quote, which is written twice within.
fn single_quoted(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let quote = rest.find('\'')?;
        rest = &rest[quote + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => rest = after,
            None => return Some(text.len() - rest.len()),
        }
    }
}

/// The bytes up to the closing quote, which a backslash escapes within.
fn double_quoted(text: &str) -> Option<usize> {
    let mut rest = text.strip_prefix('"')?;
    loop {
        let at = rest.find(['"', '\\'])?;
        if rest[at..].starts_with('"') {
            return Some(text.len() - rest.len() + at + 1);
        }
        let mut after = rest[at + 1..].chars();
        after.next()?;
        rest = after.as_str();
    }
}
