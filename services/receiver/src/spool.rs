//! What is kept on this machine's disk while the broker does not confirm, and handed on in order once it does.
//!
//! The store is the embedded bus ([`bus::SqliteBus`]): one SQLite file that commits in groups and syncs before it says
//! so, gives out in order, forgets what is settled and nothing else, sees a torn write by its checksum, and lets one
//! process consume. A segment file of our own would be all of that written a second time, and no faster: either waits
//! for the same fsync.
//!
//! - An event is answered for once it is in the file, and leaves the file once the broker has confirmed it. Between
//!   the two a crash hands it on twice, under the same id.
//! - While anything is in here that the broker has not confirmed, everything new goes behind it ([`Spool::is_in_use`]):
//!   so one sender's events keep their order. What costs the ordinary way nothing but a look at a flag.
//! - On a disk that cannot be written nothing more is taken, but what is there is handed on all the same.
//! - A file that cannot be read is put out of the way, and a new one begun: what is in it needs a person, and what comes
//!   now must not wait for that.
//! - What the broker refuses for good is set aside as the file's own dead letter, so that it holds up nothing; the
//!   next start tries it again.
//!
//! It never drops what it has taken: full, too old, or on a disk that hangs, it takes no more.

mod drain;
mod level;
mod pending;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use bus::{Bus, BusError, Damaged, Location, Settings, SqliteBus};
use prometheus_client::registry::Registry;
use proto::{Message, WorkerName};
use runtime::{Config, ops::Ready};
use tokio::{runtime::Handle, sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use drain::{Drain, Hands};
use level::{Level, Shut};
use pending::Pending;

/// The file, in `spool` below the data folder.
const FOLDER: &str = "spool";
const FILE: &str = "spool.db";
/// The queue of the file that everything here goes through: the one that hears webhooks.
const QUEUE: WorkerName = WorkerName::Normalizer;
/// How long the file's own work may take: for ever. Given up in between, nobody would know whether it was done; who
/// waits for it has a deadline of his own.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);
/// Events out of the file at once, as many as there can be: what is read ahead is bounded in bytes, and what cannot leave
/// the file stays out without its body.
const PREFETCH: u16 = u16::MAX;

/// A receiver's spool.
pub struct Spool {
    path: PathBuf,
    file: Bus,
    /// The broker.
    bus: Bus,
    level: Arc<Level>,
    pending: Arc<Pending>,
    deadline: Duration,
    runtime: Handle,
    stop: CancellationToken,
    draining: Mutex<Option<JoinHandle<()>>>,
}

/// Why an event was not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// It takes nothing more for now.
    #[error(transparent)]
    Shut(#[from] Shut),
    /// The disk could not, or not in time.
    #[error("the spool did not take it: {0}")]
    Disk(String),
    /// Never: the event is over a limit.
    #[error("the spool refuses it: {0}")]
    TooLarge(String),
}

impl Spool {
    /// Opens the spool and begins to hand on what an earlier process left in it. `None` when `receiver.spool` is `off`,
    /// or the bus is embedded and so is durable by itself. Fails when another receiver has it, or the disk is not fit.
    pub async fn open(config: &Config, bus: &Bus) -> Result<Option<Arc<Self>>> {
        let (Bus::Amqp(_), Some(settings)) = (bus, &config.receiver.spool) else { return Ok(None) };
        let path = path(config);
        let opened = Self::open_at(path.clone(), config, bus, Level::new(settings)).await;
        opened.map(Some).with_context(|| {
            format!(
                "opening the spool {} (`receiver.spool`); each receiver needs a `data` folder of its own, on a disk \
                 that can be written, or `receiver.spool: off`",
                path.display()
            )
        })
    }

    async fn open_at(path: PathBuf, config: &Config, bus: &Bus, level: Level) -> Result<Arc<Self>> {
        if let Some(Damaged { path: moved, why }) = SqliteBus::set_aside_if_damaged(path.clone()).await? {
            let moved = moved.display();
            tracing::error!("the spool {} is damaged ({why}) and was put out of the way as {moved}", path.display());
        }
        let file = SqliteBus::open(Settings {
            location: Location::Sqlite(path.clone()),
            workers: vec![QUEUE],
            publish_deadline: FOR_EVER,
            name: "spool".to_owned(),
        });
        let file = file.await?;
        sync_folders(&config.data)?;
        let spool = Bus::Sqlite(file.clone());
        // From here on no other receiver takes from the file.
        let deliveries = spool.consume(QUEUE, PREFETCH).await?;
        drain::put_back(&spool, file.stock().await?.dead).await?;
        level.found(file.stock().await?);
        let (level, stop) = (Arc::new(level), CancellationToken::new());
        let hands = Hands {
            path: path.clone(),
            file: spool.clone(),
            bus: bus.clone(),
            level: Arc::clone(&level),
            stop: stop.clone(),
            farewell: config.receiver.publish_deadline,
        };
        let drain = Drain { deliveries, hands };
        let deadline = config.receiver.publish_deadline;
        Ok(Arc::new(Self {
            path,
            file: spool,
            bus: bus.clone(),
            level,
            pending: Arc::new(Pending::new(deadline)),
            deadline,
            runtime: Handle::current(),
            stop,
            draining: Mutex::new(Some(tokio::spawn(drain.run()))),
        }))
    }

    /// Registers how much waits, for how long, and what became of it.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Arc::clone(&self.level)));
    }

    /// Whether a new event must go here: behind those that are here, or because the broker is known to be away.
    pub(crate) fn is_in_use(&self) -> bool {
        self.level.is_in_use() || self.bus.ready().is_err()
    }

    /// Keeps an event; returns once it is synced to disk. Given up at the deadline, it may be kept all the same.
    pub(crate) async fn keep(&self, message: &Message) -> Result<(), NotKept> {
        self.pending.check()?;
        let weight = level::weight(message);
        let place = self.level.enter(weight)?;
        let writing = async {
            let write = self.pending.begin(weight).await;
            let (file, message) = (self.file.clone(), message.clone());
            // On its own, because it must be known how it ended also when nobody waits for it any more.
            let writing = self.runtime.spawn(async move {
                let written = file.publish(std::slice::from_ref(&message)).await;
                drop(write);
                if written.is_ok() {
                    place.stays();
                }
                written
            });
            writing.await
        };
        match tokio::time::timeout(self.deadline, writing).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(BusError::Refused(why)))) => Err(NotKept::TooLarge(why)),
            Ok(Ok(Err(error))) => Err(NotKept::Disk(error.to_string())),
            Ok(Err(error)) => Err(NotKept::Disk(error.to_string())),
            Err(_) => Err(NotKept::Disk(format!("the disk did not confirm within {:?}", self.deadline))),
        }
    }

    /// What `/readyz` says of the bus: with a spool that takes events, its absence can be borne.
    pub fn readiness(&self) -> Ready {
        let remarks = [self.standing()?, self.set_aside(), self.damaged()];
        Ok(remarks.into_iter().flatten().reduce(|all, one| format!("{all}; {one}")))
    }

    fn standing(&self) -> Ready {
        let shut = self.level.takes().and_then(|()| self.pending.check());
        let takes = shut.map_err(|shut| shut.to_string()).and_then(|()| self.file.ready());
        let (there, used) = (self.bus.ready(), self.level.is_in_use());
        match (there, takes) {
            (Ok(()), Ok(())) if !used => Ok(None),
            // What does not take part now is no reason to send nothing here.
            (Ok(()), Err(why)) if !used => Ok(Some(format!("the spool could not be used now: {why}"))),
            (Ok(()), Ok(())) => Ok(Some(format!("there, and new events go behind the spool's: {}", self.level))),
            (Err(away), Ok(())) => Ok(Some(format!("{away}; the spool keeps what comes: {}", self.level))),
            (Ok(()), Err(why)) => Err(format!("{why}; the spool holds {}", self.level)),
            (Err(away), Err(why)) => Err(format!("{away}; {why}; the spool holds {}", self.level)),
        }
    }

    /// What waits for somebody to raise the bus's limit.
    fn set_aside(&self) -> Option<String> {
        let path = self.path.display();
        Some(self.level.set_aside()).filter(|count| *count > 0).map(|count| {
            format!(
                "{count} events that the bus refuses are set aside in {path}: raise its limit, and start the receiver \
                 again"
            )
        })
    }

    /// What waits for somebody to read what is left of it.
    fn damaged(&self) -> Option<String> {
        let files: Vec<_> = damaged(&self.path).iter().map(|file| file.display().to_string()).collect();
        (!files.is_empty())
            .then(|| format!("damaged and put out of the way: {}; see `windlass doctor`", files.join(", ")))
    }

    /// Ends the handing on, and closes the file. What is in it waits for the next start.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        if let Some(draining) = self.draining.lock().await.take()
            && let Err(error) = draining.await
        {
            tracing::error!(%error, "the spool's handing on did not end in good order");
        }
        self.file.close().await;
        if self.level.is_in_use() {
            tracing::warn!("the spool keeps {} for the next start", self.level);
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Where a receiver with this configuration keeps it.
pub(crate) fn path(config: &Config) -> PathBuf {
    config.data.join(FOLDER).join(FILE)
}

/// Files that were found damaged, in the place of this one, and lie there still.
pub(crate) fn damaged(path: &Path) -> Vec<PathBuf> {
    SqliteBus::set_aside(path)
}

/// SQLite syncs the file's folder; that this folder and the one above are there must outlive a power cut too.
fn sync_folders(data: &Path) -> Result<()> {
    for folder in [data.join(FOLDER).as_path(), data] {
        let synced = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.with_context(|| format!("syncing the folder {}", folder.display()))?;
    }
    Ok(())
}
