//! What may be meant, and mostly is not: it is told, and stops nothing.

use std::fmt;

use proto::WorkerName;

use super::Config;

/// Something that is rarely meant as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The path of the key to look at.
    pub key: String,
    /// What comes of it.
    pub says: String,
    /// What to do.
    pub next: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}; {}", self.key, self.says, self.next)
    }
}

impl Config {
    /// What is rarely meant as it is written.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Vec::new();
        let reader = WorkerName::Normalizer;
        if !self.sources.is_empty() && !self.workers.contains(&reader) {
            found.push(Warning {
                key: "workers".to_owned(),
                says: format!("without `{reader}` nobody reads what `sources` send: it is taken, and goes no further"),
                next: "add it, or leave `workers` out for all of them".to_owned(),
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn webhooks_that_nobody_would_read_are_warned_of() {
        let warnings = |text: &str| Config::parse(text, "windlass.yaml".as_ref()).unwrap().warnings();
        let sources = "sources: { github: { kind: github, secrets: [env:S] } }\n";
        let found = warnings(&format!("{sources}workers: [bumper, recorder]"));
        assert_eq!(found.len(), 1, "{found:?}");
        let told = found[0].to_string();
        assert!(
            told.starts_with("`workers`: without `normalizer` nobody reads") && told.contains("; add it"),
            "{told}"
        );
        for fine in ["workers: [bumper]", sources, &format!("{sources}workers: [normalizer]")] {
            assert_eq!(warnings(fine), [], "{fine}");
        }
    }
}
