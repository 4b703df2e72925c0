//! Secrets are references in the config and never printed. They are read anew at each use, so a file that changes is
//! a rotation.

use std::{borrow::Cow, fmt, path::PathBuf};

use anyhow::{Context, Result, bail};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// Where a secret is: `file:<path>` or `env:<variable>`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SecretRef {
    /// A file, without the line feed at its end.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

/// A secret's value. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl SecretRef {
    /// Reads the secret. An empty one is an error: it would authenticate everybody.
    pub fn read(&self) -> Result<Secret> {
        let value = match self {
            Self::File(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("reading the secret {self}"))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            Self::Env(name) => std::env::var(name).with_context(|| format!("reading the secret {self}"))?,
        };
        if value.is_empty() {
            bail!("the secret {self} is empty; write one into it");
        }
        Ok(Secret(value))
    }
}

impl Secret {
    /// The value, for where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl TryFrom<String> for SecretRef {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) if path.starts_with('~') => {
                Err("`~` stands for no folder here; write the whole path, `file:/home/…`".to_owned())
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            // The text itself may be a secret somebody put here by mistake: it is not repeated.
            _ => Err("a secret is a reference, `file:<path>` or `env:<variable>`, never the secret itself".to_owned()),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> Cow<'static, str> {
        "SecretRef".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(file|env):.+", "description": "where a secret is; never the secret itself" })
    }
}
