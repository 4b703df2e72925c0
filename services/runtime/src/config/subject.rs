//! What users write of the first line of Windlass's commits.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// The first line of a commit: text with placeholders in braces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Subject(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// What a commit's first line may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The app.
    App,
    /// The environment.
    Environment,
    /// The components that change, with commas between them.
    Components,
    /// What they become: the source commit, shortened; of images that name none the tag, or the digest.
    Version,
    /// The tags of their images; empty where they have none.
    Tag,
    /// The source commits, shortened; empty where the images name none.
    Commit,
    /// `deploy`, `promotion` or `rollback`.
    Reason,
    /// The id of the event that led to it.
    Event,
}

impl Placeholder {
    const ALL: [(&str, Self); 8] = [
        ("app", Self::App),
        ("environment", Self::Environment),
        ("components", Self::Components),
        ("version", Self::Version),
        ("tag", Self::Tag),
        ("commit", Self::Commit),
        ("reason", Self::Reason),
        ("event", Self::Event),
    ];

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, placeholder)| placeholder).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|(known, _)| format!("{{{known}}}")).collect();
            format!("`{{{name}}}` stands for nothing; these do: {}", known.join(", "))
        })
    }
}

impl TryFrom<String> for Subject {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(
                "it is the first line of commits; write one line, such as `deploy({app}): {version}`".to_owned()
            );
        }
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let closed = after.split_once('}').ok_or_else(|| format!("in `{text}`: a `{{` is never closed"))?;
            pieces.extend((!before.is_empty()).then(|| Piece::Text(before.to_owned())));
            pieces.push(Piece::Value(Placeholder::named(closed.0)?));
            rest = closed.1;
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.to_owned())));
        Ok(Self(pieces))
    }
}

/// As it is written.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Value(value) => {
                let name = Placeholder::ALL.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name);
                write!(f, "{{{name}}}")
            }
        })
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Default for Subject {
    fn default() -> Self {
        use Placeholder::{App, Components, Environment, Version};
        let text = |text: &str| Piece::Text(text.to_owned());
        let value = Piece::Value;
        Self(vec![
            value(App),
            text(" "),
            value(Environment),
            text(": "),
            value(Components),
            text(" -> "),
            value(Version),
        ])
    }
}

impl Subject {
    /// The line with every value put in; whatever a value holds, it is one line. Empty where nothing is left of it.
    pub fn fill(&self, value: impl Fn(Placeholder) -> String) -> String {
        let mut line = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Value(placeholder) => {
                    // Others than a line feed end a line for some readers.
                    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
                    line.extend(value(*placeholder).chars().map(|c| if breaks(c) { ' ' } else { c }));
                }
            }
        }
        line.trim().to_owned()
    }
}

super::value::as_string_schema!(
    Subject,
    "one line with any of {app}, {environment}, {components}, {version}, {tag}, {commit}, {reason} and {event} in it"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Config;

    #[test]
    fn a_placeholder_that_stands_for_nothing_is_named_with_those_that_do() {
        for (wrong, says) in [
            ("{app}: {verison}", "`{verison}` stands for nothing; these do: {app}, {environment}"),
            ("{app", "a `{` is never closed"),
            (" ", "write one line"),
            ("one\\ntwo", "write one line"),
        ] {
            let error =
                Config::parse(&format!("git: {{ message: \"{wrong}\" }}"), "windlass.yaml".as_ref()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("git.message") && error.contains(says), "{wrong}: {error}");
        }
        assert!(Config::parse("git: { message: 'deploy({app}): {tag}' }", "windlass.yaml".as_ref()).is_ok());
    }

    #[test]
    fn no_value_brings_a_line_of_its_own() {
        let subject = Subject::try_from("[{environment}] {tag} by {event}".to_owned()).unwrap();
        let value = |placeholder| match placeholder {
            Placeholder::Tag => "v1\r\nWindlass-Event: x\u{2028}y\0".to_owned(),
            Placeholder::Environment => "staging".to_owned(),
            _ => String::new(),
        };
        assert_eq!(subject.fill(value), "[staging] v1  Windlass-Event: x y  by");
        assert_eq!(Subject::try_from("{tag}".to_owned()).unwrap().fill(|_| "\n".to_owned()), "");
    }
}
