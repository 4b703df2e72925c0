//! What tokens may do, of which kind they are, and what is said to one that may not.

use std::collections::BTreeMap;

use actix_web::http::Method;

use super::State;

/// What a token may do.
#[derive(Debug, Clone)]
pub(super) enum May {
    /// A classic token, by its scopes.
    Scopes(String),
    /// A fine-grained token, by its permissions.
    FineGrained(BTreeMap<String, String>),
    /// An App's installation's, by its permissions.
    Installation(BTreeMap<String, String>),
}

/// Permissions as they are written in tests.
pub(super) fn permissions(written: &[(&str, &str)]) -> BTreeMap<String, String> {
    written.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect()
}

impl State {
    /// Makes a token of this kind.
    pub(super) fn make(&mut self, kind: &str, may: May) -> String {
        let token = format!("{kind}_{}", hex::encode(rand::random::<[u8; 18]>()));
        self.tokens.insert(token.clone(), may);
        token
    }
}

impl May {
    pub(super) fn fine_grained(written: &[(&str, &str)]) -> Self {
        Self::FineGrained(permissions(written))
    }

    /// The header that tells a classic token's scopes.
    pub(super) fn scopes(&self) -> Option<&str> {
        match self {
            Self::Scopes(scopes) => Some(scopes),
            Self::FineGrained(_) | Self::Installation(_) => None,
        }
    }

    /// What is said of a request below `repos/<owner>/<name>/` that it may not make.
    pub(super) fn refuses(&self, method: &Method, rest: &str) -> Option<&'static str> {
        let needed = match rest.split('/').collect::<Vec<_>>().as_slice() {
            ["pulls", ..] => "pull_requests",
            ["commits", _, "check-runs"] => "checks",
            ["commits", _, "status"] => "statuses",
            _ => return None,
        };
        let (has, said) = match self {
            Self::Scopes(_) => return None,
            Self::FineGrained(has) => (has, "Resource not accessible by personal access token"),
            Self::Installation(has) => (has, "Resource not accessible by integration"),
        };
        let level = has.get(needed).map(String::as_str);
        let may = level == Some("write") || (level == Some("read") && *method == Method::GET);
        (!may).then_some(said)
    }
}
