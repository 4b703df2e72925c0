//! Environments: what runs where, what last ran well there, and what must never run there again.

use proto::{AppName, Digest, EnvironmentName, EventId};

use crate::{
    EnvironmentState, Ledger, LedgerError, Quarantined, Result,
    db::{Row, args},
};

const ONE: &str = "SELECT CAST(state AS text) FROM environments WHERE app = $1 AND environment = $2";
const ALL: &str = "SELECT CAST(state AS text) FROM environments ORDER BY app, environment";
const PUT: &str = "
    INSERT INTO environments (app, environment, state, updated_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (app, environment) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at
    RETURNING app";
const BAR: &str = "
    INSERT INTO quarantine (app, digest, reason, event, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (app, digest) DO NOTHING
    RETURNING app";
const BARRED: &str = "SELECT app, digest, reason, event, at FROM quarantine WHERE app = $1 AND digest = $2";
const EVERY_BARRED: &str = "SELECT app, digest, reason, event, at FROM quarantine ORDER BY app, at, digest";
const PARDON: &str = "DELETE FROM quarantine WHERE app = $1 AND digest = $2 AND event = $3 RETURNING app";

impl Ledger {
    /// What is known of an environment.
    pub async fn environment(&self, app: &AppName, environment: &EnvironmentName) -> Result<Option<EnvironmentState>> {
        let rows = self.db.read(ONE, args![app.as_str(), environment.as_str()]).await?;
        rows.first().map(|row| row.json(0)).transpose()
    }

    /// Every environment that is known, by app and name.
    pub async fn environments(&self) -> Result<Vec<EnvironmentState>> {
        self.db.read(ALL, args![]).await?.iter().map(|row| row.json(0)).collect()
    }

    /// Writes what is known of an environment, whole.
    pub async fn put_environment(&self, state: &EnvironmentState) -> Result<()> {
        let json = serde_json::to_string(state)
            .map_err(|why| LedgerError::Unusable(format!("an environment cannot be written as JSON: {why}")))?;
        let args = args![state.app.as_str(), state.environment.as_str(), json, state.updated_at];
        self.db.write(PUT, args).await.map(drop)
    }

    /// Bars a digest from every environment of the app. Barring it again changes nothing.
    pub async fn quarantine(&self, entry: &Quarantined) -> Result<()> {
        let args = args![entry.app.as_str(), entry.digest.as_str(), entry.reason.as_str(), entry.event.0, entry.at];
        self.db.write(BAR, args).await.map(drop)
    }

    /// Lifts this entry; one that was made since stays.
    pub async fn pardon(&self, entry: &Quarantined) -> Result<()> {
        let args = args![entry.app.as_str(), entry.digest.as_str(), entry.event.0];
        self.db.write(PARDON, args).await.map(drop)
    }

    /// Every digest that is barred, by app and time.
    pub async fn quarantines(&self) -> Result<Vec<Quarantined>> {
        self.db.read(EVERY_BARRED, args![]).await?.iter().map(entry).collect()
    }

    /// The entry that bars this digest, if one does.
    pub async fn quarantined(&self, app: &AppName, digest: &Digest) -> Result<Option<Quarantined>> {
        self.db.read(BARRED, args![app.as_str(), digest.as_str()]).await?.first().map(entry).transpose()
    }
}

fn entry(row: &Row) -> Result<Quarantined> {
    Ok(Quarantined {
        app: row.parse(0)?,
        digest: row.parse(1)?,
        reason: row.get(2)?,
        event: EventId(row.get(3)?),
        at: row.get(4)?,
    })
}
