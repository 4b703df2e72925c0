//! Pull requests instead of pushes, over a real repository and a GitHub that has its pull requests, checks and merges.

use proto::{ApprovalRejected, BumpReason, Data, Deployment, Event};
use runtime::{Failure, Outcome};
use testkit::{folder::Folder, github_api::FakeGithub};

use crate::world::*;

/// A world whose GitOps repository takes changes by pull request.
struct Hosted {
    world: World,
    github: FakeGithub,
    _secrets: Folder,
}

impl Hosted {
    async fn new(rest: &str) -> Self {
        Self::with(CONFIG, rest).await
    }

    /// With these keys of `gitops` besides `mode` and `forge`, or of `forge` after a `|`.
    async fn with(config: &str, rest: &str) -> Self {
        let (github, secrets) = (FakeGithub::start().unwrap(), Folder::new("secrets").unwrap());
        std::fs::write(secrets.join("token"), github.token()).unwrap();
        let (gitops, forge) = rest.split_once('|').unwrap_or((rest, ""));
        let keys = format!(
            "\"GITOPS\", mode: pull_request, forge: {{ kind: github, api: \"{}\", token: \"file:{}\", {forge} }}, {gitops}",
            github.api(),
            secrets.join("token").display()
        );
        let world = World::named("acme/gitops", &config.replace("\"GITOPS\"", &keys)).await;
        github.serve("acme/gitops", world.repo.path.clone());
        Self { world, github, _secrets: secrets }
    }

    /// Pushes the images of a commit, which leads to a wait for staging's pull request.
    async fn proposed(&self, digit: char) -> (Event, String) {
        let (frontend, _) = self.world.push_both(&commit(digit)).await;
        self.world.waits(&self.world.pushed("frontend", "main", Some(&frontend))).await
    }

    /// The same, merged by a person; what was deployed.
    async fn merged(&self, digit: char) -> Deployment {
        let (waiting, _) = self.proposed(digit).await;
        self.github.merge(self.last().number, "merge").unwrap();
        self.world.bump(&waiting).await
    }

    fn last(&self) -> testkit::github_api::Pull {
        self.github.pulls().pop().unwrap()
    }
}

#[tokio::test]
async fn a_release_waits_for_the_merge_of_its_pull_request_and_goes_on_however_it_is_merged() {
    for method in ["merge", "squash", "rebase"] {
        let hosted = Hosted::new("").await;
        let (world, before) = (&hosted.world, hosted.world.repo.head());
        let (waiting, why) = hosted.proposed('a').await;
        let pull = hosted.last();
        assert_eq!(why, format!("the merge of https://github.example/acme/gitops/pull/{}", pull.number));
        assert_eq!((pull.branch.as_str(), pull.into.as_str()), ("windlass/shop/staging", "main"));
        assert!(pull.title.starts_with("shop staging: backend,frontend -> "), "{}", pull.title);
        assert_eq!(world.repo.head(), before, "nothing is pushed to the branch itself");
        let proposed = world.place("staging").await.waiting.unwrap();
        for (name, released) in &proposed.offer.release {
            assert!(pull.body.contains(released.digest.as_str()), "{name}: {}", pull.body);
        }
        assert!(pull.body.contains(":v0`") && pull.body.contains(commit('a').as_str()), "{}", pull.body);
        let staging = "staging".parse().unwrap();
        let app = &world.context.config.apps[&"shop".parse().unwrap()];
        let waits =
            bumper::chain::waits_for(&world.chain().await, app, &staging, proto::Lane::Deploy, proto::Timestamp::now());
        assert_eq!(waits, Some(why), "the status says so too");
        assert!(world.not_yet(&waiting).await.contains("waits for the merge of"));

        let merged = hosted.github.merge(pull.number, method).unwrap();
        let deployment = world.bump(&waiting).await;
        assert_eq!(deployment.revision.as_str(), merged, "{method}");
        assert_eq!(deployment.release, proposed.offer.release);
        assert_eq!(deployment.changed.len(), 2);
        assert!(deployment.previous.values().all(|old| old.ends_with(":v0")), "{:?}", deployment.previous);
        assert_eq!(world.bump(&waiting).await, deployment, "told again, it is the same");
        // The next environment has a pull request of its own.
        let (next, _) = world.waits(&verdict(&deployment, true)).await;
        let pull = hosted.last();
        assert_eq!((hosted.github.pulls().len(), pull.branch.as_str()), (2, "windlass/shop/production"));
        assert!(pull.body.contains("every check passed"), "{}", pull.body);
        hosted.github.merge(pull.number, method).unwrap();
        assert_eq!(world.bump(&next).await.reason, BumpReason::Promotion);
    }
}

