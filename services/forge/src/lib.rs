//! The APIs of the hosts of Git repositories, for whichever worker needs one. Nothing here decides anything, or knows of
//! an event.

pub mod github;
