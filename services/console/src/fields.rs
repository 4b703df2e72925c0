//! What a query or a form says: names and values, read once, and nothing that nobody asked for.

use std::str::FromStr;

use runtime::names::there_are;
use url::form_urlencoded;

use crate::fault::Fault;

/// Names and values, in the order in which they were sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Of a query, or a body of the type `application/x-www-form-urlencoded`.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The value, without spaces around it; none where it is empty, as forms send what nobody filled in.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// Every value of that name.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim());
        named.filter(|value| !value.is_empty())
    }

    /// All of them but those of this name.
    pub(crate) fn but<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter(move |(known, _)| known != name).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value as what it is to be.
    pub(crate) fn parse<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.parse_by(name, |text| text.parse::<T>().map_err(|why| why.to_string()))
    }

    /// The same by a reader of its own.
    pub(crate) fn parse_by<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Fault> {
        self.get(name).map(|text| read(text).map_err(|why| Fault::Invalid(format!("`{name}`: {why}")))).transpose()
    }

    /// Refuses what is none of these: a misspelt filter would choose everything.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Fault::Invalid(format!("`{name}` is no parameter here; {}", there_are(known)))),
            None => Ok(()),
        }
    }

    /// The same with this value in place of any of that name, as a query.
    pub(crate) fn with(&self, name: &str, value: &str) -> String {
        let others = self.0.iter().filter(|(known, value)| known != name && !value.trim().is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(others).append_pair(name, value).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_empty_is_not_said_and_what_is_unknown_is_refused() {
        let fields = Fields::read(b"type=push.received&app=&since=+2h+&id=1&id=2");
        assert_eq!(
            (fields.get("type"), fields.get("app"), fields.get("since")),
            (Some("push.received"), None, Some("2h"))
        );
        assert_eq!(fields.values("id").collect::<Vec<_>>(), ["1", "2"]);
        assert!(fields.only(&["type", "app", "since", "id"]).is_ok());
        assert!(matches!(fields.only(&["type"]), Err(Fault::Invalid(why)) if why.starts_with("`app` is no parameter")));
        assert!(matches!(fields.parse::<u32>("type"), Err(Fault::Invalid(why)) if why.starts_with("`type`: ")));
        assert_eq!(fields.parse::<u32>("id").unwrap(), Some(1));
        assert_eq!(fields.with("id", "a&b"), "type=push.received&since=+2h+&id=a%26b");
    }
}
