//! The vocabulary of Windlass: what an event is, what it carries, how it is named, and which queue hears it.
//!
//! Everything here is plain data. No module of this crate does I/O, reads a clock or knows a broker, so every
//! other crate may depend on it and it depends on none of them.
//!
//! Contract: additive only. A field is added as optional or with a default, never renamed or removed; unknown
//! fields are ignored. `proto/samples` holds one golden event a type, `proto/schemas` the JSON Schemas made from
//! these types; both are checked for drift by this crate's tests.

pub mod button;
mod event;
mod ids;
mod message;
mod orders;
mod payload;
pub mod schema;
pub mod topology;
mod variables;

pub use event::{Data, Event, EventType};
pub use ids::{
    AppName, Branch, CommitSha, ComponentName, Digest, EnvironmentName, EventId, ImageName, InvalidId, SourceName,
};
pub use message::{DecodeError, JSON, Message};
pub use orders::*;
pub use payload::*;
pub use topology::WorkerName;

/// An instant in UTC; RFC 3339 on the wire.
pub type Timestamp = jiff::Timestamp;
