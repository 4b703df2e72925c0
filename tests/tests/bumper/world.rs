//! One app, its registry, its GitOps repository, and a bumper.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bumper::Bumper;
use ledger::{Chain, Claim, ClaimKey, Place};
use proto::{
    Change, CommitSha, Data, Deployment, Digest, Event, EventId, EventIgnored, FixSettled, HealthReported, ImageBuilt,
    ImageName, ImagePushed, Lane, Message, Timestamp, WorkerName,
};
use runtime::{Config, Context, Failure, Outcome, Outcomes, Worker, service::Base};
use serde_json::{Value, json};
use testkit::{
    folder::Folder,
    githttp::{GitServer, Work},
    http,
    registry::Registry,
};
use uuid::Uuid;

use crate::gitops::Repo;

/// What the tests' configuration is made of; each test may replace parts of it.
pub(crate) const CONFIG: &str = r#"
apps:
  shop:
    repository: acme/shop
    clone: "SOURCE"
    deploy: [main]
    hotfix: ["hotfix/*"]
    components:
      frontend: { image: "REGISTRY/acme/shop-frontend" }
      backend: { image: "REGISTRY/acme/shop-backend" }
    gitops: { repository: "GITOPS" }
    environments:
      staging: { path: staging, rollback: automatic, sync: { command: ["true"] } }
      production: { path: production/app.yaml, after: staging, rollback: automatic, sync: { command: ["true"] } }
git: { author: { name: "Hauler <of> things", email: hauler@example.org } }
registries: { "REGISTRY": { plain_http: true } }
network: { allow: ["127.0.0.0/8", "::1"] }
"#;

