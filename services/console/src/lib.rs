//! The operators' web page and JSON API: every event and dead letter, how each environment stands, and orders.
//!
//! It decides nothing. What it shows is read from the ledger; what it starts is an event, as with the `windlass`
//! command, recorded with who and why. Who that is follows from the token or the session, never from what is sent.
//!
//! - [`server`] listens, bounds connections and stops in good order.
//! - [`routes`] is the one table of what there is; a path that is not in it is nothing.
//! - [`guard`] is the one door: whoever is not known gets no further, and a form must be one of ours.
//! - [`operators`] knows people by their tokens, [`session`] by their cookies; [`tries`] bounds how often one may guess.
//! - [`desk`] is what handling a request needs; [`orders`] is the one place where something is ordered.
//! - [`pages`] answers people, [`api`] answers programs, and [`openapi`] tells them how; [`fault`] is every refusal, for both.

mod api;
pub mod check;
mod desk;
mod fault;
mod fields;
mod filters;
mod guard;
mod hosts;
mod metrics;
mod openapi;
mod operators;
mod orders;
mod pages;
mod routes;
mod server;
mod session;
mod tries;
mod visitor;

use std::sync::PoisonError;

use anyhow::Context as _;
use runtime::Context;

pub use openapi::document as openapi;
pub use routes::{ROUTES, Row, Who};
pub use server::Console;

/// Serves operators until shutdown.
pub async fn serve(context: Context) -> anyhow::Result<()> {
    let hint = "`console`: there is none in the configuration; write \
                `console: { operators: [{ name: alice, token: file:/run/secrets/console-alice }] }`";
    let settings = context.config.console.clone().context(hint)?;
    let console = {
        let mut registry = context.metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
        Console::bind(&context, &settings, &mut registry)?
    };
    console.run(context.shutdown).await
}
