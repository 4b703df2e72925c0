//! What a filter of logs may say. To `tracing` every word that is no level is a target, and one that nothing logs under
//! turns all logs off without a word.

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::names::meant;

/// The levels, as people write them.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// Windlass's own parts: the targets that people name.
const PARTS: &[&str] = &[
    "builder",
    "bumper",
    "bus",
    "console",
    "forge",
    "ledger",
    "normalizer",
    "notifier",
    "operate",
    "prober",
    "proto",
    "receiver",
    "reconciler",
    "recorder",
    "runtime",
    "scanner",
    "syncer",
    "windlass",
];

/// What is wrong with a filter, and what to write.
pub(super) fn problem(filter: &str) -> Option<String> {
    // Where it is read, an error would end the process before a log says so.
    if let Err(error) = EnvFilter::try_new(filter) {
        return Some(format!("{error}; write `info`, or `info,bumper=debug`"));
    }
    let word = filter.split(',').map(str::trim).find(|word| is_word(word) && !is_known(word))?;
    Some(format!(
        "`{word}` is no level and no part of Windlass{}; levels are: {}; if a library is meant, write its level too: \
         `{word}=debug`",
        meant(word, LEVELS.iter().chain(PARTS)),
        LEVELS.join(", ")
    ))
}

/// Whether it is a word by itself, rather than a target with its level, or one of `tracing`'s patterns of spans.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c))
}

fn is_known(word: &str) -> bool {
    let part = word.split("::").next().unwrap_or_default();
    word.parse::<LevelFilter>().is_ok() || PARTS.contains(&part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn a_word_alone_is_a_level_or_a_part_of_ours() {
        for right in [
            "info",
            "WARN",
            "0",
            "",
            "info,bumper=debug",
            "bumper",
            "info,bumper::chain",
            "off,hyper=debug",
            "info,[run{event}]=trace",
        ] {
            assert_eq!(problem(right), None, "{right}");
        }
        for (wrong, says) in [
            (
                "verbose",
                "`verbose` is no level and no part of Windlass; levels are: off, error, warn, info, debug, trace",
            ),
            ("inof", "`inof` is no level and no part of Windlass; write `info`, if that is meant"),
            ("warning", "write `warn`, if that is meant"),
            ("info, bumpr", "`bumpr` is no level and no part of Windlass; write `bumper`, if that is meant"),
            ("hyper", "write its level too: `hyper=debug`"),
            ("bumper=loud", "write `info`, or `info,bumper=debug`"),
            ("info,bumper=loud=x", "write `info`, or `info,bumper=debug`"),
        ] {
            let found = problem(wrong).unwrap_or_else(|| panic!("{wrong} is taken"));
            assert!(found.contains(says), "{wrong}: {found}");
        }
    }

    #[test]
    fn every_part_is_known() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let named = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let parts: BTreeSet<_> = named.chain(["proto".to_owned()]).collect();
        assert_eq!(PARTS.iter().map(|part| (*part).to_owned()).collect::<BTreeSet<_>>(), parts);
    }
}
