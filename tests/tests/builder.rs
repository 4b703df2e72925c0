//! The builder over real repositories, real programs, a real registry and buildah.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "builder/history.rs"]
mod history;
#[path = "builder/images.rs"]
mod images;
#[path = "builder/paths.rs"]
mod paths;
mod stage;
#[path = "builder/steps.rs"]
mod steps;
#[path = "builder/worth.rs"]
mod worth;
mod yard;
