//! Where a ledger is: `sqlite`, `sqlite:<path>` or `postgres://…`.

use std::{fmt, path::PathBuf};

/// A ledger's address, parsed.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A PostgreSQL connection URI (libpq, section 34.1.1.2). May hold a password: never print it, print the `Location`.
    Postgres(String),
    /// The file of the embedded ledger.
    Sqlite(PathBuf),
}

/// Why a text is no address of a ledger.
#[derive(Debug, thiserror::Error)]
#[error("a ledger is `sqlite`, `sqlite:<path>` or `postgres://…`, not `{0}`")]
pub struct BadLocation(String);

impl Location {
    /// Reads an address; `sqlite` alone means `ledger.db` in the data folder.
    pub fn parse(text: &str, data: &std::path::Path) -> Result<Self, BadLocation> {
        match text.split_once(':') {
            None if text == "sqlite" => Ok(Self::Sqlite(data.join("ledger.db"))),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres(text.to_owned())),
            scheme => Err(BadLocation(scheme.map_or(text, |(scheme, _)| scheme).to_owned())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(uri) => f.write_str(&without_secrets(uri)),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Scheme, host and database. The user, the password and the settings, which may hold another, stay out; where it
/// cannot be told which is which, so does the rest.
fn without_secrets(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("//").unwrap_or_default();
    let place = rest.split_once('?').map_or(rest, |(place, _)| place);
    match place.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}//{host}"),
        None if rest.contains('@') => format!("{scheme}//..."),
        None => format!("{scheme}//{place}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_holds_no_secret() {
        let shown = |text: &str| Location::parse(text, "/data".as_ref()).unwrap().to_string();
        assert_eq!(shown("sqlite"), "sqlite:/data/ledger.db");
        assert_eq!(shown("postgres://u:secret@db.example:5432/w?sslmode=require"), "postgres://db.example:5432/w");
        for hidden in [
            "postgres://u:se@cret@h/w",
            "postgres://h/w?password=secret",
            "postgres://u:x?secret@h/w",
            "postgres://h/w?password=x@secret",
        ] {
            assert!(!shown(hidden).contains("cret"), "{}", shown(hidden));
        }
    }
}
