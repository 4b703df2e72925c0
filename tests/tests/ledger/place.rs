//! A fresh database for one test, of either kind.

use std::path::PathBuf;

use ledger::{Ledger, Location};
use testkit::postgres::Postgres;

/// Where a test's ledger is; an SQLite file goes when this does.
pub(crate) struct Place {
    location: Location,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// A file that is not there yet.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("data").join("ledger.db"));
        Self { location, _folder: Some(folder) }
    }

    /// A database without tables.
    pub(crate) async fn postgres() -> Self {
        let url = Postgres::shared().await.unwrap().database().await.unwrap();
        Self { location: Location::Postgres(url), _folder: None }
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> PathBuf {
        match &self.location {
            Location::Sqlite(path) => path.clone(),
            Location::Postgres(_) => panic!("a PostgreSQL database is no file"),
        }
    }

    /// The server's address of the database.
    pub(crate) fn url(&self) -> String {
        match &self.location {
            Location::Postgres(url) => url.clone(),
            Location::Sqlite(path) => panic!("{} is no server", path.display()),
        }
    }

    /// The same for another user.
    pub(crate) fn url_as(&self, user: &str) -> String {
        let url = self.url();
        let (scheme, rest) = url.split_once("//").unwrap();
        let (_, host) = rest.split_once('@').unwrap();
        format!("{scheme}//{user}@{host}")
    }

    pub(crate) async fn open(&self) -> Ledger {
        Ledger::open(&self.location).await.unwrap()
    }

    /// Runs SQL past the ledger, as somebody else's build would have.
    pub(crate) async fn execute(&self, sql: &str) {
        match &self.location {
            Location::Sqlite(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Location::Postgres(url) => {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
                let connection = tokio::spawn(connection);
                client.batch_execute(sql).await.unwrap();
                drop(client);
                connection.await.unwrap().unwrap();
            }
        }
    }
}
