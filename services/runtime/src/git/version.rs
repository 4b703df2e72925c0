//! Which Git this is. Older ones take no notice of where they are told to connect.

use super::{Git, GitError};

/// The oldest that obeys `http.curloptResolve`, and so connects to the addresses that were checked.
const OLDEST: (u32, u32) = (2, 37);
/// More than any Git says of its version, in bytes.
const LINE: usize = 400;

impl Git {
    /// The version of the Git on this machine.
    ///
    /// # Errors
    /// [`GitError::Program`] when there is none, [`GitError::TooOld`] when it could be led past the network's guard.
    pub async fn version(&self) -> Result<String, GitError> {
        let asked = self.begin(None).arg("--version").keep_stdout(LINE);
        let said = asked.run().await?.stdout;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        let version = said.strip_prefix("git version ").unwrap_or(&said).to_owned();
        if number(&version).is_some_and(|number| number >= OLDEST) {
            Ok(version)
        } else {
            Err(GitError::TooOld { version })
        }
    }
}

/// Of `2.39.5 (Apple Git-154)`, 2 and 39.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_numbers_and_whatever_follows() {
        for (version, read) in [
            ("2.37.0", Some((2, 37))),
            ("2.39.5 (Apple Git-154)", Some((2, 39))),
            ("2.47.1.windows.1", Some((2, 47))),
            ("2.9.5", Some((2, 9))),
            ("3.0-rc0", Some((3, 0))),
            ("", None),
            ("gitoxide", None),
            ("2", None),
        ] {
            assert_eq!(number(version), read, "{version}");
        }
        assert!(number("2.9.5") < Some(OLDEST) && number("2.36.6") < Some(OLDEST) && number("10.1") > Some(OLDEST));
    }
}
