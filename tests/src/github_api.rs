//! GitHub's API for webhooks (which there are, what they attempted, and having it attempted again) and for pull requests,
//! with its limits, its troubles and its Apps (docs.github.com, REST API version 2022-11-28).

mod apps;
mod attempts;
mod limits;
mod pulls;
mod routes;
mod tokens;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::web;
use anyhow::{Context as _, Result};
use proto::Timestamp;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::{github, http, http::Server, pulls::Repository};
pub use apps::App;
use attempts::Attempts;
pub use attempts::{Attempt, Outcome};
use limits::Gate;
pub use limits::Requests;
use tokens::May;

/// How many deliveries GitHub has under way to one receiver here.
const SENDERS: usize = 16;

/// A fake GitHub. Dropping it ends it.
pub struct FakeGithub {
    server: Server,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    client: reqwest::Client,
    senders: Semaphore,
    /// Lets requests through, while it is not closed.
    gate: tokio::sync::watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    hooks: Vec<Hook>,
    /// How many webhooks were ever made.
    made: u64,
    attempts: Attempts,
    /// Deliveries that are not sent again.
    unsent: BTreeMap<String, Unsent>,
    /// Each token, and what it may do.
    tokens: BTreeMap<String, May>,
    token_life: Option<Duration>,
    app: Option<apps::Known>,
    repository: Option<Repository>,
    gate: Gate,
}

/// Why a delivery is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unsent {
    /// There is no such thing any more.
    Gone,
    /// 500, each time.
    Fails,
    /// It is accepted, and nothing comes of that.
    Forgotten,
}

/// A webhook.
#[derive(Debug, Clone)]
struct Hook {
    id: u64,
    /// `repos/<owner>/<name>`, `orgs/<organisation>` or `app`.
    owner: String,
    url: String,
    secret: String,
}

impl FakeGithub {
    /// Starts one without webhooks.
    pub fn start() -> Result<Self> {
        let gate = tokio::sync::watch::Sender::new(true);
        let (client, senders) = (http::client(), Semaphore::new(SENDERS));
        let shared = Arc::new(Shared { state: Mutex::default(), client, senders, gate });
        let data = web::Data::from(Arc::clone(&shared));
        let server = Server::start(move |app| {
            app.app_data(data.clone()).default_service(web::to(routes::answer));
        })?;
        Ok(Self { server, shared })
    }

    /// Where its API is, as a GitHub Enterprise Server has it.
    pub fn api(&self) -> String {
        format!("{}/api/v3", self.server.url())
    }

    /// A token that may do everything.
    pub fn token(&self) -> String {
        self.token_with("repo, admin:repo_hook, admin:org_hook")
    }

    /// A classic token with these scopes.
    pub fn token_with(&self, scopes: &str) -> String {
        self.state().make("ghp", May::Scopes(scopes.to_owned()))
    }

    /// A fine-grained token with these permissions: `("contents", "write")`.
    pub fn fine_grained(&self, permissions: &[(&str, &str)]) -> String {
        self.state().make("github_pat", May::fine_grained(permissions))
    }

    /// Whether a token is good now.
    pub fn knows(&self, token: &str) -> bool {
        self.state().tokens.contains_key(token)
    }

    /// How long the tokens of installations are good from now on; an hour unless said. They are taken after that, too.
    pub fn token_life(&self, life: Duration) {
        self.state().token_life = Some(life);
    }

    /// Takes back every token, and those of installations.
    pub fn revoke_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Makes a webhook of `repos/<owner>/<name>`, `orgs/<organisation>` or `app`; its id.
    pub fn hook(&self, owner: &str, url: &str, secret: &str) -> u64 {
        let mut state = self.state();
        let id = 292_430_182 + state.made;
        state.made += 1;
        state.hooks.push(Hook { id, owner: owner.to_owned(), url: url.to_owned(), secret: secret.to_owned() });
        id
    }

    /// Deletes a webhook, and with it all that it sent.
    pub fn delete_hook(&self, id: u64) {
        self.state().hooks.retain(|hook| hook.id != id);
    }

    /// From now on this delivery cannot be sent again.
    pub fn cannot_send(&self, guid: &str) {
        self.state().unsent.insert(guid.to_owned(), Unsent::Gone);
    }

    /// From now on it is answered 500 when this delivery is to be sent again.
    pub fn fails_to_send(&self, guid: &str) {
        self.state().unsent.insert(guid.to_owned(), Unsent::Fails);
    }

    /// From now on nothing comes of it when this delivery is to be sent again.
    pub fn forgets_to_send(&self, guid: &str) {
        self.state().unsent.insert(guid.to_owned(), Unsent::Forgotten);
    }

    /// Sends a delivery, and lists what became of it; its GUID.
    pub async fn deliver(&self, hook: u64, event: &str, payload: &Value) -> Result<String> {
        let hook = self.shared.hook(hook).context("no such hook")?;
        let sent = attempts::Sent::new(event, payload);
        self.shared.send(&hook, &sent, false).await;
        Ok(sent.guid)
    }

