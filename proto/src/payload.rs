//! What each event carries: all that its next consumer needs, so no consumer asks another.

mod change;
mod deployment;
mod handled;
mod image;
mod judged;
mod webhook;

pub use change::{Change, Lane, PullRequestReceived, PushReceived};
pub use deployment::{
    BumpReason, CheckReport, Deployment, HealthReported, ManifestBumped, Release, ReleasedImage, SyncFinished,
};
pub use handled::{DeliveryParked, EventIgnored};
pub use image::{ImageBuilt, ImageFailed, ImagePushed};
pub use judged::{Finding, ScanFinished, ScanReport, Severity, StepReport, TestsFinished, Verdict};
pub use webhook::WebhookReceived;
