//! What users write of the console: where it is, and who may look and order there.

use std::time::Duration;

use proto::button;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{SecretRef, duration, proof::is_loopback};

/// The longest name of an operator, in characters: it stands in every order, commit and message about one.
const LONGEST_NAME: usize = 100;

/// The operators' web page and JSON API.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Address and port; on loopback unless told otherwise. Put TLS in front of it where it is not.
    #[serde(default = "listen")]
    pub listen: String,
    /// Who may come in, and what they may do there.
    #[serde(default)]
    pub operators: Vec<Operator>,
    /// Its address as operators' browsers have it, such as `https://windlass.example.com`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub url: Option<Url>,
    /// How long a browser stays signed in.
    #[serde(default = "session", with = "duration")]
    #[schemars(schema_with = "duration::schema")]
    pub session: Duration,
}

/// A person, or a program, that may come in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What they are called in what they order, and where approvals say who may, and who wrote it.
    pub name: String,
    /// What they prove themselves with: at least 24 characters that nobody can guess.
    pub token: SecretRef,
    /// What they may do.
    #[serde(default)]
    pub may: May,
}

/// What an operator may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum May {
    /// Look at everything.
    Read,
    /// Order as well.
    #[default]
    Order,
}

fn listen() -> String {
    "127.0.0.1:8082".to_owned()
}

fn session() -> Duration {
    Duration::from_hours(12)
}

impl Console {
    /// What contradicts itself in it, each beginning with the path of the key to mend.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.operators.is_empty() {
            found.push(
                "`console.operators`: nobody could come in; write \
                 `[{ name: alice, token: file:/run/secrets/console-alice }]`"
                    .to_owned(),
            );
        }
        for (n, operator) in self.operators.iter().enumerate() {
            let before = &self.operators[..n];
            found.extend(
                of_operator(operator, before).map(|(key, why)| format!("`console.operators[{n}].{key}`: {why}")),
            );
        }
        found.extend(self.url.as_ref().and_then(of_url).map(|why| format!("`console.url`: {why}")));
        if self.session.is_zero() {
            found.push("`console.session`: nobody would stay signed in; write `12h`".to_owned());
        }
        found
    }
}

/// What is wrong with one, given those before.
fn of_operator(operator: &Operator, before: &[Operator]) -> Option<(&'static str, String)> {
    let Operator { name, token, .. } = operator;
    let is_plain = !name.trim().is_empty() && name.trim() == name && !name.chars().any(char::is_control);
    if !is_plain || name.chars().count() > LONGEST_NAME || button::is_unnamed(name) {
        return Some(("name", format!("`{}` is no name of a person; write `alice`", name.escape_default())));
    }
    // Approvals take no heed of capitals either.
    if before.iter().any(|other| other.name.to_lowercase() == name.to_lowercase()) {
        return Some(("name", format!("there is a `{name}` already; orders must tell them apart")));
    }
    let other = before.iter().find(|other| other.token == *token)?;
    Some(("token", format!("it is the token of `{}` too; give each one of their own", other.name)))
}

/// Links lead there, and browsers are held to it.
fn of_url(url: &Url) -> Option<String> {
    const WRITE: &str = "write `https://windlass.example.com`";
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || url.host().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Some(format!("it must be a scheme and a host, and perhaps a port; {WRITE}"));
    }
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    (!is_safe).then(|| format!("tokens must not go there in plain sight; {WRITE}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Config, testing::contradictions};
    use super::*;

    fn of(keys: &str) -> Vec<String> {
        contradictions(&format!("console: {{ {keys} }}"))
    }

    #[test]
    fn a_console_has_operators_that_can_be_told_apart() {
        let alice = "{ name: alice, token: env:A }";
        for (operators, key, hint) in [
            ("", "operators", "write `[{ name: alice"),
            ("{ name: ' ', token: env:A }", "operators[0].name", "no name of a person"),
            ("{ name: \"a\\nb\", token: env:A }", "operators[0].name", "no name of a person"),
            ("{ name: 'slack:U0', token: env:A }", "operators[0].name", "no name of a person"),
            (&format!("{alice}, {{ name: Alice, token: env:B }}"), "operators[1].name", "a `Alice` already"),
            (&format!("{alice}, {{ name: bob, token: env:A }}"), "operators[1].token", "the token of `alice` too"),
        ] {
            let found = of(&format!("operators: [{operators}]"));
            let is_it =
                found.len() == 1 && found[0].starts_with(&format!("`console.{key}`: ")) && found[0].contains(hint);
            assert!(is_it, "{operators}: {found:?}");
        }
        let text = format!("console: {{ operators: [{alice}, {{ name: bob, token: env:B, may: read }}] }}");
        let console = Config::parse(&text, "windlass.yaml".as_ref()).unwrap().console.unwrap();
        assert_eq!((console.listen.as_str(), console.session.as_secs()), ("127.0.0.1:8082", 12 * 60 * 60));
        assert_eq!(console.operators.iter().map(|one| one.may).collect::<Vec<_>>(), [May::Order, May::Read]);
    }

    #[test]
    fn its_address_is_one_that_tokens_may_go_to() {
        let with = |keys: &str| of(&format!("operators: [{{ name: alice, token: env:A }}], {keys}"));
        for (url, hint) in [
            ("https://a.example/console", "a scheme and a host"),
            ("https://me@a.example", "a scheme and a host"),
            ("https://a.example/?x", "a scheme and a host"),
            ("http://a.example", "in plain sight"),
            ("ftp://a.example", "in plain sight"),
        ] {
            let found = with(&format!("url: '{url}'"));
            assert!(
                found.len() == 1 && found[0].starts_with("`console.url`: ") && found[0].contains(hint),
                "{found:?}"
            );
        }
        for url in ["https://a.example", "https://a.example:8443/", "http://127.0.0.1:8082", "http://localhost:8082"] {
            assert_eq!(with(&format!("url: '{url}'")), Vec::<String>::new(), "{url}");
        }
        assert!(with("session: 0s")[0].starts_with("`console.session`"));
        let same = with("listen: '0.0.0.0:8080'");
        assert!(same.len() == 1 && same[0].starts_with("`console.listen`"), "{same:?}");
        let none = with("listen: nowhere");
        assert!(none.len() == 1 && none[0].starts_with("`console.listen`"), "{none:?}");
    }
}
