//! Files that are generated, kept, and checked for drift.
#![allow(unreachable_pub)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value;

/// A folder of this crate whose every file is generated.
pub struct Golden {
    folder: PathBuf,
    known: BTreeSet<String>,
}

impl Golden {
    pub fn folder(name: &str) -> Self {
        let folder = [env!("CARGO_MANIFEST_DIR"), name].iter().collect();
        Self { folder, known: BTreeSet::new() }
    }

    /// Holds the file to this value and returns what it says; with `WINDLASS_BLESS=1`, writes it.
    pub fn check(&mut self, name: String, value: &Value) -> Value {
        let path = self.folder.join(&name);
        let expected = serde_json::to_string_pretty(&sorted(value)).unwrap() + "\n";
        if blessing() {
            std::fs::create_dir_all(&self.folder).unwrap();
            std::fs::write(&path, &expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        let drift = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(
            found == expected,
            "{} is not what the types say now; first difference (file, types): {drift:?}\n\
             The contract is additive only. If this change is, write the files anew: WINDLASS_BLESS=1 cargo test -p windlass-proto",
            path.display()
        );
        self.known.insert(name);
        serde_json::from_str(&found).unwrap()
    }

    /// Asserts that nothing else lies in the folder.
    pub fn nothing_else(&self) {
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let there: BTreeSet<_> = std::fs::read_dir(&self.folder).unwrap().map(name).collect();
        assert_eq!(there, self.known, "files in {} and what is generated there", self.folder.display());
    }
}

/// With keys in order: whether `serde_json` keeps them so depends on what else is built at the same time.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: BTreeMap<_, _> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn blessing() -> bool {
    std::env::var_os("WINDLASS_BLESS").is_some_and(|value| value == "1")
}