    /// Sends a delivery whose answer is lost on the way, so that it is listed as failed; its GUID.
    pub async fn deliver_unheard(&self, hook: u64, event: &str, payload: &Value) -> Result<String> {
        let hook = self.shared.hook(hook).context("no such hook")?;
        let sent = attempts::Sent::new(event, payload);
        self.shared.post(&hook, &sent).await?;
        self.state().attempts.add(hook.id, &sent, Timestamp::now(), Outcome::TimedOut, false);
        Ok(sent.guid)
    }

    /// Lists a delivery that came to this at that time, as of an outage in the past; its GUID.
    pub fn missed(&self, hook: u64, event: &str, payload: &Value, at: Timestamp, outcome: Outcome) -> String {
        let sent = attempts::Sent::new(event, payload);
        self.state().attempts.add(hook, &sent, at, outcome, false);
        sent.guid
    }

    /// The same, listed right below the first attempt of another, which was listed before; its GUID.
    pub fn missed_below(&self, other: &str, event: &str, payload: &Value, at: Timestamp, outcome: Outcome) -> String {
        let sent = attempts::Sent::new(event, payload);
        self.state().attempts.add_below(other, &sent, at, outcome);
        sent.guid
    }

    /// Every attempt of a delivery, oldest first.
    pub fn attempts(&self, guid: &str) -> Vec<Attempt> {
        self.state().attempts.of(guid)
    }

    /// The deliveries that no attempt has brought.
    pub fn missing(&self) -> Vec<String> {
        self.state().attempts.missing()
    }

    /// What was asked so far, and how it was answered.
    pub fn requests(&self) -> Requests {
        self.state().gate.requests.clone()
    }

    /// From now on every so many requests one is answered 502; half of those have done what was asked all the same.
    pub fn trouble_every(&self, requests: u64) {
        self.state().gate.trouble_every = Some(requests);
    }

    /// From now on so many requests are allowed in each of these windows.
    pub fn limit(&self, requests: u64, window: Duration) {
        self.state().gate.limit(requests, window);
    }

    /// Others use up what the present window allows.
    pub fn use_up(&self) {
        self.state().gate.use_up();
    }

    /// After so many more redeliveries a secondary limit holds once, for so many seconds.
    pub fn secondary_after(&self, posts: u64, seconds: u64) {
        self.state().gate.secondary(posts, seconds);
    }

    /// After so many more redeliveries no request is answered until [`FakeGithub::go_on`].
    pub fn hang_after(&self, posts: u64) {
        self.state().gate.hang_after = Some(posts);
    }

    /// Whether requests hang.
    pub fn hangs(&self) -> bool {
        !*self.shared.gate.borrow()
    }

    /// Answers again.
    pub fn go_on(&self) {
        self.state().gate.hang_after = None;
        self.shared.gate.send_replace(true);
    }

    /// Makes an App of this id, installed on these (`repos/…`, `orgs/…`).
    pub async fn app(&self, id: &str, installed: &[&str]) -> Result<App> {
        let (app, known) = apps::make(id, installed).await?;
        self.state().app = Some(known);
        Ok(app)
    }

    /// What the App may do from now on where it is installed, in the place of what its tokens may unless said: whatever
    /// Windlass needs.
    pub fn app_may(&self, permissions: &[(&str, &str)]) {
        if let Some(app) = &mut self.state().app {
            app.permissions = tokens::permissions(permissions);
        }
    }

    /// From now on has the pull requests of this repository (`owner/name`), whose bare clone lies there.
    pub fn serve(&self, name: &str, path: PathBuf) {
        self.state().repository = Some(Repository::new(name, path));
    }

    /// That repository, to look at or to do something in; nothing where there is none.
    pub fn repository<T>(&self, with: impl FnOnce(&mut Repository) -> T) -> Option<T> {
        self.state().repository.as_mut().map(with)
    }

    /// Answers the next requests with this status.
    pub fn fail_next(&self, requests: u64, status: u16) {
        self.state().gate.fail_next = Some((requests, status));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hook(&self, id: u64) -> Option<Hook> {
        self.state().hooks.iter().find(|hook| hook.id == id).cloned()
    }

    /// Sends, and lists what became of it.
    async fn send(&self, hook: &Hook, sent: &attempts::Sent, again: bool) {
        let outcome = match self.post(hook, sent).await {
            Ok(status) => Outcome::Answered(status),
            Err(error) if error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout) => {
                Outcome::TimedOut
            }
            Err(_) => Outcome::Unreachable,
        };
        self.state().attempts.add(hook.id, sent, Timestamp::now(), outcome, again);
    }

    async fn post(&self, hook: &Hook, sent: &attempts::Sent) -> Result<u16> {
        let _turn = self.senders.acquire().await?;
        let mut request = self.client.post(&hook.url).timeout(Duration::from_secs(10));
        for (name, value) in github::headers_of(&sent.guid, &sent.event, &hook.secret, &sent.body) {
            request = request.header(name, value);
        }
        Ok(request.body(sent.body.to_vec()).send().await?.status().as_u16())
    }
}
