//! Which migrations there are, and which a database still lacks. A migration that was released is never edited.

use uuid::Uuid;

use crate::{LedgerError, Result};

/// Marks the checksums' namespace; fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x93f0_41d6_6c2b_5a18_b7e4_05ad_d81f_2c60);

/// The table that says what was applied. The same text serves both databases.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS windlass_migrations (
    version bigint PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at text NOT NULL)";
pub(super) const APPLIED: &str = "SELECT version, checksum FROM windlass_migrations ORDER BY version";
pub(super) const APPLY: &str =
    "INSERT INTO windlass_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

/// One numbered file.
pub(super) struct Migration {
    pub(super) version: i64,
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
}

macro_rules! migrations {
    ($folder:literal: $($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../migrations/", $folder, "/", $name, ".sql")),
        }),+]
    };
}

pub(super) const POSTGRES: &[Migration] = migrations!("postgres":
    1 "0001_tables", 2 "0002_sweeps", 3 "0003_proofs", 4 "0004_kept", 5 "0005_left", 6 "0006_waits",
    7 "0007_lists");
pub(super) const SQLITE: &[Migration] = migrations!("sqlite":
    1 "0001_tables", 2 "0002_sweeps", 3 "0003_proofs", 4 "0004_kept", 5 "0005_left", 6 "0006_waits",
    7 "0007_lists");

impl Migration {
    /// A hash of the file, kept to notice when it was edited after it was applied.
    pub(super) fn checksum(&self) -> String {
        Uuid::new_v5(&NAMESPACE, self.sql.as_bytes()).to_string()
    }
}

/// The migrations still to be applied, given the version and checksum of each that was.
pub(super) fn pending(known: &'static [Migration], applied: &[(i64, String)]) -> Result<&'static [Migration]> {
    for (place, (version, checksum)) in applied.iter().enumerate() {
        match known.get(place) {
            Some(migration) if migration.version == *version && migration.checksum() == *checksum => {}
            Some(migration) => return Err(edited(migration, *version)),
            None => return Err(newer(*version, known.len())),
        }
    }
    Ok(&known[applied.len()..])
}

fn newer(version: i64, known: usize) -> LedgerError {
    LedgerError::Unusable(format!(
        "its tables are at version {version}, and this build knows versions up to {known}: upgrade this program to \
         the build that wrote them, or restore a backup from before that upgrade"
    ))
}

fn edited(migration: &Migration, version: i64) -> LedgerError {
    LedgerError::Unusable(format!(
        "its tables were made by another migration {version} than this build's `{}`: use the build that made them, \
         or point `ledger` at an empty database",
        migration.name
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one_without_gaps_and_alike_in_both_databases() {
        let names = |known: &[Migration]| known.iter().map(|m| (m.version, m.name)).collect::<Vec<_>>();
        assert_eq!(names(POSTGRES), names(SQLITE));
        for (place, migration) in (1..).zip(SQLITE) {
            assert_eq!(migration.version, place);
            assert!(migration.name.starts_with(&format!("{place:04}_")));
        }
    }

    #[test]
    fn what_was_applied_is_not_applied_again() {
        let applied: Vec<_> = SQLITE.iter().map(|m| (m.version, m.checksum())).collect();
        assert_eq!(pending(SQLITE, &[]).unwrap().len(), SQLITE.len());
        assert!(pending(SQLITE, &applied).unwrap().is_empty());
    }
}
