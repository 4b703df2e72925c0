//! The JSON API, version 1: the same as the pages, for programs. CONSOLE.md has its routes, and `openapi.json` all that is
//! asked and answered by them.

pub(crate) mod described;
pub(crate) mod order;
pub(crate) mod read;
