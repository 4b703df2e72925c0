//! How much the spool holds, how old that is, and whether it takes more. Counts only what it is told.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bus::Stock;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use proto::{Message, Timestamp};
use runtime::config::Spool as Settings;

/// With less room than this, in bytes, it counts as full: most webhooks would not fit.
const LEAST_ROOM: u64 = 16 << 10;

/// The level, and its bounds.
#[derive(Debug)]
pub(super) struct Level {
    max_bytes: u64,
    max_age: Duration,
    held: Mutex<Held>,
    /// Whether anything is held that the bus has not confirmed: all that a request looks at while nothing is.
    in_use: AtomicBool,
    handed_on: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    events: u64,
    bytes: u64,
    /// How many of them the bus has confirmed: nothing need go behind those.
    confirmed: u64,
    /// When the oldest came; of those an earlier process left, known once the first was read.
    oldest: Option<Timestamp>,
}

/// Why nothing more is taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Shut {
    /// It would hold more than `max_bytes`.
    #[error("the spool is full: `receiver.spool.max_bytes` is {0}")]
    Full(u64),
    /// Its oldest event waits for longer than `max_age`.
    #[error("the spool's oldest event is too old: `receiver.spool.max_age` is {0:?}")]
    TooOld(Duration),
    /// A write is under way for longer than it may take.
    #[error("the spool's disk hangs: a write is not confirmed after {} s", .0.as_secs())]
    Hangs(Duration),
}

/// One event that is counted in. Dropped, it counts as never written; see [`Place::stays`].
pub(super) struct Place {
    level: Arc<Level>,
    weight: u64,
    stays: bool,
}

impl Place {
    /// The event is in the file.
    pub(super) fn stays(mut self) {
        self.stays = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.stays {
            self.level.leave(self.weight);
        }
    }
}

/// What an event counts for, in bytes; what [`Stock::bytes`] counts too, where no attribute needs escaping.
pub(super) fn weight(message: &Message) -> u64 {
    let attributes: usize = message.attributes.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    (message.body.len() + message.content_type.len() + attributes + 1) as u64
}

impl Level {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            max_bytes: settings.max_bytes,
            max_age: settings.max_age,
            held: Mutex::default(),
            in_use: AtomicBool::new(false),
            handed_on: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// What an earlier process left.
    pub(super) fn found(&self, stock: Stock) {
        let mut held = self.held();
        *held = Held { events: stock.waiting, bytes: stock.bytes, ..Held::default() };
        self.note_use(&held);
        drop(held);
        if stock.waiting > 0 {
            tracing::warn!("the spool holds {self} from before; they go to the bus first");
        }
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.in_use.load(Ordering::SeqCst)
    }

    /// Counts an event in, before it is written: whoever comes after its answer must find it counted.
    pub(super) fn enter(self: &Arc<Self>, weight: u64) -> Result<Place, Shut> {
        let mut held = self.held();
        let now = Timestamp::now();
        self.check(&held, weight, now)?;
        if held.events == 0 {
            held.oldest = Some(now);
            tracing::warn!("the bus does not confirm: webhooks are kept in the spool");
        }
        held.events += 1;
        held.bytes += weight;
        self.note_use(&held);
        Ok(Place { level: Arc::clone(self), weight, stays: false })
    }

    /// Counts an event out: it is set aside, or was never written.
    pub(super) fn leave(&self, weight: u64) {
        self.without(weight, 0);
    }

    /// Counts an event out that the bus has confirmed, and that has left the file.
    pub(super) fn handed_on(&self, weight: u64) {
        self.handed_on.fetch_add(1, Ordering::Relaxed);
        self.without(weight, 1);
    }

    /// So many of the events are confirmed by the bus, and on their way out of the file.
    pub(super) fn confirmed(&self, events: usize) {
        let mut held = self.held();
        held.confirmed = events as u64;
        self.note_use(&held);
    }

    fn without(&self, weight: u64, confirmed: u64) {
        let mut held = self.held();
        held.events = held.events.saturating_sub(1);
        held.bytes = held.bytes.saturating_sub(weight);
        held.confirmed = held.confirmed.saturating_sub(confirmed);
        if held.events == 0 {
            *held = Held::default();
            tracing::info!("the spool is empty: webhooks go to the bus again");
        }
        self.note_use(&held);
    }

    fn note_use(&self, held: &Held) {
        self.in_use.store(held.events > held.confirmed, Ordering::SeqCst);
    }

    /// The oldest event is of this time.
    pub(super) fn oldest(&self, time: Timestamp) {
        self.held().oldest = Some(time);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// How many are set aside: what an earlier process had set aside was put back at the start.
    pub(super) fn set_aside(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether it would take an ordinary webhook now.
    pub(super) fn takes(&self) -> Result<(), Shut> {
        let held = *self.held();
        self.check(&held, LEAST_ROOM, Timestamp::now())
    }

    fn check(&self, held: &Held, more: u64, now: Timestamp) -> Result<(), Shut> {
        if held.bytes.saturating_add(more) > self.max_bytes {
            return Err(Shut::Full(self.max_bytes));
        }
        if held.age(now) > self.max_age {
            return Err(Shut::TooOld(self.max_age));
        }
        Ok(())
    }

    /// What these guard is valid after every statement, so a panic elsewhere does not spoil it.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// How long the oldest has waited; nothing when the clock was set back.
    fn age(&self, now: Timestamp) -> Duration {
        self.oldest.map_or(Duration::ZERO, |oldest| now.duration_since(oldest).try_into().unwrap_or_default())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = *self.held();
        let age = held.age(Timestamp::now()).as_secs();
        write!(f, "{} events of {} bytes, the oldest {age} s old", held.events, held.bytes)
    }
}

impl Collector for Level {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let held = *self.held();
        let gauge = |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let age = ConstGauge::new(held.age(Timestamp::now()).as_secs_f64());
        let counter = |count: &AtomicU64| ConstCounter::new(count.load(Ordering::Relaxed));
        let mut tell = |name: &str, help: &str, metric: &dyn Encode| metric.put(&mut encoder, name, help);
        tell("spool_events", "Events that wait in the receiver's spool", &gauge(held.events))?;
        tell("spool_bytes", "Bytes of the events that wait in the receiver's spool", &gauge(held.bytes))?;
        tell("spool_oldest_age_seconds", "Age of the oldest event in the receiver's spool, in seconds", &age)?;
        tell("spool_handed_on", "Events handed on from the spool to the bus", &counter(&self.handed_on))?;
        tell("spool_refused", "Events of the spool that the bus refused for good", &counter(&self.refused))
    }
}

/// A metric of any type, so that they stand in one list.
trait Encode {
    fn put(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result;
}

impl<T: EncodeMetric> Encode for T {
    fn put(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        let metric = encoder.encode_descriptor(name, help, None, self.metric_type())?;
        EncodeMetric::encode(self, metric)
    }
}
