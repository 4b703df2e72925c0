//! Images: built, not built, pushed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Change;
use crate::{AppName, CommitSha, ComponentName, Digest, ImageName};

/// `image.built`. Subject: the component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageBuilt {
    /// The commit it was built from.
    pub change: Change,
    /// Which of the app's images.
    pub component: ComponentName,
    /// Where it was pushed.
    pub image: ImageName,
    /// Under which tags: the commit, and the branch.
    pub tags: Vec<String>,
    /// What was pushed.
    pub digest: Digest,
    /// Whether it was there already, of this commit or the same for it, and nothing was built.
    #[serde(default)]
    pub reused: bool,
    /// The earlier commit it was built from, and says in its label, when nothing it is made of has changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchanged_since: Option<CommitSha>,
}

/// `image.failed`. Subject: the component. The commit's fault, not ours: building it again leads to the same end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageFailed {
    /// The commit it was to be built from.
    pub change: Change,
    /// Which of the app's images.
    pub component: ComponentName,
    /// Why there is none, in a line.
    pub reason: String,
    /// The last lines of the build's output, secrets masked; empty when it never began.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output_tail: String,
    /// Where the whole output lies, as a path below the worker's log folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// `image.pushed`. Subject: `<component>:<tag>@<digest>`. A hint: the bumper asks the registry before it acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImagePushed {
    /// The app that has an image of this name.
    pub app: AppName,
    /// The component that does.
    pub component: ComponentName,
    /// Where it was pushed.
    pub image: ImageName,
    /// Under which tag; absent for a push by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What the sender says was pushed; some do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}
