//! What hangs on the repository alone, whatever hosts it.

use proto::{ApprovalRejected, Data, HoldChanged, RollbackRequested};
use runtime::{Failure, Outcome};

use super::hosted::{Hosted, Kind};
use crate::world::*;

#[tokio::test]
async fn what_was_merged_a_moment_before_the_newer_release_came_is_told_and_has_its_verdict() {
    let hosted = Hosted::new(Kind::Github, "").await;
    let (first, _) = hosted.proposed('a').await;
    hosted.merge(hosted.last().number, "squash");
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
async fn what_was_merged_before_anybody_knew_of_its_pull_request_goes_on() {
    let hosted = Hosted::new(Kind::Github, "").await;
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    let pushed = hosted.world.pushed("frontend", "main", Some(&frontend));
    hosted.world.dies(&pushed).await;
    hosted.merge(hosted.last().number, "squash");
    let deployment = hosted.world.bump(&pushed).await;
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('a'))));
}

#[tokio::test]
async fn what_people_committed_to_the_branch_is_not_overwritten() {
    let hosted = Hosted::new(Kind::Github, "").await;
    hosted.proposed('a').await;
    let (branch, path) = ("refs/heads/windlass/shop/staging", &hosted.world.repo);
    let tree = path.git(&["rev-parse", &format!("{branch}^{{tree}}")]);
    let theirs = path.git(&["commit-tree", &tree, "-p", branch, "-m", "by hand"]);
    path.git(&["update-ref", branch, &theirs]);
    let (frontend, _) = hosted.world.push_both(&commit('b')).await;
    // What is newer comes again, until they have merged or deleted it.
    let newer = hosted.world.pushed("frontend", "main", Some(&frontend));
    let why = hosted.world.not_yet(&newer).await;
    assert!(why.contains("`windlass/shop/staging` has commits of others"), "{why}");
    assert_eq!(path.git(&["rev-parse", branch]), theirs);
}

#[tokio::test]
async fn an_environment_that_is_pushed_to_has_no_pull_request() {
    let config = CONFIG.replace("path: staging,", "path: staging, mode: push,");
    let hosted = Hosted::with(Kind::Github, &config, "").await;
    let staging = hosted.world.deploy(&commit('a')).await;
    assert!(hosted.pulls().is_empty());
    hosted.world.waits(&verdict(&staging, true)).await;
    assert_eq!(hosted.last().branch, "windlass/shop/production");
}

#[tokio::test]
async fn what_was_merged_where_pushes_are_wanted_meanwhile_has_its_verdict_whatever_its_gates_say() {
    for is_held in [false, true] {
        let mut hosted = Hosted::new(Kind::Github, "").await;
        let (waiting, _) = hosted.proposed('a').await;
        hosted.is_pushed_to("staging");
        if is_held {
            holds(&hosted, true).await;
            assert!(hosted.world.not_yet(&waiting).await.contains("held by mona"));
        }
        let merged = hosted.merge(hosted.last().number, "squash");
        let deployment = hosted.world.bump(&waiting).await;
        assert_eq!((deployment.revision.as_str(), deployment.changed.len()), (merged.as_str(), 2));
        assert_eq!(hosted.world.place("staging").await.under_way().unwrap().deployment, deployment);
    }
}

#[tokio::test]
async fn what_was_merged_where_pushes_are_wanted_meanwhile_is_told_before_what_is_newer() {
    let mut hosted = Hosted::new(Kind::Github, "").await;
    let (first, _) = hosted.proposed('a').await;
    hosted.is_pushed_to("staging");
    hosted.merge(hosted.last().number, "squash");
    let (frontend, _) = hosted.world.push_both(&commit('b')).await;
    let newer = hosted.world.handle(&hosted.world.pushed("frontend", "main", Some(&frontend))).await.unwrap();
    let told = newer.iter().filter(|outcome| {
        matches!(outcome, Outcome::Event { data, .. } if matches!(&**data,
        Data::ManifestBumped(it) if it.deployment.release.values().all(|image| image.commit == Some(commit('a')))))
    });
    assert_eq!(told.count(), 1, "{newer:?}");
    assert_eq!(hosted.world.handle(&first).await.unwrap().iter().count(), 0);
}

