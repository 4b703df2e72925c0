//! One connection, kept up: connect, declare, watch, and again, with growing pauses.
//!
//! lapin's own recovery stays off: it does not cover channel errors, and it would replay what only we know the
//! right order of.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use lapin::{Connection, ConnectionProperties, ErrorKind, Event, uri::AMQPUri};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::topology::Topology;
use crate::{BusError, Location, Settings};

/// How long one attempt to connect and declare may take.
const ATTEMPT: Duration = Duration::from_secs(20);
/// The first pause, doubled with each failure up to the longest; a random half of it is taken off.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that held this long was sound: the next pause is short again.
const SOUND: Duration = Duration::from_secs(10);
/// Seconds between heartbeats, unless the address says otherwise: a dead peer is noticed in twice that.
const HEARTBEAT: u16 = 15;
/// How often to look at the connection's state, besides hearing its events.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Clone)]
enum State {
    Starting,
    Up(Arc<Connection>),
    /// Up, but the broker takes no messages on it, and says why.
    Blocked(Arc<Connection>, String),
    /// Down, and trying again.
    Down(BusError),
    /// Saying goodbye.
    Closing,
    Closed,
}

/// A supervised connection.
pub(super) struct Link {
    location: Location,
    uri: AMQPUri,
    properties: ConnectionProperties,
    topology: Topology,
    state: watch::Sender<State>,
    closed: CancellationToken,
}

/// Starts to connect, and goes on until closed.
pub(super) fn start(settings: &Settings, role: &str, closed: &CancellationToken) -> Result<Arc<Link>, BusError> {
    let Location::Amqp(address) = &settings.location else {
        return Err(BusError::Unusable(format!("{} is no broker", settings.location)));
    };
    // The parser's own error may quote the password.
    let mut uri: AMQPUri =
        address.parse().map_err(|_| BusError::Unusable(format!("`{}` is no AMQP address", settings.location)))?;
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    let link = Arc::new(Link {
        location: settings.location.clone(),
        uri,
        properties: ConnectionProperties::default().with_connection_name(format!("{} {role}", settings.name).into()),
        topology: Topology::of(&settings.workers),
        state: watch::Sender::new(State::Starting),
        closed: closed.clone(),
    });
    tokio::spawn(Arc::clone(&link).supervise());
    Ok(link)
}

impl Link {
    /// Waits for the end of the first attempt; fails if it showed that trying again will not help.
    pub(super) async fn first_outcome(&self) -> Result<(), BusError> {
        let mut state = self.state.subscribe();
        let outcome = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match outcome.as_deref() {
            Ok(State::Down(error @ BusError::Unusable(_))) => {
                self.closed.cancel();
                Err(error.clone())
            }
            _ => Ok(()),
        }
    }

    /// The connection, once there is one, blocked or not.
    pub(super) async fn up(&self) -> Result<Arc<Connection>, BusError> {
        self.wait_for(|state| match state {
            State::Up(connection) | State::Blocked(connection, _) => Some(Arc::clone(connection)),
            _ => None,
        })
        .await
    }

    /// The connection, once there is one that takes messages.
    pub(super) async fn flowing(&self) -> Result<Arc<Connection>, BusError> {
        self.wait_for(|state| match state {
            State::Up(connection) => Some(Arc::clone(connection)),
            _ => None,
        })
        .await
    }

    async fn wait_for(&self, pick: impl Fn(&State) -> Option<Arc<Connection>>) -> Result<Arc<Connection>, BusError> {
        let mut state = self.state.subscribe();
        let there =
            state.wait_for(|state| matches!(state, State::Closing | State::Closed) || pick(state).is_some()).await;
        there.ok().and_then(|state| pick(&state)).ok_or_else(|| BusError::Unavailable("the bus is closed".to_owned()))
    }

    /// Whether a message could be published now; else why not.
    pub(super) fn ready(&self) -> Result<(), String> {
        let location = &self.location;
        match &*self.state.borrow() {
            State::Up(connection) if connection.status().connected() => Ok(()),
            State::Up(_) => Err(format!("the connection to {location} broke")),
            State::Starting => Err(format!("still connecting to {location}")),
            State::Blocked(_, why) => Err(format!("{location} takes no messages now: {why}")),
            State::Down(error) => Err(error.to_string()),
            State::Closing | State::Closed => Err("the bus is closed".to_owned()),
        }
    }

    /// Whether messages could come now; else why not. A broker that takes none may still give some.
    pub(super) fn stands(&self) -> Result<(), String> {
        let gives = matches!(&*self.state.borrow(), State::Blocked(connection, _) if connection.status().connected());
        if gives { Ok(()) } else { self.ready() }
    }

