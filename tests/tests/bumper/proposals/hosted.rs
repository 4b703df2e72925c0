//! A world whose GitOps repository takes changes by pull request, at any kind of host.

use std::{sync::Arc, time::Duration};

use bumper::Bumper;
use proto::{Data, Deployment, Event};
use runtime::{Failure, Outcome, config::Mode};
use testkit::{
    folder::Folder,
    forge_api::FakeForge,
    github_api::FakeGithub,
    pulls::{Pull, Repository, Rules},
};

use crate::{gitops::Repo, world::*};

/// What hosts the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Github,
    Gitlab,
    Gitea,
}

/// A fake of it.
pub(super) enum Host {
    Github(Arc<FakeGithub>),
    Other(FakeForge),
}

pub(super) struct Hosted {
    pub(super) world: World,
    pub(super) host: Host,
    pub(super) secrets: Folder,
}

fn is_bump(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Event { data, .. } if matches!(**data, Data::ManifestBumped(_)))
}

impl Kind {
    fn start(self) -> Host {
        match self {
            Self::Github => Host::Github(Arc::new(FakeGithub::start().unwrap())),
            Self::Gitlab => Host::Other(FakeForge::gitlab().unwrap()),
            Self::Gitea => Host::Other(FakeForge::gitea().unwrap()),
        }
    }

    /// The repository's path there.
    fn project(self) -> &'static str {
        match self {
            Self::Gitlab => "acme/platform/gitops",
            Self::Github | Self::Gitea => "acme/gitops",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
        }
    }

    /// The page of a pull request.
    pub(super) fn page(self, number: u64) -> String {
        let between = match self {
            Self::Github => "pull",
            Self::Gitlab => "-/merge_requests",
            Self::Gitea => "pulls",
        };
        format!("https://{}.example/{}/{between}/{number}", self.word(), self.project())
    }
}

impl Host {
    fn api(&self) -> String {
        match self {
            Self::Github(github) => github.api(),
            Self::Other(forge) => forge.api(),
        }
    }

    fn token(&self) -> String {
        match self {
            Self::Github(github) => github.token(),
            Self::Other(forge) => forge.token(true),
        }
    }

    fn serve(&self, name: &str, repo: &Repo) {
        match self {
            Self::Github(github) => github.serve(name, repo.path.clone()),
            Self::Other(forge) => forge.serve(name, repo.path.clone()),
        }
    }

    pub(super) fn revoke_tokens(&self) {
        match self {
            Self::Github(github) => github.revoke_tokens(),
            Self::Other(forge) => forge.revoke_tokens(),
        }
    }

    pub(super) fn fail_next(&self, requests: u64, status: u16) {
        match self {
            Self::Github(github) => github.fail_next(requests, status),
            Self::Other(forge) => forge.fail_next(requests, status),
        }
    }

    /// Takes no more requests for an hour.
    pub(super) fn use_up(&self) {
        match self {
            Self::Github(github) => {
                github.limit(100, Duration::from_hours(1));
                github.use_up();
            }
            Self::Other(forge) => forge.use_up(Duration::from_hours(1)),
        }
    }
}

impl Hosted {
    pub(super) async fn new(kind: Kind, rest: &str) -> Self {
        Self::with(kind, CONFIG, rest).await
    }

    /// With these keys of `gitops` besides `mode` and `forge`, or of `forge` after a `|`.
    pub(super) async fn with(kind: Kind, config: &str, rest: &str) -> Self {
        let (host, secrets) = (kind.start(), Folder::new("secrets").unwrap());
        std::fs::write(secrets.join("token"), host.token()).unwrap();
        let (gitops, forge) = rest.split_once('|').unwrap_or((rest, ""));
        let keys = format!(
            "\"GITOPS\", mode: pull_request, forge: {{ kind: {}, api: \"{}\", token: \"file:{}\", {forge} }}, {gitops}",
            kind.word(),
            host.api(),
            secrets.join("token").display()
        );
        let world = World::named(kind.project(), &config.replace("\"GITOPS\"", &keys)).await;
        host.serve(kind.project(), &world.repo);
        Self { world, host, secrets }
    }

    /// The same at GitHub, where one App is let in for Git and for the API, and nobody else for Git.
    pub(super) async fn by_app(rest: &str) -> (Self, Arc<FakeGithub>) {
        let (github, secrets) = (Arc::new(FakeGithub::start().unwrap()), Folder::new("secrets").unwrap());
        let name = Kind::Github.project();
        let app = github.app("Iv23li", &[&format!("repos/{name}")]).await.unwrap();
        std::fs::write(secrets.join("key.pem"), &app.private_key).unwrap();
        let (api, key) = (github.api(), secrets.join("key.pem").display().to_string());
        let app = format!("id: Iv23li, private_key: 'file:{key}'");
        let keys = format!(
            "\"GITOPS\", mode: pull_request, forge: {{ kind: github, api: '{api}', app: {{ {app} }} }}, {rest}"
        );
        let git = format!("git: {{ credentials: [{{ url: 'GITOPS', app: {{ {app}, api: '{api}' }} }}], author:");
        let config = CONFIG.replace("\"GITOPS\"", &keys).replace("git: { author:", &git);
        let world = World::named(name, &config).await;
        github.serve(name, world.repo.path.clone());
        let known = Arc::clone(&github);
        world.git.require_by(move |user, password| user == "x-access-token" && known.knows(password));
        (Self { world, host: Host::Github(Arc::clone(&github)), secrets }, github)
    }

