//! The buttons under what asks for an approval. Limits: Slack's "Block Kit" reference (a button's text 75 characters, its
//! value 2000, its id 255; a dialog's title 100, text 300, buttons 30).

use proto::{
    ApprovalRequested, EventId,
    button::{APPROVE, ButtonValue, REJECT},
};
use serde_json::{Value, json};

use crate::text::start;

/// The most characters of what a dialog says.
const DIALOG: usize = 300;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asks {
    value: ButtonValue,
    /// What happens once it is granted, for who is about to.
    then: String,
}

impl Asks {
    /// Asks for the approval, whose answer belongs to that chain.
    pub(crate) fn new(asked: &ApprovalRequested, chain: EventId) -> Self {
        let ApprovalRequested { approval, app, environment, release, .. } = asked;
        let image = |(name, image): (_, &proto::ReleasedImage)| {
            format!("{name} {}", image.commit.as_ref().map_or(image.digest.short(), |commit| commit.short()))
        };
        let images: Vec<_> = release.iter().map(image).collect();
        let then = start(&format!("{app} goes to {environment}: {}", images.join(", ")), DIALOG);
        let (approval, app, environment) = (*approval, app.clone(), environment.clone());
        Self { value: ButtonValue { approval, app, environment, chain }, then }
    }

    /// The block with both buttons.
    pub(crate) fn block(&self) -> Value {
        let plain = |text: &str| json!({ "type": "plain_text", "text": text });
        let value = json!(self.value).to_string();
        let confirm = |title: &str, text: &str, yes: &str| json!({ "title": plain(title), "text": plain(text), "confirm": plain(yes), "deny": plain("Cancel") });
        let (app, environment) = (&self.value.app, &self.value.environment);
        let never = start(&format!("{environment} does not get this release of {app}"), DIALOG);
        let (yes, no) = (confirm("Let it in?", &self.then, "Approve"), confirm("Keep it out?", &never, "Reject"));
        json!({ "type": "actions", "elements": [
            { "type": "button", "action_id": APPROVE, "style": "primary", "text": plain("Approve"), "value": value, "confirm": yes },
            { "type": "button", "action_id": REJECT, "style": "danger", "text": plain("Reject"), "value": value, "confirm": no },
        ] })
    }
}