    /// Waits until it is closed for good.
    pub(super) async fn ended(&self) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|state| matches!(state, State::Closed)).await;
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    async fn supervise(self: Arc<Self>) {
        self.closed.run_until_cancelled(self.keep_up()).await;
        let last = self.state.send_replace(State::Closing);
        if let State::Up(connection) | State::Blocked(connection, _) = last
            && let Err(error) = connection.close(200, "OK".into()).await
        {
            tracing::debug!(bus = %self.location, %error, "closing the connection");
        }
        self.state.send_replace(State::Closed);
    }

    async fn keep_up(&self) {
        let mut failures = 0;
        loop {
            match self.connect().await {
                Ok(connection) => {
                    let since = Instant::now();
                    let error = self.watch(&connection).await;
                    if since.elapsed() >= SOUND {
                        failures = 0;
                    }
                    tracing::warn!(bus = %self.location, %error, "lost the broker; connecting again");
                    self.state.send_replace(State::Down(error));
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(bus = %self.location, %error, "cannot reach the broker; trying on");
                    }
                    self.state.send_replace(State::Down(error));
                }
            }
            tokio::time::sleep(pause(failures)).await;
            failures += 1;
        }
    }

    async fn connect(&self) -> Result<Arc<Connection>, BusError> {
        let attempt = async {
            let connection = Connection::connect_uri(self.uri.clone(), self.properties.clone()).await;
            let connection = connection.map_err(|error| self.not_let_in(&error))?;
            let declared = self.topology.declare(&connection).await;
            declared.map(|()| Arc::new(connection)).map_err(|error| self.not_declared(&error))
        };
        match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(BusError::Unavailable(format!("{} did not answer in {ATTEMPT:?}", self.location))),
        }
    }

    /// Follows the connection's state until it is gone; gives the reason.
    async fn watch(&self, connection: &Arc<Connection>) -> BusError {
        let mut events = connection.events_listener();
        tracing::info!(bus = %self.location, "connected to the broker");
        self.state.send_replace(State::Up(Arc::clone(connection)));
        let gone = |why: &str| BusError::Unavailable(format!("lost {}: {why}", self.location));
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = tokio::time::sleep(LOOK) => None,
            };
            match event {
                Some(Event::ConnectionBlocked(why)) => {
                    tracing::warn!(bus = %self.location, why, "the broker takes no messages");
                    self.state.send_replace(State::Blocked(Arc::clone(connection), why));
                }
                Some(Event::ConnectionUnblocked) => {
                    tracing::info!(bus = %self.location, "the broker takes messages again");
                    self.state.send_replace(State::Up(Arc::clone(connection)));
                }
                // It tells of channels' errors too, which are for those to mend who use the channel.
                Some(Event::Error(error)) if !connection.status().connected() => return gone(&error.to_string()),
                _ if !connection.status().connected() => return gone("the connection ended"),
                _ => {}
            }
        }
    }

    /// Why the broker did not take the connection, and whether trying again could help.
    fn not_let_in(&self, error: &lapin::Error) -> BusError {
        let location = &self.location;
        match refusal(error) {
            Some((403, said)) => BusError::Unusable(format!(
                "{location} refuses the credentials ({said}): check user and password in the bus address"
            )),
            Some((530, said)) => BusError::Unusable(format!(
                "{location} does not let this user in ({said}): the virtual host must exist (`rabbitmqctl \
                 add_vhost`), and the user needs permissions in it (`rabbitmqctl set_permissions`)"
            )),
            _ => BusError::Unavailable(format!("{location}: {error}")),
        }
    }

    /// Why the broker did not declare a queue, and whether trying again could help.
    fn not_declared(&self, error: &lapin::Error) -> BusError {
        let location = &self.location;
        match refusal(error) {
            Some((403, said)) => BusError::Unusable(format!(
                "{location} does not let this user declare its queues ({said}): it needs to configure, write and \
                 read `windlass.*` (`rabbitmqctl set_permissions`)"
            )),
            Some((406, said)) => BusError::Unusable(format!(
                "{location} has a queue or exchange of ours declared otherwise ({said}): let its messages be \
                 consumed, delete it (`rabbitmqctl delete_queue NAME`), and start again; it is then declared anew"
            )),
            _ => BusError::Unavailable(format!("{location}: {error}")),
        }
    }
}

/// The broker's reply code and text, where it was the broker that refused.
fn refusal(error: &lapin::Error) -> Option<(u16, &str)> {
    match error.kind() {
        ErrorKind::ProtocolError(refusal) => Some((refusal.get_id(), refusal.get_message().as_str())),
        _ => None,
    }
}

fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    full.mul_f64(rand::random_range(0.5..=1.0))
}