#[tokio::test]
async fn a_newer_release_takes_the_place_of_the_older_in_the_same_pull_request() {
    let hosted = Hosted::new("").await;
    let (first, _) = hosted.proposed('a').await;
    let older = hosted.last();
    let (second, _) = hosted.proposed('b').await;
    let newer = hosted.last();
    assert_eq!((hosted.github.pulls().len(), newer.number), (1, older.number));
    assert!(newer.head != older.head && newer.body.contains(commit('b').as_str()), "{}", newer.body);
    let main = hosted.world.repo.head();
    assert_eq!(hosted.world.repo.git(&["rev-parse", &format!("{}^", newer.head)]), main, "one commit, not two");
    assert!(hosted.world.ignored(&first).await.contains("superseded"));
    hosted.github.merge(newer.number, "squash").unwrap();
    let deployment = hosted.world.bump(&second).await;
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('b'))));
}

#[tokio::test]
async fn what_was_merged_a_moment_before_the_newer_release_came_is_told_and_has_its_verdict() {
    let hosted = Hosted::new("").await;
    let (first, _) = hosted.proposed('a').await;
    hosted.github.merge(hosted.last().number, "squash").unwrap();
    let (frontend, _) = hosted.world.push_both(&commit('b')).await;
    let outcomes = hosted.world.handle(&hosted.world.pushed("frontend", "main", Some(&frontend))).await.unwrap();
    let told: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            Outcome::Event { data, .. } => Some((**data).clone()),
            Outcome::Ignored { .. } => None,
        })
        .collect();
    let [Data::ManifestBumped(bumped), Data::ReleaseWaiting(waits)] = &told[..] else { panic!("{told:?}") };
    assert!(bumped.deployment.release.values().all(|released| released.commit == Some(commit('a'))));
    assert!(waits.waits_for.starts_with("the verdict over"), "{}", waits.waits_for);
    assert_eq!(hosted.world.handle(&first).await.unwrap().iter().count(), 0);
}

#[tokio::test]
async fn what_died_after_the_push_of_the_branch_or_after_the_pull_request_is_gone_on_with() {
    let hosted = Hosted::new("").await;
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    let pushed = hosted.world.pushed("frontend", "main", Some(&frontend));
    hosted.github.fail_next(1, 502);
    let failure = hosted.world.handle(&pushed).await.unwrap_err();
    assert!(matches!(failure, Failure::Transient(_)), "{failure:?}");
    let branch = || hosted.world.repo.git(&["rev-parse", "refs/heads/windlass/shop/staging"]);
    let head = branch();
    assert!(hosted.github.pulls().is_empty());
    hosted.world.dies(&pushed).await;
    assert_eq!((hosted.github.pulls().len(), branch()), (1, head.clone()));
    let (waiting, _) = hosted.world.waits(&pushed).await;
    assert_eq!((hosted.github.pulls().len(), branch()), (1, head));
    hosted.github.merge(hosted.last().number, "merge").unwrap();
    let dead = hosted.world.dies(&waiting).await;
    assert_eq!(vec![hosted.world.bump(&waiting).await], deployments(&dead));
}

#[tokio::test]
async fn what_was_merged_before_anybody_knew_of_its_pull_request_goes_on() {
    let hosted = Hosted::new("").await;
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    let pushed = hosted.world.pushed("frontend", "main", Some(&frontend));
    hosted.world.dies(&pushed).await;
    hosted.github.merge(hosted.last().number, "squash").unwrap();
    let deployment = hosted.world.bump(&pushed).await;
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('a'))));
}

#[tokio::test]
async fn a_release_whose_pull_request_is_closed_ends_and_the_next_has_another() {
    let hosted = Hosted::new("").await;
    let (waiting, _) = hosted.proposed('a').await;
    hosted.github.close(hosted.last().number);
    let why = hosted.world.ignored(&waiting).await;
    assert!(why.contains("staging does not get it") && why.contains("was closed without being merged"), "{why}");
    assert_eq!(hosted.world.place("staging").await.waiting, None);
    let deployment = hosted.merged('b').await;
    assert_eq!(hosted.github.pulls().len(), 2);
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('b'))));
}

