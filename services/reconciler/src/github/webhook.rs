//! One webhook at GitHub: which it is, what it attempted, and having it attempt again.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use forge::{
    Later,
    github::{Api, Cause, Credentials, Gates, Rights, parse},
};
use proto::{SourceName, Timestamp};
use runtime::config::{GithubHook, Reconcile};
use url::Url;

use super::{
    history::History,
    wire::{Attempt, Hook},
};
use crate::metrics::{Metrics, Of};

/// As many as a page may hold.
const PAGE: u32 = 100;
/// How long where it was found is taken for where it is: another may have been made beside it.
const FOUND: Duration = Duration::from_hours(1);
/// What asking for deliveries takes.
const RIGHTS: Rights = Rights {
    token: "read and write webhooks (classic: `admin:repo_hook`, `admin:org_hook`)",
    app: "*Webhooks: read and write*",
};

/// One webhook of a repository or an organisation, or an App's own.
pub(crate) struct Webhook {
    pub(crate) source: SourceName,
    /// `repos/<owner>/<name>`, `orgs/<organisation>`, or nothing for the App's own.
    owner: Option<String>,
    id: Option<u64>,
    api: Api,
    /// Where it was found, and when.
    path: Mutex<Option<(String, Instant)>>,
    pub(crate) metrics: Of,
}

/// No webhook is where it was asked for.
#[derive(Debug)]
pub(crate) struct NotThere(String);

impl std::error::Error for NotThere {}

impl fmt::Display for NotThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The names of the webhooks that a source's configuration names.
pub(crate) fn names(source: &SourceName, config: &Reconcile) -> Vec<String> {
    hooks(config).map(|hook| name(source, hook.and_then(owner).as_deref(), hook.and_then(|hook| hook.id))).collect()
}

/// Those that are configured; `None` is the App's own.
fn hooks(config: &Reconcile) -> impl Iterator<Item = Option<&GithubHook>> {
    let own = config.hooks.is_empty().then_some(None);
    own.into_iter().chain(config.hooks.iter().map(Some))
}

fn owner(hook: &GithubHook) -> Option<String> {
    match (&hook.repository, &hook.organisation) {
        (Some(repository), _) => Some(format!("repos/{repository}")),
        (None, organisation) => organisation.as_ref().map(|name| format!("orgs/{name}")),
    }
}

/// For people and in the ledger: `github repos/acme/shop`.
fn name(source: &SourceName, owner: Option<&str>, id: Option<u64>) -> String {
    let id = id.map(|id| format!(" {id}")).unwrap_or_default();
    format!("{source} {}{id}", owner.unwrap_or("app"))
}

/// How far a listing goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// To this time.
    Time(Timestamp),
    /// To a page of which everything is known, and not beyond this time.
    Known(Timestamp),
}

/// What became of asking for a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It comes.
    Accepted,
    /// GitHub cannot send it any more, and says why.
    Gone(String),
    /// GitHub was in trouble each time it was asked to; its last words.
    Failed(String),
}

impl Webhook {
    /// Every webhook that a source's configuration names.
    pub(crate) fn all(
        source: &SourceName,
        config: &Reconcile,
        gates: &Gates,
        http: &reqwest::Client,
        metrics: &Metrics,
    ) -> Result<Vec<Self>> {
        let metrics = metrics.of(source.as_str());
        let api = |owner: Option<&str>| {
            let credentials = Credentials::new(config.token.as_ref(), config.app.as_ref(), owner, RIGHTS)?;
            let metrics = metrics.clone();
            let on_wait = move |cause, wait| metrics.waits(cause, wait);
            Ok(Api::new(&config.api, credentials, gates, http.clone(), on_wait))
        };
        hooks(config).map(|hook| Self::new(source, hook, api, metrics.clone())).collect()
    }

    fn new(
        source: &SourceName,
        hook: Option<&GithubHook>,
        api: impl FnOnce(Option<&str>) -> Result<Api>,
        metrics: Of,
    ) -> Result<Self> {
        let owner = hook.and_then(owner);
        let (api, id) = (api(owner.as_deref())?, hook.and_then(|hook| hook.id));
        Ok(Self { source: source.clone(), owner, id, api, path: Mutex::default(), metrics })
    }

    /// Its name, for people and in the ledger.
    pub(crate) fn name(&self) -> String {
        name(&self.source, self.owner.as_deref(), self.id)
    }

    /// Until when nobody asks GitHub who shares the limit that this one has; `None` while anybody may.
    pub(crate) fn waits_until(&self) -> Option<Timestamp> {
        self.api.waits_until()
    }

