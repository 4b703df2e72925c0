//! What the doctor says of the hosts that pull requests are opened at: each host, and each fault.

use testkit::{
    folder::Folder,
    forge_api::FakeForge,
    githttp::GitServer,
    github_api::FakeGithub,
    ports,
    pulls::{Repository, Role, Rules, Settings},
};

use super::Found;

/// What hosts the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Github,
    Gitlab,
    Gitea,
}

const KINDS: [Kind; 3] = [Kind::Github, Kind::Gitlab, Kind::Gitea];
/// What is asked about.
const ABOUT: &str = "pull requests of acme/gitops";

/// Windlass is to merge.
const MERGING: &str = "merge: when_checks_pass";

enum Host {
    Github(FakeGithub),
    Other(FakeForge),
}

/// An app whose changes go by pull request, and somebody who asks the doctor about it.
struct Clinic {
    kind: Kind,
    host: Host,
    url: String,
    folder: Folder,
    /// Everything that may be shown nowhere.
    secret: std::cell::RefCell<Vec<String>>,
    _git: GitServer,
}

impl Clinic {
    async fn open(kind: Kind) -> Self {
        let (git, folder) = (GitServer::start().unwrap(), Folder::new("clinic").unwrap());
        let url = git.create("acme/gitops").await.unwrap();
        let work = git.work("acme/gitops").await.unwrap();
        work.change("staging/web.yaml", "image: x\n", "first").await.unwrap();
        work.push().await.unwrap();
        let host = match kind {
            Kind::Github => Host::Github(FakeGithub::start().unwrap()),
            Kind::Gitlab => Host::Other(FakeForge::gitlab().unwrap()),
            Kind::Gitea => Host::Other(FakeForge::gitea().unwrap()),
        };
        let path = git.path("acme/gitops");
        match &host {
            Host::Github(github) => github.serve("acme/gitops", path),
            Host::Other(forge) => forge.serve("acme/gitops", path),
        }
        let clinic = Self { kind, host, url, folder, secret: std::cell::RefCell::default(), _git: git };
        clinic.take(&clinic.token());
        clinic
    }

    fn github(&self) -> &FakeGithub {
        let Host::Github(github) = &self.host else { panic!("{:?} is not GitHub", self.kind) };
        github
    }

    fn forge(&self) -> &FakeForge {
        let Host::Other(forge) = &self.host else { panic!("GitHub has a fake of its own") };
        forge
    }

    /// A token that may do everything.
    fn token(&self) -> String {
        match &self.host {
            Host::Github(github) => github.token(),
            Host::Other(forge) => forge.token(true),
        }
    }

    /// From now on this is the token.
    fn take(&self, token: &str) {
        std::fs::write(self.folder.join("secret"), token).unwrap();
        self.secret.borrow_mut().extend(token.lines().map(ToOwned::to_owned));
    }

    fn change(&self, with: impl FnOnce(&mut Repository)) {
        match &self.host {
            Host::Github(github) => github.repository(with),
            Host::Other(forge) => forge.repository(with),
        }
        .unwrap();
    }

    fn set(&self, settings: Settings) {
        self.change(|it| it.set(settings));
    }

    fn rules(&self, rules: Rules) {
        self.change(|it| it.set_rules(rules));
    }

    fn api(&self) -> String {
        match &self.host {
            Host::Github(github) => github.api(),
            Host::Other(forge) => forge.api(),
        }
    }

    /// Asks with a token, where people merge.
    fn by_hand(&self) -> Found {
        self.asks(&self.api(), "token: SECRET", "")
    }

    /// Asks with a token, where Windlass merges by squashing.
    fn merging(&self) -> Found {
        self.asks(&self.api(), "token: SECRET, merge_method: squash", MERGING)
    }

