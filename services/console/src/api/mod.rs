//! The JSON API, version 1: the same as the pages, for programs. CONSOLE.md has its routes.

pub(crate) mod order;
pub(crate) mod read;