#[tokio::test]
async fn the_branch_is_kept_upon_what_people_write_and_pushed_to_only_then() {
    let hosted = Hosted::new("").await;
    let (waiting, _) = hosted.proposed('a').await;
    let before = hosted.last().head;
    hosted.world.repo.write(&[("production/app.yaml", &hosted.world.manifest("v9"))]);
    hosted.world.not_yet(&waiting).await;
    assert_eq!(hosted.last().head, before, "checks need not run again for what is nothing to it");
    let by_hand = hosted.world.repo.text("staging/app.yaml").replace("# The shop.", "# The shop, by hand.");
    hosted.world.repo.write(&[("staging/app.yaml", &by_hand)]);
    let (waiting, _) = hosted.world.waits(&waiting).await;
    assert_ne!(hosted.last().head, before);
    hosted.github.merge(hosted.last().number, "merge").unwrap();
    hosted.world.bump(&waiting).await;
    let text = hosted.world.repo.text("staging/app.yaml");
    assert!(text.contains("by hand") && text.contains(commit('a').as_str()), "{text}");
}

#[tokio::test]
async fn what_people_committed_to_the_branch_is_not_overwritten() {
    let hosted = Hosted::new("").await;
    hosted.proposed('a').await;
    let (branch, path) = ("refs/heads/windlass/shop/staging", &hosted.world.repo);
    let tree = path.git(&["rev-parse", &format!("{branch}^{{tree}}")]);
    let theirs = path.git(&["commit-tree", &tree, "-p", branch, "-m", "by hand"]);
    path.git(&["update-ref", branch, &theirs]);
    let (frontend, _) = hosted.world.push_both(&commit('b')).await;
    let why = hosted.world.refused(&hosted.world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("`windlass/shop/staging` has commits of others"), "{why}");
    assert_eq!(path.git(&["rev-parse", branch]), theirs);
}

#[tokio::test]
async fn it_is_merged_when_every_check_has_passed_and_not_before() {
    let hosted = Hosted::new("merge: when_checks_pass|merge_method: squash").await;
    hosted.github.rules(false, false, Some("squash"));
    let (mut waiting, why) = hosted.proposed('a').await;
    assert!(why.ends_with("of which none has begun"), "{why}");
    let (pull, main) = (hosted.last(), hosted.world.repo.head());
    for name in ["unit", "lint", "render"] {
        hosted.github.check(&pull.head, name, None);
    }
    (waiting, _) = hosted.world.waits(&waiting).await;
    for name in ["unit", "lint"] {
        hosted.github.check(&pull.head, name, Some("success"));
    }
    assert!(hosted.world.not_yet(&waiting).await.contains("waits for the checks of"));
    // On a later page than the first.
    hosted.github.check(&pull.head, "render", Some("failure"));
    let (next, why) = hosted.world.waits(&waiting).await;
    assert!(why.ends_with("failed there: render"), "{why}");
    waiting = next;
    hosted.github.check(&pull.head, "render", Some("success"));
    hosted.github.status(&pull.head, "ci/other", "pending");
    (waiting, _) = hosted.world.waits(&waiting).await;
    assert_eq!(hosted.world.repo.head(), main, "merged while a status is pending");
    hosted.github.status(&pull.head, "ci/other", "success");
    let deployment = hosted.world.bump(&waiting).await;
    assert_eq!((hosted.last().state.as_str(), hosted.last().merged), ("closed", Some(deployment.revision.to_string())));
}

#[tokio::test]
async fn what_the_branchs_rules_want_is_waited_for_and_said() {
    let hosted = Hosted::new("merge: when_checks_pass").await;
    hosted.github.rules(true, false, None);
    let (waiting, _) = hosted.proposed('a').await;
    hosted.github.check(&hosted.last().head, "unit", Some("success"));
    // GitHub works out whether it may be merged when it is asked.
    let mut waiting = waiting;
    let mut why = String::new();
    for _ in 0..3 {
        if let Ok(outcomes) = hosted.world.handle(&waiting).await {
            assert!(outcomes.iter().count() > 0);
            (waiting, why) = hosted.world.waits(&waiting).await;
        }
    }
    assert!(why.starts_with("what the branch's rules want besides"), "{why}");
    // A rule that wants it to begin at the branch's head: it is put there, and checked again.
    hosted.github.rules(false, true, Some("squash"));
    let before = hosted.last().head;
    hosted.world.repo.write(&[("production/app.yaml", &hosted.world.manifest("v9"))]);
    for _ in 0..4 {
        if let Ok(outcomes) = hosted.world.handle(&waiting).await {
            assert!(outcomes.iter().count() > 0);
            (waiting, _) = hosted.world.waits(&waiting).await;
        }
    }
    let after = hosted.last().head;
    assert_ne!(after, before);
    assert_eq!(hosted.world.repo.git(&["rev-parse", &format!("{after}^")]), hosted.world.repo.head());
    // A way to merge that the repository does not allow is said in its words.
    hosted.github.check(&after, "unit", Some("success"));
    for _ in 0..3 {
        if let Ok(outcomes) = hosted.world.handle(&waiting).await {
            assert!(outcomes.iter().count() > 0);
            (waiting, why) = hosted.world.waits(&waiting).await;
        }
    }
    assert!(why.contains("cannot be merged: 405 Merge commits are not allowed"), "{why}");
}

