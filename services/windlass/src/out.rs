//! What verbs print. A reader that has seen enough, such as `head`, ends a verb quietly.

use std::{
    fmt::{self, Display},
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

/// Prints a line on standard output.
pub(crate) fn line(text: impl Display) -> Result<()> {
    line_to(&mut std::io::stdout().lock(), text)
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
    fn a_reader_that_left_is_told_from_a_failure() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        line_to(&mut writer, "one").unwrap();
        drop(reader);
        assert!(line_to(&mut writer, "two").unwrap_err().is::<ReaderGone>());
        let full = line_to(&mut std::fs::File::options().write(true).open("/dev/full").unwrap(), "three").unwrap_err();
        assert!(!full.is::<ReaderGone>(), "{full:#}");
    }
}