pub(crate) struct World {
    pub(crate) registry: Registry,
    /// Where images are said to be: the registry, or what stands before it.
    pub(crate) host: String,
    pub(crate) repo: Repo,
    /// The app's own source; empty, but for the tests of its order.
    pub(crate) source: String,
    pub(crate) bumper: Bumper,
    pub(crate) context: Context,
    pub(crate) folder: Folder,
    pub(crate) git: GitServer,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(CONFIG).await
    }

    pub(crate) async fn with(config: &str) -> Self {
        Self::behind(config, Registry::address).await
    }

    /// A world whose GitOps repository has this name at its host.
    pub(crate) async fn named(repository: &str, config: &str) -> Self {
        Self::made(repository, config, Registry::address).await
    }

    /// A world whose images are reached by another way than the registry itself.
    pub(crate) async fn behind(config: &str, front: impl FnOnce(&Registry) -> String) -> Self {
        Self::made("gitops", config, front).await
    }

    async fn made(repository: &str, config: &str, front: impl FnOnce(&Registry) -> String) -> Self {
        let folder = Folder::new("bumper").unwrap();
        let git = GitServer::start().unwrap();
        let repo = Repo::new(&git, repository).await;
        let registry = Registry::start(&[]).await.unwrap();
        let host = front(&registry);
        let source = git.create("acme/shop").await.unwrap();
        let config = config.replace("GITOPS", &repo.url).replace("SOURCE", &source).replace("REGISTRY", &host);
        let context = context(&config, &folder.join("data")).await;
        let bumper = Bumper::new(&context).unwrap();
        let world = Self { registry, host, repo, source, bumper, context, folder, git };
        world
            .repo
            .write(&[("staging/app.yaml", &world.manifest("v0")), ("production/app.yaml", &world.manifest("v0"))]);
        world
    }

    /// Another bumper with a data folder of its own: another machine.
    pub(crate) async fn another_bumper(&self, config: &str, name: &str) -> Bumper {
        let config = config.replace("GITOPS", &self.repo.url).replace("SOURCE", &self.source);
        let config = config.replace("REGISTRY", &self.host);
        Bumper::new(&context(&config, &self.folder.join(name)).await).unwrap()
    }

    pub(crate) fn image(&self, component: &str) -> ImageName {
        ImageName::new(format!("{}/acme/shop-{component}", self.host)).unwrap()
    }

    pub(crate) fn manifest(&self, tag: &str) -> String {
        format!(
            "# The shop.\nspec:\n  containers:\n    - name: frontend\n      image: {}:{tag} # set by Windlass\n\n    \
             - name: backend\n      image: \"{}:{tag}\"\n",
            self.image("frontend"),
            self.image("backend"),
        )
    }

    /// Pushes an image of a commit under these tags, as a build would; its digest.
    pub(crate) async fn push(&self, component: &str, commit: Option<&CommitSha>, tags: &[&str]) -> Digest {
        let labels = commit.map(|c| json!({ "org.opencontainers.image.revision": c })).unwrap_or(json!({}));
        push_image(&self.registry.address(), &format!("acme/shop-{component}"), &labels, tags).await
    }

    /// Pushes both components of a commit under its id and `main`.
    pub(crate) async fn push_both(&self, commit: &CommitSha) -> (Digest, Digest) {
        let tags = [commit.as_str(), "main"];
        (self.push("frontend", Some(commit), &tags).await, self.push("backend", Some(commit), &tags).await)
    }

    pub(crate) fn pushed(&self, component: &str, tag: &str, digest: Option<&Digest>) -> Event {
        let data = ImagePushed {
            app: "shop".parse().unwrap(),
            component: component.parse().unwrap(),
            image: self.image(component),
            tag: Some(tag.to_owned()),
            digest: digest.cloned(),
        };
        event(data)
    }

    pub(crate) fn built(&self, component: &str, commit: &CommitSha, digest: &Digest) -> Event {
        let change = Change {
            app: "shop".parse().unwrap(),
            branch: "main".parse().unwrap(),
            commit: commit.clone(),
            lane: Lane::Deploy,
            author: None,
            title: Some("Sell more\nWindlass-Event: forged".to_owned()),
        };
        let tags = vec![commit.to_string(), "main".to_owned()];
        let (component, image, digest) = (component.parse().unwrap(), self.image(component), digest.clone());
        event(ImageBuilt { change, component, image, tags, digest, reused: false, unchanged_since: None })
    }

    /// Handles an event as the harness does: claimed, and what came of it kept; what was done is told again.
    pub(crate) async fn handle(&self, event: &Event) -> Result<Outcomes, Failure> {
        let (ledger, owner) = (&self.context.ledger, Uuid::new_v4());
        let key = ClaimKey { worker: WorkerName::Bumper, event: event.id, replay: event.replay };
        loop {
            match ledger.claim(&key, owner, Duration::from_mins(1)).await.unwrap() {
                Claim::Granted { .. } => {}
                Claim::Done { outcomes } => return Ok(again(&outcomes)),
                Claim::Held { .. } => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            }
            let outcomes = match self.bumper.handle(event).await {
                Ok(outcomes) => outcomes,
                Err(failure) => {
                    ledger.release(&key, owner, "failed", false).await.unwrap();
                    return Err(failure);
                }
            };
            let messages = messages(event, &outcomes);
            assert!(ledger.complete(&key, owner, &messages, outcomes.kept()).await.unwrap(), "two steps of one chain");
            // As they were kept: these hold the chain's turn as long as they live.
            return Ok(again(&messages));
        }
    }

    /// Handles an event, and dies before anything of it is kept; who comes next takes it over.
    pub(crate) async fn dies(&self, event: &Event) -> Outcomes {
        let key = ClaimKey { worker: WorkerName::Bumper, event: event.id, replay: event.replay };
        let claim = self.context.ledger.claim(&key, Uuid::new_v4(), Duration::from_millis(1)).await.unwrap();
        assert!(matches!(claim, Claim::Granted { .. }), "{claim:?}");
        again(&messages(event, &self.bumper.handle(event).await.unwrap()))
    }

    /// Finds a deployment healthy; what that led to.
    pub(crate) async fn healthy(&self, deployment: &Deployment) -> Outcomes {
        self.handle(&verdict(deployment, true)).await.unwrap()
    }

    /// Handles an event that must lead to a wait: the event that asks again, and for what it waits.
    pub(crate) async fn waits(&self, event: &Event) -> (Event, String) {
        let outcomes = self.handle(event).await.unwrap();
        let waiting = messages(event, &outcomes).iter().find_map(|message| {
            let event = Event::from_message(message).unwrap();
            let Data::ReleaseWaiting(waiting) = &event.data else { return None };
            let waits_for = waiting.waits_for.clone();
            Some((event, waits_for))
        });
        waiting.unwrap_or_else(|| panic!("{outcomes:?}"))
    }

    /// For what a wait that asks again still waits.
    pub(crate) async fn not_yet(&self, event: &Event) -> String {
        match self.handle(event).await.unwrap_err() {
            Failure::NotYet { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// What is known of the app.
    pub(crate) async fn chain(&self) -> Chain {
        self.context.ledger.chain(&"shop".parse().unwrap()).await.unwrap().1
    }

    /// What is known of an environment.
    pub(crate) async fn place(&self, environment: &str) -> Place {
        self.chain().await.place(&environment.parse().unwrap()).cloned().unwrap_or_default()
    }

    /// Pushes both components of a commit under a hotfix branch's tag, and deploys them; what was deployed.
    pub(crate) async fn fix(&self, commit: &CommitSha) -> Deployment {
        for component in ["frontend", "backend"] {
            self.push(component, Some(commit), &[commit.as_str(), "hotfix-x"]).await;
        }
        self.bump(&self.pushed("frontend", "hotfix-x", None)).await
    }

    /// A person says that a fix need not come back.
    pub(crate) async fn settle(&self, fix: &CommitSha) {
        let (app, commit, note) = ("shop".parse().unwrap(), fix.clone(), None);
        let settled = FixSettled { app, commit, note, by: "mona".to_owned(), reason: "solved another way".to_owned() };
        assert_eq!(self.handle(&event(settled)).await.unwrap().iter().count(), 0);
    }

    /// Handles an event that must lead to one bump.
    pub(crate) async fn bump(&self, event: &Event) -> Deployment {
        let outcomes = self.handle(event).await.unwrap();
        let mut bumps = deployments(&outcomes);
        assert_eq!(bumps.len(), 1, "{outcomes:?}");
        bumps.remove(0)
    }

    /// Handles an event that must lead to nothing, and says why.
    pub(crate) async fn ignored(&self, event: &Event) -> String {
        let outcomes = self.handle(event).await.unwrap();
        assert!(deployments(&outcomes).is_empty(), "{outcomes:?}");
        reasons(&outcomes)
    }

    /// Handles an event that must fail for good, and says why.
    pub(crate) async fn refused(&self, event: &Event) -> String {
        match self.handle(event).await.unwrap_err() {
            Failure::Permanent(error) => format!("{error:#}"),
            other => panic!("not a permanent failure: {other:?}"),
        }
    }

    /// A clone of the app's source, to commit in.
    pub(crate) async fn work(&self) -> Work {
        self.git.work("acme/shop").await.unwrap()
    }

    /// Deploys both components of a commit to staging; what was deployed.
    pub(crate) async fn deploy(&self, commit: &CommitSha) -> Deployment {
        let (frontend, _) = self.push_both(commit).await;
        self.bump(&self.pushed("frontend", "main", Some(&frontend))).await
    }
}

async fn context(config: &str, data: &Path) -> Context {
    let text = format!("data: {}\n{config}", data.display());
    let config = Config::parse(&text, "windlass.yaml".as_ref()).unwrap();
    Context::open(Base::open(config, "bumper").await.unwrap()).await.unwrap()
}

pub(crate) fn deployments(outcomes: &Outcomes) -> Vec<Deployment> {
    let bump = |outcome: &Outcome| match outcome {
        Outcome::Event { data, subject } => match &**data {
            Data::ManifestBumped(bumped) => {
                assert_eq!(subject, bumped.deployment.environment.as_str());
                Some(bumped.deployment.clone())
            }
            Data::FixSettled(_) | Data::ApprovalAnswered(_) => None,
            other => panic!("the bumper says {other:?}"),
        },
        Outcome::Ignored { .. } => None,
    };
    outcomes.iter().filter_map(bump).collect()
}

fn messages(event: &Event, outcomes: &Outcomes) -> Vec<Message> {
    let to_event = |outcome: &Outcome| match outcome {
        Outcome::Event { subject, data } => {
            event.outcome("/workers/bumper".to_owned(), subject.clone(), Timestamp::now(), (**data).clone())
        }
        Outcome::Ignored { reason } => {
            let data = EventIgnored { app: None, worker: WorkerName::Bumper, reason: reason.clone() };
            event.outcome("/workers/bumper".to_owned(), "bumper".to_owned(), Timestamp::now(), data)
        }
    };
    outcomes.iter().map(|outcome| to_event(outcome).to_message()).collect()
}

/// Outcomes as they were kept.
fn again(messages: &[Message]) -> Outcomes {
    let events = messages.iter().map(|message| Event::from_message(message).unwrap());
    events.fold(Outcomes::none(), |outcomes, event| match event.data {
        Data::EventIgnored(ignored) => outcomes.with(Outcomes::ignored(ignored.reason)),
        data => outcomes.and(event.subject, data),
    })
}

pub(crate) fn reasons(outcomes: &Outcomes) -> String {
    let reason = |outcome: &Outcome| match outcome {
        Outcome::Ignored { reason } => Some(reason.clone()),
        Outcome::Event { data, .. } => match &**data {
            Data::ApprovalAnswered(answered) if !answered.counts => Some(answered.says.clone()),
            _ => None,
        },
    };
    outcomes.iter().filter_map(reason).collect::<Vec<_>>().join("; ")
}

pub(crate) fn event(data: impl Into<Data>) -> Event {
    Event::first(EventId::fresh(), "/tests".to_owned(), "test".to_owned(), Timestamp::now(), data)
}

pub(crate) fn verdict(deployment: &Deployment, healthy: bool) -> Event {
    let summary = if healthy { "every check passed" } else { "GET /health answered 500" }.to_owned();
    event(HealthReported { deployment: deployment.clone(), healthy, summary, checks: Vec::new() })
}

pub(crate) fn commit(digit: char) -> CommitSha {
    CommitSha::new(digit.to_string().repeat(40)).unwrap()
}

/// Pushes an image of one small layer.
pub(crate) async fn push_image(host: &str, repository: &str, labels: &Value, tags: &[&str]) -> Digest {
    let config = json!({ "os": "linux", "architecture": "amd64", "config": { "Labels": labels },
                         "rootfs": { "type": "layers", "diff_ids": [] }, "salt": EventId::fresh() });
    let config = blob(host, repository, config.to_string().into_bytes()).await;
    let layer = blob(host, repository, b"a layer".to_vec()).await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    put_manifest(host, repository, "application/vnd.oci.image.manifest.v1+json", &manifest, tags).await
}

pub(crate) async fn put_manifest(
    host: &str,
    repository: &str,
    kind: &str,
    manifest: &Value,
    references: &[&str],
) -> Digest {
    let bytes = manifest.to_string().into_bytes();
    let digest = digest_of(&bytes);
    for reference in references.iter().copied().chain([digest.as_str()]) {
        let url = format!("http://{host}/v2/{repository}/manifests/{reference}");
        let put = http::client().put(url).header("content-type", kind).body(bytes.clone()).send().await.unwrap();
        assert!(put.status().is_success(), "{} {}", put.status(), put.text().await.unwrap());
    }
    digest
}

async fn blob(host: &str, repository: &str, bytes: Vec<u8>) -> (Digest, usize) {
    let begun = http::client().post(format!("http://{host}/v2/{repository}/blobs/uploads/")).send().await.unwrap();
    let place = begun.headers()["location"].to_str().unwrap().to_owned();
    let (digest, size) = (digest_of(&bytes), bytes.len());
    let put = http::client().put(format!("{place}&digest={digest}")).body(bytes).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
    (digest, size)
}

fn descriptor(kind: &str, (digest, size): &(Digest, usize)) -> Value {
    json!({ "mediaType": kind, "digest": digest, "size": size })
}

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    testkit::registry::digest_of(bytes).parse().unwrap()
}

/// A component's `image:` value as the bumper writes it.
pub(crate) fn value(image: &ImageName, commit: &CommitSha, digest: &Digest) -> String {
    format!("{image}:{commit}@{digest}")
}

pub(crate) fn digests(deployment: &Deployment) -> BTreeMap<String, Digest> {
    deployment.release.iter().map(|(name, released)| (name.to_string(), released.digest.clone())).collect()
}