    /// Where it is in the API, as far as is known; it may have been made anew since.
    pub(crate) async fn path(&self) -> Result<String> {
        let known = self.known().clone();
        if let Some((path, _)) = known.filter(|(_, found)| found.elapsed() < FOUND) {
            return Ok(path);
        }
        let path = self.locate().await?;
        *self.known() = Some((path.clone(), Instant::now()));
        Ok(path)
    }

    /// Forgets where it is; whether that was known.
    pub(crate) fn forget_path(&self) -> bool {
        self.known().take().is_some()
    }

    fn known(&self) -> MutexGuard<'_, Option<(String, Instant)>> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one that is named, or the one that sends to this source.
    async fn locate(&self) -> Result<String> {
        let Some(owner) = &self.owner else { return Ok("/app/hook".to_owned()) };
        if let Some(id) = self.id {
            return Ok(format!("/{owner}/hooks/{id}"));
        }
        let answer = self.api.get(&format!("/{owner}/hooks?per_page={PAGE}")).await?;
        if answer.status != 200 {
            bail!("GitHub shows no webhooks of {owner} ({}); {}", answer.status, self.api.hint());
        }
        let hooks: Vec<Hook> = parse("webhooks", &answer.body)?;
        let ours: Vec<_> = hooks.iter().filter(|hook| self.is_sent_to(hook)).map(|hook| hook.id).collect();
        let key = format!("sources.{}.reconcile.hooks", self.source);
        match ours.as_slice() {
            [id] => Ok(format!("/{owner}/hooks/{id}")),
            [] => bail!(
                "no webhook of {owner} sends to /webhooks/{}; make one there, or give its `id` in `{key}`",
                self.source
            ),
            several => {
                let ids = several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                bail!(
                    "several webhooks of {owner} send to /webhooks/{}: {ids}; give each its `id` in `{key}`",
                    self.source
                )
            }
        }
    }

    fn is_sent_to(&self, hook: &Hook) -> bool {
        let url = hook.config.url.as_deref().and_then(|url| Url::parse(url).ok());
        url.is_some_and(|url| url.path().trim_end_matches('/').ends_with(&format!("/webhooks/{}", self.source)))
    }

    /// Adds to the history what the webhook at this path attempted, newest first, as far back as that.
    pub(crate) async fn read(&self, path: &str, history: &mut History, until: Until) -> Result<()> {
        let (Until::Time(since) | Until::Known(since)) = until;
        let mut cursor = None::<String>;
        loop {
            let (attempts, next) = self.page(path, cursor.as_deref()).await?;
            // One that is older alone says nothing: it may have been listed late, and stand before what is newer.
            let end = attempts[attempts.len() / 2..].iter().all(|attempt| attempt.delivered_at < since);
            let mut known = true;
            for attempt in attempts.into_iter().filter(|attempt| attempt.delivered_at >= since) {
                known &= !history.add(attempt);
            }
            cursor = next;
            if cursor.is_none() || end || (known && matches!(until, Until::Known(_))) {
                return Ok(());
            }
        }
    }

    async fn page(&self, path: &str, cursor: Option<&str>) -> Result<(Vec<Attempt>, Option<String>)> {
        let cursor = cursor.map(|cursor| url::form_urlencoded::byte_serialize(cursor.as_bytes()).collect::<String>());
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let answer = self.api.get(&format!("{path}/deliveries?per_page={PAGE}{cursor}")).await?;
        if answer.status != 200 {
            let status = answer.status;
            let why = format!("GitHub shows no deliveries of {path} ({status}); {}", self.api.hint());
            if status == 404 {
                bail!(NotThere(format!("{why}; or the webhook was deleted, and is to be made again")));
            }
            bail!(why);
        }
        Ok((parse("deliveries", &answer.body).with_context(|| format!("listing {path}"))?, answer.next))
    }

    /// Has a delivery sent again, by one of its attempts.
    pub(crate) async fn redeliver(&self, path: &str, attempt: u64) -> Result<Asked> {
        let answer = match self.api.post(&format!("{path}/deliveries/{attempt}/attempts")).await {
            Err(error) if error.downcast_ref::<Later>().is_some_and(|later| later.cause == Cause::Trouble) => {
                return Ok(Asked::Failed(error.to_string()));
            }
            answer => answer?,
        };
        if (200..300).contains(&answer.status) {
            return Ok(Asked::Accepted);
        }
        Ok(Asked::Gone(answer.said()))
    }
}
