//! What operators look at and order, whatever door they come by: the `windlass` command, or the console.
//!
//! Nothing is decided here. An order is an event, and whoever hears it says what comes of it; a replay is a message on
//! its way once more; all else is looking. For what a release waits the bumper is asked, so that nobody else has to
//! know what the gates of an environment mean.
//!
//! - [`name`]: how people name things: by the beginning of an id, by how long ago.
//! - [`find`]: the one thing that is named so.
//! - [`approval`]: what was asked of people.
//! - [`order`]: approve, reject, hold, take back, release, settle.
//! - [`replay`]: events and dead letters on their way again.
//! - [`status`] and [`history`]: how it stands, and how it came to that; [`trouble`]: what went wrong of late;
//!   [`describe`]: an event in a line.

pub mod approval;
pub mod describe;
mod error;
pub mod find;
pub mod history;
pub mod name;
pub mod order;
pub mod replay;
pub mod status;
pub mod trouble;
mod word;

pub use error::{OperateError, See};
pub use name::Beginning;

/// What is returned here.
pub type Result<T> = std::result::Result<T, OperateError>;
