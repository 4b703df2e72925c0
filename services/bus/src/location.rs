//! Where a bus is: `sqlite`, `sqlite:<path>`, `amqp://…` or `amqps://…`.

use std::{fmt, path::PathBuf};

/// A bus's address, parsed.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A RabbitMQ URI (RabbitMQ URI specification). May hold a password: never print it, print the `Location`.
    Amqp(String),
    /// The file of the embedded bus.
    Sqlite(PathBuf),
}

/// Why a text is no address of a bus.
#[derive(Debug, thiserror::Error)]
#[error("a bus is `sqlite`, `sqlite:<path>`, `amqp://…` or `amqps://…`, not `{0}`")]
pub struct BadLocation(String);

impl Location {
    /// Reads an address; `sqlite` alone means `bus.db` in the data folder.
    pub fn parse(text: &str, data: &std::path::Path) -> Result<Self, BadLocation> {
        match text.split_once(':') {
            None if text == "sqlite" => Ok(Self::Sqlite(data.join("bus.db"))),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("amqp" | "amqps", rest)) if rest.starts_with("//") => Ok(Self::Amqp(text.to_owned())),
            scheme => Err(BadLocation(scheme.map_or(text, |(scheme, _)| scheme).to_owned())),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Amqp(uri) => match (uri.split_once("//"), uri.rsplit_once('@')) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let location = Location::parse("amqps://windlass:hunter2@mq.example:5671/%2f", "/".as_ref()).unwrap();
        assert_eq!(format!("{location} {location:?}"), "amqps://mq.example:5671/%2f amqps://mq.example:5671/%2f");
        let error = Location::parse("http://u:hunter2@x", "/".as_ref()).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
