//! How it stands with each environment: what runs, how it fares, what is on its way and what waits, and for what; and
//! what of an app is barred or still owed.

use bumper::chain;
use ledger::{Barred, Chain, Hold, Ledger, Owed, Place, Waiting};
use proto::{AppName, Branch, CommitSha, Deployment, Digest, EnvironmentName, EventId, Lane, Release, Timestamp};
use runtime::{
    Config,
    config::{App, Environment, Promotion, Skip},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Result, find};

/// How it stands with an app.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AppStatus {
    /// The app.
    pub app: AppName,
    /// Its environments, in the order of their names.
    pub environments: Vec<EnvironmentStatus>,
    /// Digests that must not be deployed anywhere.
    pub quarantined: Vec<Quarantined>,
    /// Fixes of the fast path that are in no deploy branch yet.
    pub owed: Vec<Owed>,
}

/// A digest that must not be deployed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Quarantined {
    /// Which.
    pub digest: Digest,
    /// Why, and since when.
    #[serde(flatten)]
    pub entry: Barred,
}

/// How it stands with an environment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EnvironmentStatus {
    /// The environment.
    pub environment: EnvironmentName,
    /// The branch of the GitOps repository that it is written to.
    pub branch: Option<Branch>,
    /// What is known to run there.
    pub runs: Runs,
    /// What it was asked to run, and has no verdict yet.
    pub on_its_way: Option<OnItsWay>,
    /// Why the configuration holds it.
    pub held_by_config: Option<String>,
    /// Who else holds it, and why.
    pub hold: Option<Hold>,
    /// What waits to go there; a fix goes first.
    pub waiting: Vec<Waits>,
    /// What is to be restored once its pull request is merged.
    pub rollback: Option<Waits>,
}

/// What is known to run: the newest that has a verdict.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Runs {
    /// How it fares.
    pub health: Health,
    /// When the verdict was reached, where there is one. Nobody has looked since.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// What the verdict said.
    pub summary: Option<String>,
    /// What runs; nothing where nothing is known.
    pub release: Release,
    /// The commit of the GitOps repository that asked for it.
    pub revision: Option<CommitSha>,
}

/// How something fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It is healthy.
    Healthy,
    /// It is not.
    Unhealthy,
    /// It was, before what is on its way now.
    WasHealthy,
    /// There is no verdict yet.
    Unknown,
}

/// What is on its way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OnItsWay {
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What was asked for.
    pub deployment: Deployment,
}

/// What waits to go to an environment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Waits {
    /// Its id, which an approval is named by too.
    pub id: EventId,
    /// Whether it takes the fast path.
    pub lane: Lane,
    /// What waits.
    pub release: Release,
    /// The source commit's title.
    pub note: Option<String>,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// For what, in words that follow "waits for"; absent when it is about to go.
    pub waits_for: Option<String>,
    /// Whether people are asked whether it may go.
    pub asks_people: bool,
    /// Who has let it in so far.
    pub granted: Vec<String>,
    /// The page of the pull request for it.
    pub pull_request: Option<String>,
}

/// How it stands with every app of the configuration, or with one.
pub async fn of(ledger: &Ledger, config: &Config, only: Option<&AppName>) -> Result<Vec<AppStatus>> {
    only.map(|app| find::app(config, app)).transpose()?;
    let (chains, unknown, now) = (ledger.chains().await?, Chain::default(), Timestamp::now());
    let wanted = config.apps.iter().filter(|(name, _)| only.is_none_or(|only| only == *name));
    Ok(wanted.map(|(name, app)| of_app(name, app, chains.get(name).unwrap_or(&unknown), now)).collect())
}

fn of_app(name: &AppName, app: &App, chain: &Chain, now: Timestamp) -> AppStatus {
    let environments = app.environments.iter();
    let quarantined = chain.barred.iter();
    AppStatus {
        app: name.clone(),
        environments: environments.map(|(name, config)| of_environment(chain, app, name, config, now)).collect(),
        quarantined: quarantined
            .map(|(digest, entry)| Quarantined { digest: digest.clone(), entry: entry.clone() })
            .collect(),
        owed: chain.owed_still().cloned().collect(),
    }
}

fn of_environment(
    chain: &Chain,
    app: &App,
    name: &EnvironmentName,
    config: &Environment,
    now: Timestamp,
) -> EnvironmentStatus {
    let known = Place::default();
    let place = chain.place(name).unwrap_or(&known);
    let waits = |lane| {
        let waiting = place.waiting(lane)?;
        let asks_people = asks_people(app, config, lane);
        Some(Waits { asks_people, ..of_waiting(waiting, lane, waits_for(chain, app, name, waiting, now)) })
    };
    let rollback = place.back.as_ref().and_then(|back| {
        let waits_for = back.proposed.as_ref()?.waits_for.clone();
        Some(of_waiting(back, back.offer.lane, Some(waits_for)))
    });
    let on_its_way = place.under_way().map(|asked| OnItsWay { since: asked.at, deployment: asked.deployment.clone() });
    EnvironmentStatus {
        environment: name.clone(),
        branch: app.gitops_of(name).map(|gitops| gitops.branch),
        runs: runs(place),
        on_its_way,
        held_by_config: config.hold.clone(),
        hold: place.hold.clone(),
        waiting: [Lane::Hotfix, Lane::Deploy].into_iter().filter_map(waits).collect(),
        rollback,
    }
}

