//! What must be there at the end, looked at where it is: images in the registry, commits in the GitOps repository,
//! environments.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context, Result};
use proto::EventType;
use serde_json::Value;
use testkit::http;

use crate::{
    fleet::{APPS, COMPONENTS, ENVIRONMENTS, Fleet},
    load::{Kind, Push},
    records::{Records, attribute},
};

/// What is not as it should be.
pub(crate) async fn faults(fleet: &Fleet, pushes: &[Push], records: &Records) -> Result<Vec<String>> {
    let mut faults = superseded_for_nothing(pushes, records);
    for app in APPS {
        for component in COMPONENTS {
            faults.extend(images(fleet, app, component, pushes, records).await?);
        }
    }
    faults.extend(commits(fleet, records).await?);
    for app in APPS {
        let newest = pushes.iter().rfind(|push| push.app == app && push.kind == Kind::Good);
        let Some(newest) = newest else { continue };
        for environment in ENVIRONMENTS {
            faults.extend(environment_faults(fleet, app, environment, &newest.commit, records).await?);
        }
    }
    Ok(faults)
}

/// The webhooks whose push was rightly left for a later one.
fn superseded(records: &Records) -> HashSet<&str> {
    let ignored = records.of_type(EventType::EventIgnored).filter(|event| event["data"]["worker"] == "builder");
    let superseded =
        ignored.filter(|event| event["data"]["reason"].as_str().is_some_and(|why| why.starts_with("superseded")));
    superseded.map(|event| attribute(event, "correlationid")).collect()
}

/// An app's newest push cannot be superseded.
fn superseded_for_nothing(pushes: &[Push], records: &Records) -> Vec<String> {
    let superseded = superseded(records);
    let of_same = |push: &Push, later: &Push| {
        later.app == push.app && (later.kind == Kind::Checked) == (push.kind == Kind::Checked)
    };
    let newest =
        pushes.iter().enumerate().filter(|(n, push)| !pushes[n + 1..].iter().any(|later| of_same(push, later)));
    let wrongly = newest.filter(|(_, push)| superseded.contains(push.event.as_str()));
    wrongly.map(|(_, push)| format!("superseded, and it was the newest: {push:?}")).collect()
}

/// Exactly the tags that must be there, each for one image all the time, labelled with its commit.
async fn images(fleet: &Fleet, app: &str, component: &str, pushes: &[Push], records: &Records) -> Result<Vec<String>> {
    let (repository, superseded) = (Fleet::image(app, component), superseded(records));
    let mut faults = Vec::new();
    let built = pushes.iter().filter(|push| push.app == app && matches!(push.kind, Kind::Good | Kind::Bad));
    let (may, must): (BTreeSet<_>, BTreeSet<_>) = (
        built.clone().map(|push| push.commit.clone()).collect(),
        built.filter(|push| !superseded.contains(push.event.as_str())).map(|push| push.commit.clone()).collect(),
    );
    let tags: BTreeSet<String> =
        fleet.registry.tags(&repository).await?.into_iter().filter(|tag| tag != "main").collect();
    faults.extend(must.difference(&tags).map(|commit| format!("{repository}:{commit} is not in the registry")));
    faults.extend(tags.difference(&may).map(|tag| format!("{repository}:{tag} should not be in the registry")));
    for tag in &tags {
        let revision = revision(fleet, &repository, tag).await?;
        if revision != *tag {
            faults.push(format!("{repository}:{tag} is labelled with the revision {revision}"));
        }
    }
    for (tag, digests) in digests_by_tag(records, app, component).into_iter().filter(|(tag, _)| *tag != "main") {
        if digests.len() > 1 {
            faults.push(format!("{repository}:{tag} was pushed as {} images", digests.len()));
        }
    }
    Ok(faults)
}

/// What the registry told of each tag, as far as it told anything.
fn digests_by_tag<'a>(records: &'a Records, app: &str, component: &str) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut digests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let told = records.of_type(EventType::ImagePushed).map(|event| &event["data"]);
    for data in told.filter(|data| data["app"] == app && data["component"] == component) {
        if let (Some(tag), Some(digest)) = (data["tag"].as_str(), data["digest"].as_str()) {
            digests.entry(tag).or_default().insert(digest);
        }
    }
    digests
}

/// The commit in an image's label.
async fn revision(fleet: &Fleet, repository: &str, tag: &str) -> Result<String> {
    let (client, base) = (http::client(), format!("{}/v2/{repository}", fleet.registry.url()));
    let accepted = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    let manifest = client.get(format!("{base}/manifests/{tag}")).header("Accept", accepted).send().await?;
    let manifest: Value = serde_json::from_slice(&manifest.bytes().await?)?;
    let config = manifest["config"]["digest"].as_str().with_context(|| format!("{repository}:{tag} has no config"))?;
    let config = client.get(format!("{base}/blobs/{config}")).send().await?;
    let config: Value = serde_json::from_slice(&config.bytes().await?)?;
    Ok(config["config"]["Labels"]["org.opencontainers.image.revision"].as_str().unwrap_or("nothing").to_owned())
}

