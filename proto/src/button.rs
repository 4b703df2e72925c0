//! The buttons under a message that asks for an approval: what they carry from who wrote the message to who reads the
//! click. Whoever may write as the same Slack app can write the same, so nothing here proves anything: the chain checks
//! every answer by its own rules.

use serde::{Deserialize, Serialize};

use crate::{AppName, EnvironmentName, EventId};

/// The action of the button that grants. Slack: an `action_id` has at most 255 characters.
pub const APPROVE: &str = "windlass.approve";
/// The action of the button that rejects.
pub const REJECT: &str = "windlass.reject";
/// What stands before the id of a Slack user whom the configuration gives no name. Users rename themselves at will, so
/// an id is all that is known of them.
const UNNAMED: &str = "slack:";

/// A button's value: JSON of at most 400 bytes; Slack takes 2000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ButtonValue {
    /// Which approval.
    pub approval: EventId,
    /// The app.
    pub app: AppName,
    /// Where the release is to go.
    pub environment: EnvironmentName,
    /// The correlation of what waits: the answer belongs to its chain.
    pub chain: EventId,
}

/// The name of a Slack user whom the configuration gives none.
pub fn unnamed(user: &str) -> String {
    format!("{UNNAMED}{user}")
}

/// Whether this is the name of somebody whom the configuration gives none.
pub fn is_unnamed(by: &str) -> bool {
    by.starts_with(UNNAMED)
}