/// For what a release waits, in words that follow "waits for". One whose pull request is open waits for that, and besides for
/// whatever its gates want by now, an approval say: they keep Windlass from merging it.
fn waits_for(chain: &Chain, app: &App, name: &EnvironmentName, waiting: &Waiting, now: Timestamp) -> Option<String> {
    let lane = waiting.offer.lane;
    let waits = chain::waits_for(chain, app, name, lane, now)?;
    if waiting.proposed.is_none() || app.merge(name).is_none() {
        return Some(waits);
    }
    let mut without = chain.clone();
    let place = without.places.get_mut(name);
    let slot =
        place.and_then(|place| if lane == Lane::Hotfix { place.urgent.as_mut() } else { place.waiting.as_mut() });
    slot?.proposed = None;
    Some(match chain::waits_for(&without, app, name, lane, now) {
        Some(gates) => format!("{waits}; and for {gates}"),
        None => waits,
    })
}

fn of_waiting(waiting: &Waiting, lane: Lane, waits_for: Option<String>) -> Waits {
    Waits {
        id: waiting.approval(),
        lane,
        release: waiting.offer.release.clone(),
        note: waiting.offer.note.clone(),
        since: waiting.since,
        waits_for,
        asks_people: false,
        granted: waiting.granted.keys().cloned().collect(),
        pull_request: waiting.proposed.as_ref().map(|proposed| proposed.url.clone()),
    }
}

/// Whether people let releases of this lane in, rather than rules alone.
fn asks_people(app: &App, config: &Environment, lane: Lane) -> bool {
    let asks = config.approval.is_some() || config.promotion == Promotion::Manual;
    asks && !app.skips(lane, &Skip::Approval)
}

/// The newest that has a verdict: what was asked for last, or what was healthy before it.
fn runs(place: &Place) -> Runs {
    let judged = place.asked.as_ref().and_then(|asked| Some((&asked.deployment, asked.verdict.as_ref()?)));
    let of = |deployment: &Deployment, health| Runs {
        health,
        since: None,
        summary: None,
        release: deployment.release.clone(),
        revision: Some(deployment.revision.clone()),
    };
    match (judged, &place.healthy) {
        (Some((deployment, verdict)), _) => {
            let health = if verdict.healthy { Health::Healthy } else { Health::Unhealthy };
            Runs { since: Some(verdict.at), summary: Some(verdict.summary.clone()), ..of(deployment, health) }
        }
        (None, Some(healthy)) => of(healthy, Health::WasHealthy),
        (None, None) => {
            Runs { health: Health::Unknown, since: None, summary: None, release: Release::new(), revision: None }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn app(approval: &str) -> App {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, components: {{ web: {{ image: ghcr.io/acme/web }} }}, \
             gitops: {{ repository: 'https://github.com/acme/g.git', mode: pull_request, forge: {{ token: env:T }} }}, \
             environments: {{ staging: {{ path: s, branch: live, sync: {{ argocd: s }}{approval} }} }} }} }}"
        );
        Config::parse(&text, "windlass.yaml".as_ref()).unwrap().apps.into_values().next().unwrap()
    }

    /// A release that waits for the merge of its pull request.
    fn proposed() -> Chain {
        let digest = format!("sha256:{}", "a".repeat(64));
        let offer = json!({
            "release": { "web": { "image": "ghcr.io/acme/web", "digest": digest, "tag": "main", "commit": null } },
            "reason": "deploy", "lane": "deploy", "commit": null, "author": null, "note": null, "verified": null,
        });
        let pull = json!({ "number": 7, "url": "https://github.com/acme/g/pull/7", "head": "b".repeat(40),
                           "waits_for": "the merge of https://github.com/acme/g/pull/7", "for_people": true });
        let waiting =
            json!({ "id": EventId::fresh(), "offer": offer, "since": Timestamp::UNIX_EPOCH, "proposed": pull });
        serde_json::from_value(json!({ "places": { "staging": { "waiting": waiting } } })).unwrap()
    }

    #[test]
    fn what_is_missing_besides_the_merge_is_said_with_it() {
        let merge = "the merge of https://github.com/acme/g/pull/7";
        for (approval, waits_for) in [
            ("", merge.to_owned()),
            (", approval: required", format!("{merge}; and for 1 approval")),
            (", hold: 'the sale'", format!("{merge}; and for `hold` (the sale) to be taken from the config")),
        ] {
            let status = of_app(&"shop".parse().unwrap(), &app(approval), &proposed(), Timestamp::now());
            let [environment] = &status.environments[..] else { panic!("{status:?}") };
            assert_eq!(environment.waiting[0].waits_for, Some(waits_for), "{approval}");
            assert_eq!(environment.branch.as_ref().map(Branch::as_str), Some("live"));
        }
    }
}
