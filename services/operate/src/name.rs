//! How people name things: by the first digits of an id, a commit or a digest, and moments by how long ago they were.

use std::{fmt, str::FromStr};

use proto::Timestamp;

/// The fewest digits that name something, as Git has it.
const SHORTEST: usize = 4;

/// The beginning of an id, a commit or a digest, in small letters. Less than [`SHORTEST`] digits name nothing: an empty
/// variable of a script must not let in whatever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning(String);

impl Beginning {
    /// The text, `sha256:` included where it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits alone.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }
}

impl FromStr for Beginning {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let begins = Self(text.trim().to_lowercase());
        if begins.digits().len() < SHORTEST {
            return Err(format!("write at least its first {SHORTEST} digits"));
        }
        Ok(begins)
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `2026-11-23T06:00:00Z`, or how long ago: `90m`, `2h`.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let ago: jiff::SignedDuration =
        text.parse().map_err(|_| "write a time as 2026-11-23T06:00:00Z, or how long ago as 90m".to_owned())?;
    Timestamp::now().checked_sub(ago).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_to_nothing_names_nothing() {
        for text in ["", " ", "3f2", "sha256:", "sha256:3f2"] {
            assert!(text.parse::<Beginning>().is_err_and(|why| why.contains("first 4 digits")), "{text}");
        }
        let read =
            |text: &str| text.parse::<Beginning>().map(|begins| (begins.to_string(), begins.digits().to_owned()));
        assert_eq!(read(" 3F2A "), Ok(("3f2a".to_owned(), "3f2a".to_owned())));
        assert_eq!(read("sha256:3f2a"), Ok(("sha256:3f2a".to_owned(), "3f2a".to_owned())));
    }

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("2026-11-23T06:00:00Z").map(Timestamp::as_second), Ok(1_795_413_600));
        assert!(moment("2h").is_ok_and(|at| Timestamp::now().duration_since(at).as_hours() == 2));
        assert!(moment("yesterday").is_err_and(|why| why.contains("90m")));
    }
}