#[tokio::test]
async fn what_is_kept_out_has_its_pull_request_closed_with_the_reason() {
    let hosted = Hosted::new("").await;
    let (waiting, _) = hosted.proposed('a').await;
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let comment = Some("not before the sale".to_owned());
    let reject = event(ApprovalRejected { approval: waiting.id, app, environment, by: "mona".to_owned(), comment });
    hosted.world.handle(&reject).await.unwrap();
    let pull = hosted.last();
    assert_eq!(pull.state, "closed");
    assert!(
        pull.body.starts_with("**Closed by Windlass:** ") && pull.body.contains("not before the sale"),
        "{}",
        pull.body
    );
    assert!(hosted.world.ignored(&waiting).await.contains("mona rejected it"));
}

#[tokio::test]
async fn what_is_bad_is_taken_back_by_a_pull_request_of_its_own() {
    let hosted = Hosted::new("").await;
    let good = hosted.merged('a').await;
    hosted.world.handle(&verdict(&good, true)).await.unwrap();
    let bad = hosted.merged('b').await;
    let (waiting, why) = hosted.world.waits(&verdict(&bad, false)).await;
    let pull = hosted.last();
    assert!(why.ends_with(&format!("/pull/{}", pull.number)), "{why}");
    assert_eq!(pull.branch, "windlass/shop/staging.rollback");
    assert!(matches!(&waiting.data, Data::ReleaseWaiting(it) if it.reason == BumpReason::Rollback));
    assert!(hosted.world.not_yet(&waiting).await.contains("the merge of"));
    hosted.github.merge(pull.number, "squash").unwrap();
    let back = hosted.world.bump(&waiting).await;
    assert_eq!((back.reason, &back.release), (BumpReason::Rollback, &good.release));
    assert_eq!(hosted.world.place("staging").await.back, None);
    hosted.world.handle(&verdict(&back, true)).await.unwrap();
    // Another release came before a second one was taken back: that is closed.
    let bad = hosted.merged('c').await;
    let (waiting, _) = hosted.world.waits(&verdict(&bad, false)).await;
    let rollback = hosted.last();
    hosted.merged('d').await;
    let why = hosted.world.ignored(&waiting).await;
    assert!(why.contains("has moved on"), "{why}");
    let closed = hosted.github.pulls().into_iter().find(|pull| pull.number == rollback.number).unwrap();
    assert_eq!((closed.state.as_str(), closed.merged), ("closed", None));
}

#[tokio::test]
async fn an_environment_that_is_pushed_to_has_no_pull_request() {
    let config = CONFIG.replace("path: staging,", "path: staging, mode: push,");
    let hosted = Hosted::with(&config, "").await;
    let staging = hosted.world.deploy(&commit('a')).await;
    assert!(hosted.github.pulls().is_empty());
    hosted.world.waits(&verdict(&staging, true)).await;
    assert_eq!(hosted.last().branch, "windlass/shop/production");
}

#[tokio::test]
async fn a_limit_is_waited_for_elsewhere_and_credentials_that_are_refused_are_for_people_to_mend() {
    let hosted = Hosted::new("").await;
    hosted.github.limit(100, std::time::Duration::from_hours(1));
    hosted.github.use_up();
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    let pushed = hosted.world.pushed("frontend", "main", Some(&frontend));
    let failure = hosted.world.handle(&pushed).await.unwrap_err();
    assert!(matches!(&failure, Failure::NotYet { after, .. } if after.as_secs() > 60), "{failure:?}");
    let other = Hosted::new("").await;
    other.github.revoke_tokens();
    let (frontend, _) = other.world.push_both(&commit('a')).await;
    let why = other.world.refused(&other.world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("it does not know who we are") && why.contains("/token may write pull requests"), "{why}");
}
