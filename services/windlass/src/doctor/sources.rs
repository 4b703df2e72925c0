//! Each source: which of its secrets verified the last webhook, which verify nothing, and what else stands in the way.

use std::path::Path;

use futures_util::future::join_all;
use jiff::Timestamp;
use ledger::{Ledger, Proven};
use proto::{SourceName, WorkerName};
use receiver::check::{IssuerKeys, KEYS_SERVE};
use runtime::{
    Config, SecretRef,
    config::{Proof, Source, SourceKind},
};
use serde::Serialize;

use super::report::{Finding, ago};

/// How it stands with a source.
#[derive(Debug, Serialize)]
pub(super) struct SourceReport {
    name: SourceName,
    kind: &'static str,
    /// How it proves itself.
    proof: &'static str,
    /// When its last webhook came, and what verified that.
    last_webhook: Option<Timestamp>,
    last_verified_by: Option<String>,
    secrets: Vec<SecretReport>,
    /// What is not about one secret.
    findings: Vec<Finding>,
}

/// How it stands with one of its secrets.
#[derive(Debug, Serialize)]
struct SecretReport {
    #[serde(flatten)]
    finding: Finding,
    usage: Usage,
    readable: bool,
    /// When its file was written; Kubernetes writes all files of a Secret anew when one of them changes.
    written: Option<Timestamp>,
    last_verified: Option<Timestamp>,
}

/// What a secret is used for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Usage {
    /// It verified the last webhook.
    Current,
    /// It verified webhooks before, and others the last.
    Former,
    /// It has verified nothing since it is what it is.
    Unused,
    /// The history is not at hand.
    Unknown,
}

impl SourceReport {
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.secrets.iter().map(|secret| &secret.finding).chain(&self.findings)
    }

    pub(super) fn title(&self) -> String {
        let Self { name, kind, proof, .. } = self;
        let last = match self.last_webhook {
            Some(at) => format!("last webhook {} ({at:.0})", ago(at)),
            None => "no webhook recorded".to_owned(),
        };
        format!("source {name} ({kind}, {proof}): {last}")
    }
}

/// Every source of the configuration; without a ledger nothing is said of what secrets are used for.
pub(super) async fn examine(config: &Config, ledger: Option<&Ledger>) -> Vec<SourceReport> {
    let recorded = config.workers.contains(&WorkerName::Recorder);
    let ledger = ledger.filter(|_| recorded);
    join_all(config.sources.iter().map(async |(name, source)| {
        let mut report = of_source(name, source, ledger).await;
        report.findings.extend(unasked(config, name, source));
        if !recorded {
            report.findings.push(Finding::warning(
                "history",
                "`workers` does not list `recorder`, so nobody writes down what verifies webhooks",
                "add `recorder` to `workers`",
            ));
        }
        report
    }))
    .await
}

/// A Slack app that nobody is shown a button of.
fn unasked(config: &Config, name: &SourceName, source: &Source) -> Option<Finding> {
    let shown = config.notify.iter().any(|route| route.buttons.as_ref() == Some(name));
    let is_idle = source.kind == SourceKind::Slack && !shown;
    is_idle.then(|| {
        Finding::warning(
            format!("`sources.{name}`"),
            "no route has its buttons, so there is nothing to click on",
            &format!("set `buttons: {name}` at the route in `notify` whose webhook is one of the same Slack app"),
        )
    })
}

async fn of_source(name: &SourceName, source: &Source, ledger: Option<&Ledger>) -> SourceReport {
    let mut findings = Vec::new();
    let mut history = None;
    if let Some(ledger) = ledger {
        match ledger.proven(name, Timestamp::UNIX_EPOCH).await {
            Ok(all) => history = Some(History { ledger, name, all }),
            Err(error) => findings.push(Finding::broken("history", error, "see what is said of the ledger")),
        }
    }
    let proof = source.proof();
    let mut secrets = Vec::new();
    if let Some(proof) = &proof {
        for reference in &source.secrets {
            secrets.push(of_secret(name, reference, proof, history.as_ref()).await);
        }
    }
    findings.extend(twins(name, &source.secrets));
    match &proof {
        None => findings.push(Finding::warning(
            format!("`sources.{name}.insecure`"),
            "whoever reaches the receiver can pass for this sender",
            "give it a proof, or see to it that nobody else reaches the receiver",
        )),
        Some(Proof::Jwt(jwt)) => findings.push(match receiver::check::issuer(jwt).await {
            Ok(IssuerKeys { told, usable: 0 }) => Finding::broken(
                &jwt.jwks,
                format!(
                    "of the {told} keys it tells none verifies a token: RS256 and ES256 are known. A receiver that was \
                     told others goes by those for {} hours",
                    KEYS_SERVE.as_secs() / 3600
                ),
                "check `proof.jwt.jwks`, and how the issuer signs",
            ),
            Ok(IssuerKeys { told, usable }) if told == usable => {
                Finding::ok(&jwt.jwks, format!("it tells {told} keys"))
            }
            Ok(IssuerKeys { told, usable }) => {
                Finding::ok(&jwt.jwks, format!("it tells {told} keys, {usable} of which verify tokens"))
            }
            Err(error) => Finding::broken(&jwt.jwks, format!("{error:#}"), "check `proof.jwt.jwks`, and the way there"),
        }),
        Some(_) => {}
    }
    let last = history.as_ref().and_then(|history| history.all.first());
    let known = |last: &&Proven| proof_names(source, proof.as_ref()).iter().any(|name| last.is_by(name));
    if let Some(gone) = last.filter(|last| !known(last)) {
        let says = format!("verified the last webhook, {}, and is not in the configuration any more", ago(gone.last));
        findings.push(Finding::note(&gone.by, says, "set one of the source's secrets at the sender"));
    }
    let (last_webhook, last_verified_by) = last.map(|last| (last.last, last.by.clone())).unzip();
    let (kind, proof) = (source.kind.as_str(), proof.as_ref().map_or("insecure", Proof::name));
    SourceReport { name: name.clone(), kind, proof, last_webhook, last_verified_by, secrets, findings }
}