    /// From now on the app's GitOps repository is another at the same host, which has the same files.
    pub(super) async fn moves(&mut self, name: &str) {
        let repo = Repo::new(&self.world.git, name).await;
        let from = self.world.repo.path.display().to_string();
        repo.git(&["fetch", "--quiet", &from, "+refs/heads/main:refs/heads/main"]);
        self.host.serve(name, &repo);
        let shop = "shop".parse().unwrap();
        let app = Arc::make_mut(&mut self.world.context.config).apps.get_mut(&shop).unwrap();
        app.gitops.as_mut().unwrap().repository.clone_from(&repo.url);
        self.world.bumper = Bumper::new(&self.world.context).unwrap();
        self.world.repo = repo;
    }

    /// From now on the environment is pushed to.
    pub(super) fn is_pushed_to(&mut self, environment: &str) {
        let (shop, environment) = ("shop".parse().unwrap(), environment.parse().unwrap());
        let app = Arc::make_mut(&mut self.world.context.config).apps.get_mut(&shop).unwrap();
        app.environments.get_mut(&environment).unwrap().mode = Some(Mode::Push);
        self.world.bumper = Bumper::new(&self.world.context).unwrap();
    }

    /// Writes another token in the place of the one that is used.
    pub(super) fn set_token(&self, token: &str) {
        std::fs::write(self.secrets.join("token"), token).unwrap();
    }

    /// Pushes the images of a commit, which leads to a wait for staging's pull request.
    pub(super) async fn proposed(&self, digit: char) -> (Event, String) {
        let (frontend, _) = self.world.push_both(&commit(digit)).await;
        self.world.waits(&self.world.pushed("frontend", "main", Some(&frontend))).await
    }

    /// The same, merged by a person; what was deployed.
    pub(super) async fn merged(&self, digit: char) -> Deployment {
        let (waiting, _) = self.proposed(digit).await;
        self.merge(self.last().number, "merge");
        self.world.bump(&waiting).await
    }

    /// Looks until nothing changes any more: hosts work out what may be merged when they are asked. For what it waits then.
    pub(super) async fn settles(&self, mut waiting: Event) -> (Event, String) {
        let mut same = 0;
        let mut why = String::new();
        while same < 3 {
            if self.world.handle(&waiting).await.is_ok() {
                (waiting, why) = self.world.waits(&waiting).await;
                same = 0;
            } else {
                why = self.world.not_yet(&waiting).await;
                same += 1;
            }
        }
        (waiting, why)
    }

    /// Looks until it is merged; the event that told so. Each state that it is in meanwhile is told by one of its own.
    pub(super) async fn lands(&self, mut waiting: Event) -> Event {
        loop {
            match self.world.handle(&waiting).await {
                Ok(outcomes) if outcomes.iter().any(is_bump) => return waiting,
                Ok(_) => (waiting, _) = self.world.waits(&waiting).await,
                Err(failure) => assert!(matches!(failure, Failure::NotYet { .. }), "{failure:?}"),
            }
        }
    }

    pub(super) fn repository<T>(&self, with: impl FnOnce(&mut Repository) -> T) -> T {
        match &self.host {
            Host::Github(github) => github.repository(with),
            Host::Other(forge) => forge.repository(with),
        }
        .unwrap()
    }

    pub(super) fn pulls(&self) -> Vec<Pull> {
        self.repository(Repository::all)
    }

    pub(super) fn last(&self) -> Pull {
        self.pulls().pop().unwrap()
    }

    /// A person merges one; the commit it is merged as.
    pub(super) fn merge(&self, number: u64, method: &str) -> String {
        self.repository(|it| it.merge(number, method)).unwrap()
    }

    pub(super) fn close(&self, number: u64) {
        self.repository(|it| it.close(number));
    }

    pub(super) fn check(&self, commit: &str, name: &str, conclusion: Option<&str>) {
        self.repository(|it| it.check(commit, name, conclusion));
    }

    pub(super) fn status(&self, commit: &str, context: &str, state: &str) {
        self.repository(|it| it.status(commit, context, state));
    }

    pub(super) fn rules(&self, rules: Rules) {
        self.repository(|it| it.set_rules(rules));
    }
}
