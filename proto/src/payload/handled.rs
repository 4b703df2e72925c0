//! What workers did not do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{AppName, EventId, EventType, WorkerName};

/// `event.ignored`. Subject: the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventIgnored {
    /// The app, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Who did nothing.
    pub worker: WorkerName,
    /// Why, and what would have to be different.
    pub reason: String,
}

/// `delivery.parked`. Subject: the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryParked {
    /// The app, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Whose queue it came from.
    pub worker: WorkerName,
    /// The event that could not be handled; absent when it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Its type, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<EventType>,
    /// The error and its causes, outermost first.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The dead letter's id, for `windlass dead show` and `windlass dead replay`.
    pub dead_letter: String,
}