/// By which names events of this source may say that they were proven.
fn proof_names(source: &Source, proof: Option<&Proof>) -> Vec<String> {
    let way = proof.map_or("insecure", Proof::name).to_owned();
    source.secrets.iter().map(ToString::to_string).chain([way]).collect()
}

/// What verified a source's webhooks.
struct History<'a> {
    ledger: &'a Ledger,
    name: &'a SourceName,
    /// The last used first.
    all: Vec<Proven>,
}

impl History<'_> {
    /// How many webhooks came after this time, and what verified them.
    async fn since(&self, after: Timestamp) -> (u64, String) {
        // It answered a moment ago; what it does not say now is not worth more words.
        let since = self.ledger.proven(self.name, after).await.unwrap_or_default();
        let by: Vec<_> = since.iter().map(|proven| proven.by.as_str()).collect();
        (since.iter().map(|proven| proven.count).sum(), by.join(", "))
    }
}

async fn of_secret(
    source: &SourceName,
    reference: &SecretRef,
    proof: &Proof,
    history: Option<&History<'_>>,
) -> SecretReport {
    let (name, key) = (reference.to_string(), format!("sources.{source}.secrets"));
    let written = written(reference);
    let mine = history.and_then(|history| history.all.iter().find(|proven| proven.is_by(&name)));
    let (usage, mut finding) = match history {
        Some(history) => used(&name, &key, written, mine, history).await,
        None => (Usage::Unknown, Finding::ok(&name, "can be read; what it verified is not known")),
    };
    if let Some(at) = written {
        finding.says = format!("{}; its file was written {}", finding.says, ago(at));
    }
    let usable = receiver::check::secret(reference, proof);
    if let Err(error) = &usable {
        let next = match reference {
            SecretRef::File(_) => format!("put a secret there that the receiver may read, or take it out of `{key}`"),
            SecretRef::Env(_) => format!("set the variable where the receiver runs, or take it out of `{key}`"),
        };
        finding = Finding::broken(&name, format!("it verifies nobody: {error:#}"), &next);
    }
    SecretReport { finding, usage, readable: usable.is_ok(), written, last_verified: mine.map(|mine| mine.last) }
}

/// What a secret is used for. What stood in a file before it was written is not what stands there now.
async fn used(
    name: &str,
    key: &str,
    written: Option<Timestamp>,
    mine: Option<&Proven>,
    history: &History<'_>,
) -> (Usage, Finding) {
    let as_it_is = mine.filter(|mine| written.is_none_or(|written| written <= mine.last));
    let is_last = |mine: &Proven| history.all.first().is_some_and(|last| last.by == mine.by);
    match (as_it_is, history.all.last()) {
        (Some(mine), _) if is_last(mine) => {
            (Usage::Current, Finding::ok(name, format!("verified the last webhook, {}", ago(mine.last))))
        }
        (Some(mine), _) => {
            let (count, by) = history.since(mine.last).await;
            let says = format!("last verified a webhook {}; the {count} since were verified by {by}", ago(mine.last));
            let next = format!("it may be removed from `{key}`, once every sender has the other");
            (Usage::Former, Finding::note(name, says, &next))
        }
        (None, None) => {
            let says = "unused: no webhook of this source is recorded yet";
            (Usage::Unused, Finding::note(name, says, "set it at the sender, or try it with `windlass send`"))
        }
        (None, Some(_)) => (Usage::Unused, unused(name, key, written, mine, history).await),
    }
}

async fn unused(
    name: &str,
    key: &str,
    written: Option<Timestamp>,
    before: Option<&Proven>,
    history: &History<'_>,
) -> Finding {
    let begun = history.all.iter().map(|proven| proven.first).min().unwrap_or(Timestamp::UNIX_EPOCH);
    let since = written.map_or(begun, |written| written.max(begun));
    let (count, by) = history.since(since.saturating_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(since)).await;
    let before = before.map(|before| format!("; what stood there before last verified one {}", ago(before.last)));
    let before = before.unwrap_or_default();
    if count == 0 {
        let says = format!("unused: no webhook came since it was written{before}");
        return Finding::note(name, says, "set it at the sender");
    }
    let says =
        format!("unused: it has verified nothing since {since:.0}; the {count} since were verified by {by}{before}");
    let next =
        format!("if it is the new one, set it at the sender; if it is the old one, it may be removed from `{key}`");
    Finding::note(name, says, &next)
}

/// Secrets that are the same: which of them a sender has, nobody could tell.
fn twins(source: &SourceName, references: &[SecretRef]) -> Vec<Finding> {
    let read: Vec<_> = references.iter().filter_map(|reference| Some((reference, reference.read().ok()?))).collect();
    let twin = |(n, (reference, secret)): (usize, &(&SecretRef, runtime::Secret))| {
        let (first, _) = read[..n].iter().find(|(_, other)| other == secret)?;
        let says = format!("it is the same secret as {first}, so nobody can tell which of them is used");
        Some(Finding::warning(reference, says, &format!("take one of them out of `sources.{source}.secrets`")))
    };
    read.iter().enumerate().filter_map(twin).collect()
}

fn written(reference: &SecretRef) -> Option<Timestamp> {
    let SecretRef::File(path) = reference else { return None };
    let modified = Path::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    Timestamp::try_from(modified).ok()
}