/// A commit of Windlass's.
struct Commit {
    sha: String,
    tree: String,
    subject: String,
    trailers: Vec<(String, String)>,
}

impl Commit {
    fn trailer(&self, name: &str) -> &str {
        self.trailers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// What the environment asks for since.
    fn content(&self) -> String {
        let digests = self.trailers.iter().filter(|(key, _)| key == "Windlass-Digest").map(|(_, value)| value.as_str());
        format!("{} {}", self.place(), digests.collect::<Vec<_>>().join(" "))
    }

    /// App and environment.
    fn place(&self) -> &str {
        self.subject.split(':').next().unwrap_or_default()
    }
}

/// One line of commits, each told once, each of another event and another content.
async fn commits(fleet: &Fleet, records: &Records) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let merges = fleet.git.git("acme/gitops", &["rev-list", "--merges", "--count", "main"]).await?;
    if merges.trim() != "0" {
        faults.push(format!("the GitOps repository has {} merges", merges.trim()));
    }
    let commits = log(fleet).await?;
    let (first, ours) = commits.split_first().context("the GitOps repository is empty")?;
    let mut before = first;
    let (mut events, mut contents) = (HashMap::new(), HashMap::new());
    for commit in ours {
        let Commit { sha, .. } = commit;
        if commit.tree == before.tree {
            faults.push(format!("commit {sha} changes nothing"));
        }
        before = commit;
        if let Some(other) =
            events.insert((commit.place().to_owned(), commit.trailer("Windlass-Event").to_owned()), sha)
        {
            faults.push(format!("commits {other} and {sha} are of the same event"));
        }
        if commit.trailer("Windlass-Reason") == "rollback" {
            continue;
        }
        if let Some(other) = contents.insert(commit.content(), sha) {
            faults.push(format!("commits {other} and {sha} both ask for {}", commit.content()));
        }
    }
    let told =
        records.of_type(EventType::ManifestBumped).filter_map(|event| event["data"]["deployment"]["revision"].as_str());
    let told: Vec<&str> = told.collect();
    let once: HashSet<&str> = told.iter().copied().collect();
    let there: HashSet<&str> = ours.iter().map(|commit| commit.sha.as_str()).collect();
    faults.extend(there.difference(&once).map(|sha| format!("commit {sha} was never told")));
    faults.extend(once.difference(&there).map(|sha| format!("commit {sha} was told and is not there")));
    if told.len() != once.len() {
        faults.push(format!("{} commits were told {} times", once.len(), told.len()));
    }
    Ok(faults)
}

/// The GitOps repository's commits, oldest first.
async fn log(fleet: &Fleet) -> Result<Vec<Commit>> {
    let format = "--format=%H%x00%T%x00%s%x00%(trailers:only,unfold)%x01";
    let log = fleet.git.git("acme/gitops", &["log", "--reverse", "--topo-order", format, "main"]).await?;
    let entries = log.split('\u{1}').map(str::trim_start).filter(|entry| !entry.is_empty());
    let commit = |entry: &str| {
        let mut parts = entry.splitn(4, '\0').map(str::to_owned);
        let mut next = || parts.next().context("git log said less than it was asked");
        let (sha, tree, subject, trailers) = (next()?, next()?, next()?, next()?);
        let trailers = trailers.lines().filter_map(|line| line.split_once(": "));
        let trailers = trailers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Ok(Commit { sha, tree, subject, trailers })
    };
    entries.map(commit).collect()
}

/// The newest good commit in the manifests, in the environment itself, and in the ledger.
async fn environment_faults(
    fleet: &Fleet,
    app: &str,
    environment: &str,
    commit: &str,
    records: &Records,
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let state = records.environments.iter().find(|state| state["app"] == app && state["environment"] == environment);
    let known = state.map_or(&Value::Null, |state| &state["current"]);
    let running = fleet.running(app, environment);
    for component in COMPONENTS {
        let path = format!("{app}/{environment}/{component}.yaml");
        let text = fleet.git.file("acme/gitops", "main", &path).await?;
        let image = text.lines().find_map(|line| line.trim().strip_prefix("image: ")).unwrap_or_default();
        let digest = image.split_once('@').map_or("", |(_, digest)| digest);
        for tag in [commit, "main"] {
            let there = fleet.registry.resolve(&Fleet::image(app, component), tag).await?;
            if there.as_deref() != Some(digest) {
                faults.push(format!("{path} asks for {image}; the registry's {tag} is {there:?}"));
            }
        }
        let ledger = &known["release"][component]["digest"];
        if *ledger != digest {
            faults.push(format!("{path} asks for {image}; the ledger knows {ledger}"));
        }
        if running[component] != commit {
            faults.push(format!("{app}/{environment} runs {component} of {}, not of {commit}", running[component]));
        }
    }
    if state.is_none_or(|state| state["healthy"] != true) {
        faults.push(format!("{app}/{environment} is not known to be healthy: {state:?}"));
    }
    Ok(faults)
}
