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
            Self::Postgres(uri) => match (uri.split_once("//"), uri.rsplit_once('@')) {
                (Some((scheme, _)), Some((_, host))) => write!(f, "{scheme}//{host}"),
                _ => f.write_str(uri),
            },
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