#[tokio::test]
async fn what_is_open_where_pushes_are_wanted_meanwhile_is_pushed_and_closed_and_what_was_closed_ends() {
    let mut hosted = Hosted::new(Kind::Github, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    hosted.is_pushed_to("staging");
    let deployment = hosted.world.bump(&waiting).await;
    assert_eq!(deployment.revision.as_str(), hosted.world.repo.head());
    let pull = hosted.last();
    assert_eq!((pull.state.as_str(), pull.merged), ("closed", None));
    assert!(
        pull.body.starts_with("**Closed by Windlass:** staging is pushed to by now (`mode: push`)"),
        "{}",
        pull.body
    );

    let mut hosted = Hosted::new(Kind::Github, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    hosted.is_pushed_to("staging");
    let head = hosted.world.repo.head();
    hosted.close(hosted.last().number);
    assert!(hosted.world.ignored(&waiting).await.contains("was closed without being merged"));
    assert_eq!((hosted.world.repo.head(), hosted.world.place("staging").await.waiting), (head, None));
    // As did one that was merged, and whose files somebody has changed since.
    let mut hosted = Hosted::new(Kind::Github, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    hosted.is_pushed_to("staging");
    hosted.merge(hosted.last().number, "squash");
    let by_hand = hosted.world.manifest("v9");
    hosted.world.repo.write(&[("staging/app.yaml", &by_hand)]);
    assert!(hosted.world.ignored(&waiting).await.contains("have been changed since"));
    assert_eq!(hosted.world.repo.text("staging/app.yaml"), by_hand);
}

#[tokio::test]
async fn what_is_merged_a_moment_before_it_would_be_closed_is_told_all_the_same() {
    let config = CONFIG.replace("path: staging,", "path: staging, mode: push,");
    let hosted = Hosted::with(Kind::Github, &config, "").await;
    let world = &hosted.world;
    let good = verdict(&world.deploy(&commit('a')).await, true);
    world.context.ledger.record(&[good.to_message()]).await.unwrap();
    let (waiting, _) = world.waits(&good).await;
    hosted.merge(hosted.last().number, "merge");
    world.healthy(&world.bump(&waiting).await).await;
    let slow = world.deploy(&commit('b')).await;
    let (waiting, _) = world.waits(&verdict(&slow, true)).await;
    // What is taken back from staging is not to go to production, where somebody has just merged it.
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, reason) = ("mona".to_owned(), "checkout is slow".to_owned());
    world.bump(&event(RollbackRequested { app, environment, to: None, by, reason })).await;
    hosted.merge(hosted.last().number, "merge");
    let production = world.bump(&waiting).await;
    assert_eq!((production.environment.as_str(), &production.release), ("production", &slow.release));
    assert_eq!(world.place("production").await.under_way().unwrap().deployment, production);
}

#[tokio::test]
async fn what_is_merged_the_moment_it_is_to_be_closed_is_no_end_but_something_to_look_at_again() {
    let hosted = Hosted::new(Kind::Github, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    let number = hosted.last().number;
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, comment) = ("mona".to_owned(), Some("not before the sale".to_owned()));
    let reject = event(ApprovalRejected { approval: waiting.id, app, environment, by, comment });
    hosted.repository(|it| it.merge_next(number));
    let failure = hosted.world.handle(&reject).await.unwrap_err();
    let Failure::Transient(why) = failure else { panic!("{failure:?}") };
    assert!(why.to_string().contains("was merged the moment it was to be closed"), "{why}");
    // It is told by the next run, and has its verdict.
    let deployment = hosted.world.bump(&reject).await;
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('a'))));
    assert_eq!(hosted.world.place("staging").await.under_way().unwrap().deployment, deployment);
}

async fn holds(hosted: &Hosted, held: bool) {
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, reason) = ("mona".to_owned(), "a fix by hand".to_owned());
    hosted.world.handle(&event(HoldChanged { app, environment, held, by, reason })).await.unwrap();
}

#[tokio::test]
async fn a_hold_keeps_windlass_from_merging_a_rollback_that_nobody_ordered_and_no_other() {
    let hosted = Hosted::new(Kind::Github, "merge: when_checks_pass").await;
    let good = verdict(&hosted.merged('a').await, true);
    hosted.world.context.ledger.record(&[good.to_message()]).await.unwrap();
    hosted.world.handle(&good).await.unwrap();
    let bad = hosted.merged('b').await;
    let (waiting, _) = hosted.world.waits(&verdict(&bad, false)).await;
    let rollback = hosted.last();
    assert_eq!(rollback.branch, "windlass/shop/staging.rollback");
    holds(&hosted, true).await;
    hosted.check(&rollback.head, "unit", Some("success"));
    let (waiting, why) = hosted.settles(waiting).await;
    assert!(why.contains("the merge of") && hosted.last().state == "open", "{why}");
    holds(&hosted, false).await;
    let waiting = hosted.lands(waiting).await;
    let back = hosted.world.bump(&waiting).await;
    assert_eq!(hosted.last().merged, Some(back.revision.to_string()));
    hosted.world.handle(&verdict(&back, true)).await.unwrap();
    // What a person orders is theirs, whoever holds the place.
    hosted.merged('c').await;
    holds(&hosted, true).await;
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, reason) = ("mona".to_owned(), "checkout is slow".to_owned());
    let ordered = event(RollbackRequested { app, environment, to: None, by, reason });
    let (waiting, _) = hosted.world.waits(&ordered).await;
    hosted.check(&hosted.last().head, "unit", Some("success"));
    let waiting = hosted.lands(waiting).await;
    assert_eq!(hosted.world.bump(&waiting).await.reason, proto::BumpReason::Rollback);
}