    /// With these keys of `forge`, and of `gitops`.
    fn asks(&self, api: &str, forge: &str, gitops: &str) -> Found {
        let kind = format!("{:?}", self.kind).to_lowercase();
        let (data, url) = (self.folder.join("data").display().to_string(), &self.url);
        let forge = forge.replace("SECRET", &format!("'file:{}'", self.folder.join("secret").display()));
        let text = format!(
            "data: {data}\nworkers: [bumper]\nnetwork: {{ allow: [127.0.0.0/8] }}\napps:\n  shop:\n    \
             repository: acme/shop\n    environments: {{ staging: {{ path: staging, sync: {{ command: ['true'] }} }} }}\n    \
             gitops: {{ repository: '{url}', mode: pull_request, forge: {{ kind: {kind}, api: '{api}', {forge} }}, {gitops} }}\n"
        );
        let config = self.folder.join("windlass.yaml");
        std::fs::write(&config, text).unwrap();
        let found = Found::at(&config, &[]);
        let shown = format!("{}{}", found.report, found.text);
        assert!(
            !self.secret.borrow().iter().any(|secret| shown.contains(secret.as_str())),
            "a secret is shown: {shown}"
        );
        found
    }
}

/// Asserts that nothing of it is broken or to be warned of.
#[track_caller]
fn is_well(found: &Found, says: &str) {
    found.says(ABOUT, "ok", says, "");
    let all = found.about(ABOUT);
    assert!(all.iter().all(|it| it["standing"] == "ok"), "{all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_each_host_it_says_who_may_open_and_merge_pull_requests_and_what_they_lack() {
    for kind in KINDS {
        let clinic = Clinic::open(kind).await;
        is_well(&clinic.by_hand(), "they can be opened");
        is_well(&clinic.merging(), "they can be opened and merged");

        let (reads, writes) = (Settings { role: Role::Reads, ..Settings::default() }, Settings::default());
        clinic.set(reads);
        let next = match kind {
            Kind::Github => "the role *Write* in the settings of acme/gitops",
            Kind::Gitlab => "the role Developer",
            Kind::Gitea => "a collaborator who may write",
        };
        clinic.by_hand().says(ABOUT, "broken", "push", next);
        clinic.set(Settings { is_archived: true, ..writes.clone() });
        clinic.by_hand().says(ABOUT, "broken", "it is archived", "unarchived");
        clinic.set(writes);

        clinic.rules(Rules { only: Some("merge".to_owned()), ..Rules::default() });
        is_well(&clinic.by_hand(), "they can be opened");
        clinic.merging().says(
            ABOUT,
            "broken",
            "not to be merged by `squash`",
            "set `gitops.forge.merge_method` to `merge`, or allow `squash`",
        );
        clinic.rules(Rules::default());

        clinic.take("nobody-knows-this-one");
        let found = clinic.by_hand();
        found.says(ABOUT, "broken", "does not know who we are (401", "check `apps.shop.gitops.forge`");
        found.says(ABOUT, "broken", "/secret may ", "");
        assert!(!found.healthy);
        clinic.take(&clinic.token());
        clinic.change(|it| it.rename("acme/elsewhere"));
        clinic.by_hand().says(ABOUT, "broken", "is not there, or may not be seen", "`apps.shop.gitops.repository`");
        clinic.change(|it| it.rename("acme/gitops"));
        let nobody = format!("http://127.0.0.1:{}/api", ports::free().unwrap());
        clinic.asks(&nobody, "token: SECRET", "").says(ABOUT, "broken", "refused", "and the way there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_no_fault_and_is_said_to_be_one() {
    for kind in [Kind::Gitlab, Kind::Gitea] {
        let clinic = Clinic::open(kind).await;
        clinic.forge().use_up(std::time::Duration::from_hours(1));
        clinic.by_hand().says(ABOUT, "warning", "429", "ask again");
    }
    let clinic = Clinic::open(Kind::Github).await;
    clinic.github().limit(100, std::time::Duration::from_hours(1));
    clinic.github().use_up();
    clinic.by_hand().says(ABOUT, "warning", "API rate limit exceeded", "ask again");
}

#[tokio::test(flavor = "multi_thread")]
async fn github_tells_of_classic_tokens_their_scopes_and_of_fine_grained_ones_what_they_may_read() {
    let clinic = Clinic::open(Kind::Github).await;
    let github = clinic.github();
    clinic.take(&github.token_with("read:org, gist"));
    clinic.by_hand().says(
        ABOUT,
        "broken",
        "lacks the scope `repo`; of scopes it has `read:org, gist`",
        "give it `repo`",
    );
    clinic.take(&github.token_with(""));
    clinic.by_hand().says(ABOUT, "broken", "of scopes it has none", "give it `repo`");

    clinic.take(&github.fine_grained(&[("contents", "write"), ("pull_requests", "write")]));
    let found = clinic.by_hand();
    found.says(ABOUT, "ok", "they can be opened, as far as is told", "");
    found.says(ABOUT, "note", "does not tell what a fine-grained token may write", "pull requests and contents");
    let found = clinic.merging();
    found.says(ABOUT, "broken", "check-runs", "the right to read that");
    found.says(ABOUT, "broken", "Resource not accessible by personal access token", "");
    clinic.take(&github.fine_grained(&[("contents", "write")]));
    clinic.by_hand().says(ABOUT, "broken", "pulls?per_page=1", "the right to read that");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_github_app_it_says_where_it_is_to_be_installed_and_which_right_it_lacks() {
    let clinic = Clinic::open(Kind::Github).await;
    let github = clinic.github();
    let app = github.app("Iv23li", &["repos/acme/gitops"]).await.unwrap();
    clinic.take(&app.private_key);
    let asks = |gitops: &str| clinic.asks(&github.api(), "app: { id: Iv23li, private_key: SECRET }", gitops);
    is_well(&asks(""), "they can be opened");
    assert_eq!(github.requests().tokens, 2, "one each time that it is asked");

    github.app_may(&[("contents", "read"), ("pull_requests", "write")]);
    let found = asks(MERGING);
    found.says(ABOUT, "broken", "lacks *Contents: read and write*", "*Permissions & events*");
    found.says(ABOUT, "broken", "lacks *Checks: read*", "accept that where it is installed");
    found.says(ABOUT, "broken", "lacks *Commit statuses: read*", "");

    let app = github.app("Iv23li", &["repos/acme/other"]).await.unwrap();
    clinic.take(&app.private_key);
    asks("").says(
        ABOUT,
        "broken",
        "the App is not installed on repos/acme/gitops (404 Not Found)",
        "`apps.shop.gitops.forge`",
    );
    let stranger = github.app("another", &[]).await.unwrap();
    clinic.take(&stranger.private_key);
    asks("").says(ABOUT, "broken", "it does not know the App", "`apps.shop.gitops.forge`");
    clinic.take("no key at all");
    asks("").says(ABOUT, "broken", "holds no RSA private key", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_tells_the_tokens_scopes_and_the_role_behind_it_wherever_that_comes_from() {
    let clinic = Clinic::open(Kind::Gitlab).await;
    clinic.set(Settings { is_invited: true, ..Settings::default() });
    is_well(&clinic.by_hand(), "they can be opened");
    clinic.set(Settings { role: Role::None, ..Settings::default() });
    clinic.by_hand().says(ABOUT, "broken", "of roles there they have none", "a project access token");
    clinic.set(Settings { takes_pulls: false, ..Settings::default() });
    clinic.by_hand().says(ABOUT, "broken", "merge requests are switched off", "switch them on");
    clinic.set(Settings::default());

    clinic.rules(Rules { not_you: true, ..Rules::default() });
    is_well(&clinic.by_hand(), "they can be opened");
    clinic.merging().says(ABOUT, "warning", "Developers may not merge into `main`", "*Settings > Repository");
    clinic.set(Settings { role: Role::Maintains, ..Settings::default() });
    is_well(&clinic.merging(), "they can be opened and merged");

    clinic.take(&clinic.forge().token(false));
    clinic.by_hand().says(ABOUT, "broken", "lacks the scope `api`; of scopes it has `read_api`", "make one with `api`");
}

#[tokio::test(flavor = "multi_thread")]
async fn gitea_tells_that_a_tokens_scope_is_too_small_by_refusing_what_changes_nothing() {
    let clinic = Clinic::open(Kind::Gitea).await;
    clinic.set(Settings { takes_pulls: false, ..Settings::default() });
    clinic.by_hand().says(ABOUT, "broken", "pull requests are switched off", "switch them on");
    clinic.set(Settings::default());
    clinic.take(&clinic.forge().token(false));
    clinic.by_hand().says(ABOUT, "broken", "required=[write:repository]", "the scope `write:repository`");
    let writes = clinic.forge().requests().into_iter().filter(|request| !request.starts_with("GET "));
    assert!(writes.clone().all(|request| request.ends_with("/pulls/0")) && writes.count() > 0);
}
