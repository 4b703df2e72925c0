//! GitOps repositories that a GitHub App's installation is let into, over a Git server that asks for its tokens.

use std::{sync::Arc, time::Duration};

use proto::Deployment;
use runtime::{Failure, git::GitError};
use testkit::{folder::Folder, github_api::FakeGithub};

use crate::world::*;

/// Where nothing is.
const ELSEWHERE: &str = "http://127.0.0.1:1/elsewhere/";

/// A world whose repositories only this App's installation is let into.
struct Installed {
    world: World,
    github: Arc<FakeGithub>,
    _key: Folder,
}

impl Installed {
    async fn on(repositories: &[&str]) -> Self {
        Self::with(repositories, None).await
    }

    /// With another App of the same key, whose API is there, for what lies below [`ELSEWHERE`].
    async fn with(repositories: &[&str], other: Option<&str>) -> Self {
        let (github, key) = (Arc::new(FakeGithub::start().unwrap()), Folder::new("app").unwrap());
        let app = github.app("Iv23li", repositories).await.unwrap();
        std::fs::write(key.join("key.pem"), &app.private_key).unwrap();
        let (api, path) = (github.api(), key.join("key.pem").display().to_string());
        let app = |api: &str| format!("app: {{ id: Iv23li, private_key: 'file:{path}', api: '{api}' }}");
        let other = other.map(|other| format!("{{ url: '{ELSEWHERE}', {} }}", app(other))).unwrap_or_default();
        let credentials = format!("git: {{ credentials: [{{ url: 'GITOPS', {} }}, {other}], author:", app(&api));
        let world = World::named("acme/gitops", &CONFIG.replace("git: { author:", &credentials)).await;
        let known = Arc::clone(&github);
        world.git.require_by(move |user, password| user == "x-access-token" && known.knows(password));
        Self { world, github, _key: key }
    }

    /// All is well in staging, and then in production.
    async fn delivered(&self, staging: &Deployment) {
        let production = deployments(&self.world.healthy(staging).await).remove(0);
        self.world.healthy(&production).await;
    }

    /// How many tokens were made.
    fn made(&self) -> u64 {
        self.github.requests().tokens
    }
}

#[tokio::test]
async fn commits_are_pushed_with_the_token_of_the_apps_installation_which_is_used_again() {
    let it = Installed::on(&["repos/acme/gitops"]).await;
    let staging = it.world.deploy(&commit('a')).await;
    it.world.healthy(&staging).await;
    assert_eq!((it.world.repo.count(), it.made()), (3, 1));
    // Nothing of it is written down where others read.
    let clones = it.world.folder.join("data/gitops");
    let found = std::process::Command::new("grep").args(["-rl", "ghs_"]).arg(&clones).output().unwrap();
    assert_eq!((found.status.code(), String::from_utf8_lossy(&found.stdout).as_ref()), (Some(1), ""));
}

#[tokio::test]
async fn a_token_that_would_end_while_it_is_used_is_renewed_before() {
    let it = Installed::on(&["repos/acme/gitops"]).await;
    it.github.token_life(Duration::from_mins(9));
    let staging = it.world.deploy(&commit('a')).await;
    let made = it.made();
    assert!(made > 1, "{made}: a fetch and a push");
    it.github.token_life(Duration::from_hours(1));
    it.delivered(&staging).await;
    it.world.deploy(&commit('b')).await;
    assert_eq!(it.made(), made + 1);
}

#[tokio::test]
async fn an_app_that_is_not_installed_there_or_not_known_is_told_by_its_id() {
    let it = Installed::on(&["repos/acme/other"]).await;
    let (frontend, _) = it.world.push_both(&commit('a')).await;
    let pushed = it.world.pushed("frontend", "main", Some(&frontend));
    let why = it.world.refused(&pushed).await;
    assert!(why.contains("the App Iv23li is not installed on it (404 Not Found)"), "{why}");
    it.github.app("another", &[]).await.unwrap();
    let why = it.world.refused(&pushed).await;
    assert!(
        why.contains("GitHub does not know the App Iv23li (401 Bad credentials)") && why.contains("key.pem"),
        "{why}"
    );
}

#[tokio::test]
async fn github_in_trouble_is_asked_again_later() {
    let it = Installed::on(&["repos/acme/gitops"]).await;
    let (frontend, _) = it.world.push_both(&commit('a')).await;
    let pushed = it.world.pushed("frontend", "main", Some(&frontend));
    it.github.fail_next(1_000, 502);
    let failure = it.world.handle(&pushed).await.unwrap_err();
    assert!(matches!(failure, Failure::Transient(_)), "{failure:?}");
    it.github.fail_next(0, 502);
    it.world.bump(&pushed).await;
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_renewed_at_the_next_try_and_one_that_is_refused_at_once_is_not() {
    let it = Installed::on(&["repos/acme/gitops"]).await;
    let staging = it.world.deploy(&commit('a')).await;
    it.delivered(&staging).await;
    it.github.revoke_tokens();
    let (frontend, _) = it.world.push_both(&commit('b')).await;
    let pushed = it.world.pushed("frontend", "main", Some(&frontend));
    let failure = it.world.handle(&pushed).await.unwrap_err();
    assert!(matches!(&failure, Failure::Transient(why) if why.to_string().contains("at the next try")), "{failure:?}");
    let staging = it.world.bump(&pushed).await;
    it.delivered(&staging).await;
    assert_eq!(it.made(), 2);
    it.world.git.require_by(|_, _| false);
    let (frontend, _) = it.world.push_both(&commit('c')).await;
    let pushed = it.world.pushed("frontend", "main", Some(&frontend));
    let failure = it.world.handle(&pushed).await.unwrap_err();
    assert!(matches!(failure, Failure::Transient(_)), "{failure:?}");
    let why = it.world.refused(&pushed).await;
    assert!(why.contains("check the URL and `git.credentials`"), "{why}");
    assert_eq!(it.made(), 3);
}

#[tokio::test]
async fn of_two_that_are_refused_at_once_neither_is_refused_for_good_and_one_token_is_made() {
    let it = Installed::on(&["repos/acme/gitops"]).await;
    let (git, url) = (&it.world.context.git, it.world.repo.url.clone());
    let lists = async || git.remote(None, &url).await.unwrap().args(["ls-remote", "--", &url, "HEAD"]);
    let (one, other) = (lists().await, lists().await);
    it.github.revoke_tokens();
    let ended = git.run(one, &url).await.unwrap_err();
    assert!(matches!(ended, GitError::Ended { .. }), "{ended:?}");
    let anew = lists().await;
    // It was not the new token that this one was refused with.
    let ended = git.run(other, &url).await.unwrap_err();
    assert!(matches!(ended, GitError::Ended { .. }), "{ended:?}");
    for listing in [anew, lists().await] {
        git.run(listing, &url).await.unwrap();
    }
    assert_eq!(it.made(), 2);
}

#[tokio::test]
async fn an_api_that_does_not_answer_holds_up_none_but_its_own() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", silent.local_addr().unwrap());
    let it = Installed::with(&["repos/acme/gitops"], Some(&api)).await;
    let git = it.world.context.git.clone();
    let asks = tokio::spawn(async move { git.remote(None, &format!("{ELSEWHERE}x.git")).await.map(drop) });
    let _asked = silent.accept().await.unwrap();
    it.world.deploy(&commit('a')).await;
    assert!(!asks.is_finished(), "the other waits still");
    asks.abort();
}
