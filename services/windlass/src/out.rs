//! What verbs print. A reader that has seen enough, such as `head`, ends a verb quietly.

use std::{
    fmt::{self, Display, Write as _},
    io::{ErrorKind, Write},
};

use anyhow::{Context as _, Result};

/// Nobody reads on. It ends a verb, and is no failure.
#[derive(Debug)]
pub(crate) struct ReaderGone;

impl std::error::Error for ReaderGone {}

impl Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

/// Prints a line on standard output, as [`plain`] text.
pub(crate) fn line(text: impl Display) -> Result<()> {
    line_to(&mut std::io::stdout().lock(), plain(text))
}

/// The text with what a terminal would obey instead of showing it escaped as in JSON, which so says what it said before:
/// a stranger's title of a commit must neither repaint the screen nor type for whoever looks at it.
pub(crate) fn plain(text: impl Display) -> String {
    let text = text.to_string();
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = if is_obeyed(c) { write!(plain, "\\u{:04x}", u32::from(c)) } else { plain.write_char(c) };
    }
    plain
}

/// Controls of terminals, and those that turn what stands behind them the other way round (Unicode Annex 9, 2).
fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !['\n', '\t'].contains(&c))
}

fn line_to(output: &mut impl Write, text: impl Display) -> Result<()> {
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        written => written.context("writing to standard output"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_terminal_shows_what_it_would_obey() {
        let title = "fix\u{1b}]0;mine\u{7} \u{9b}31m\u{202e}x\u{7f}\r";
        assert_eq!(plain(title), r"fix\u001b]0;mine\u0007 \u009b31m\u202ex\u007f\u000d");
        assert_eq!(plain("two\nlines,\tZoë"), "two\nlines,\tZoë");
        let json = serde_json::to_string(title).unwrap();
        assert_eq!(serde_json::from_str::<String>(&plain(json)).unwrap(), title);
    }

    #[test]
    fn a_reader_that_left_is_told_from_a_failure() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        line_to(&mut writer, "one").unwrap();
        drop(reader);
        assert!(line_to(&mut writer, "two").unwrap_err().is::<ReaderGone>());
        let full = line_to(&mut std::fs::File::options().write(true).open("/dev/full").unwrap(), "three").unwrap_err();
        assert!(!full.is::<ReaderGone>(), "{full:#}");
    }
}
