//! What handling a request needs; one for all threads.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use bus::Bus;
use ledger::Ledger;
use prometheus_client::registry::Registry;
use runtime::{Config, Context, config::Console};

use crate::{
    fault::Fault,
    hosts::Hosts,
    metrics::Metrics,
    operators::{Operator, Operators},
    session::Cookie,
    tries::Tries,
};

/// All that handling a request needs.
pub(crate) struct Desk {
    pub(crate) config: Arc<Config>,
    pub(crate) settings: Console,
    pub(crate) ledger: Ledger,
    pub(crate) bus: Bus,
    pub(crate) operators: Operators,
    pub(crate) hosts: Hosts,
    pub(crate) cookie: Cookie,
    pub(crate) metrics: Metrics,
    tries: Tries,
}

impl Desk {
    /// Of a console that listens there.
    pub(crate) fn new(context: &Context, settings: &Console, address: SocketAddr, registry: &mut Registry) -> Self {
        Self {
            config: Arc::clone(&context.config),
            settings: settings.clone(),
            ledger: context.ledger.clone(),
            bus: context.bus.clone(),
            operators: Operators::new(&settings.operators),
            hosts: Hosts::new(settings, address),
            cookie: Cookie::new(settings.url.as_ref().is_some_and(|url| url.scheme() == "https")),
            metrics: Metrics::new(registry),
            tries: Tries::default(),
        }
    }

    /// Whose token this is. A right one is always taken: whoever can be wrong from where operators come from, as behind
    /// the same proxy, could else keep them out for as long as they like.
    pub(crate) fn recognise(&self, token: &str, from: Option<SocketAddr>, now: Instant) -> Result<Operator, Fault> {
        self.operators.by_token(token).ok_or_else(|| self.unknown(from.map(|address| address.ip()), now))
    }

    /// Counts a wrong token, unless there have been too many from there.
    fn unknown(&self, from: Option<IpAddr>, now: Instant) -> Fault {
        if let Some(wait) = self.tries.shut_for(from, now) {
            return Fault::TooManyTries(wait);
        }
        self.tries.wrong(from, now);
        let peer = from.map(|from| from.to_string());
        tracing::warn!(peer, "somebody showed the console a token that is nobody's");
        Fault::WrongToken
    }
}
