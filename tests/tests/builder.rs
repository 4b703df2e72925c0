//! The builder over real repositories, real programs, a real registry and buildah.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "builder/images.rs"]
mod images;
mod stage;
#[path = "builder/steps.rs"]
mod steps;
mod yard;
