//! What every host of pull requests has in common, told once and run over each.

use proto::{ApprovalRejected, BumpReason, Data, Event};
use runtime::Failure;
use testkit::pulls::Rules;

use super::hosted::{Hosted, Kind};
pub(super) use super::others::*;
use crate::world::*;

pub(super) async fn a_release_waits_for_the_merge_of_its_pull_request_and_goes_on_however_it_is_merged(kind: Kind) {
    for method in ["merge", "squash", "rebase"] {
        let hosted = Hosted::new(kind, "").await;
        let (world, before) = (&hosted.world, hosted.world.repo.head());
        let (waiting, why) = hosted.proposed('a').await;
        let pull = hosted.last();
        assert_eq!(why, format!("the merge of {}", kind.page(pull.number)));
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

        let merged = hosted.merge(pull.number, method);
        let deployment = world.bump(&waiting).await;
        assert_eq!(deployment.revision.as_str(), merged, "{method}");
        assert_eq!(deployment.release, proposed.offer.release);
        assert_eq!(deployment.changed.len(), 2);
        assert!(deployment.previous.values().all(|old| old.ends_with(":v0")), "{:?}", deployment.previous);
        assert_eq!(world.bump(&waiting).await, deployment, "told again, it is the same");
        // The next environment has a pull request of its own.
        let (next, _) = world.waits(&verdict(&deployment, true)).await;
        let pull = hosted.last();
        assert_eq!((hosted.pulls().len(), pull.branch.as_str()), (2, "windlass/shop/production"));
        assert!(pull.body.contains("every check passed"), "{}", pull.body);
        hosted.merge(pull.number, method);
        assert_eq!(world.bump(&next).await.reason, BumpReason::Promotion);
    }
}

pub(super) async fn a_newer_release_takes_the_place_of_the_older_in_the_same_pull_request(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let (first, _) = hosted.proposed('a').await;
    let older = hosted.last();
    let (second, _) = hosted.proposed('b').await;
    let newer = hosted.last();
    assert_eq!((hosted.pulls().len(), newer.number), (1, older.number));
    assert!(newer.head != older.head && newer.body.contains(commit('b').as_str()), "{}", newer.body);
    let main = hosted.world.repo.head();
    assert_eq!(hosted.world.repo.git(&["rev-parse", &format!("{}^", newer.head)]), main, "one commit, not two");
    assert!(hosted.world.ignored(&first).await.contains("superseded"));
    hosted.merge(newer.number, "squash");
    let deployment = hosted.world.bump(&second).await;
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('b'))));
}

pub(super) async fn what_died_after_the_push_of_the_branch_or_after_the_pull_request_is_gone_on_with(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    let pushed = hosted.world.pushed("frontend", "main", Some(&frontend));
    hosted.host.fail_next(1, 502);
    let failure = hosted.world.handle(&pushed).await.unwrap_err();
    assert!(matches!(failure, Failure::Transient(_)), "{failure:?}");
    let branch = || hosted.world.repo.git(&["rev-parse", "refs/heads/windlass/shop/staging"]);
    let head = branch();
    assert!(hosted.pulls().is_empty());
    hosted.world.dies(&pushed).await;
    assert_eq!((hosted.pulls().len(), branch()), (1, head.clone()));
    let (waiting, _) = hosted.world.waits(&pushed).await;
    assert_eq!((hosted.pulls().len(), branch()), (1, head));
    hosted.merge(hosted.last().number, "merge");
    let dead = hosted.world.dies(&waiting).await;
    assert_eq!(vec![hosted.world.bump(&waiting).await], deployments(&dead));
}

pub(super) async fn a_release_whose_pull_request_is_closed_ends_and_the_next_has_another(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    hosted.close(hosted.last().number);
    let why = hosted.world.ignored(&waiting).await;
    assert!(why.contains("staging does not get it") && why.contains("was closed without being merged"), "{why}");
    assert_eq!(hosted.world.place("staging").await.waiting, None);
    let deployment = hosted.merged('b').await;
    assert_eq!(hosted.pulls().len(), 2);
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('b'))));
}

pub(super) async fn the_branch_is_kept_upon_what_people_write_and_pushed_to_only_then(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    let before = hosted.last().head;
    hosted.world.repo.write(&[("production/app.yaml", &hosted.world.manifest("v9"))]);
    hosted.world.not_yet(&waiting).await;
    assert_eq!(hosted.last().head, before, "checks need not run again for what is nothing to it");
    let by_hand = hosted.world.repo.text("staging/app.yaml").replace("# The shop.", "# The shop, by hand.");
    hosted.world.repo.write(&[("staging/app.yaml", &by_hand)]);
    let (waiting, _) = hosted.world.waits(&waiting).await;
    assert_ne!(hosted.last().head, before);
    hosted.merge(hosted.last().number, "merge");
    hosted.world.bump(&waiting).await;
    let text = hosted.world.repo.text("staging/app.yaml");
    assert!(text.contains("by hand") && text.contains(commit('a').as_str()), "{text}");
}

pub(super) async fn it_is_merged_when_every_check_has_passed_and_not_before(kind: Kind) {
    let hosted = Hosted::new(kind, "merge: when_checks_pass|merge_method: squash").await;
    hosted.rules(Rules { only: Some("squash".to_owned()), ..Rules::default() });
    let (mut waiting, why) = hosted.proposed('a').await;
    assert!(why.ends_with("of which none has begun"), "{why}");
    let (pull, main) = (hosted.last(), hosted.world.repo.head());
    for name in ["unit", "lint", "render"] {
        hosted.check(&pull.head, name, None);
    }
    (waiting, _) = hosted.world.waits(&waiting).await;
    for name in ["unit", "lint"] {
        hosted.check(&pull.head, name, Some("success"));
    }
    assert!(hosted.world.not_yet(&waiting).await.contains("waits for the checks of"));
    // On a later page than the first.
    hosted.check(&pull.head, "render", Some("failure"));
    let (next, why) = hosted.world.waits(&waiting).await;
    assert!(why.ends_with("failed there: render"), "{why}");
    waiting = next;
    hosted.check(&pull.head, "render", Some("success"));
    hosted.status(&pull.head, "ci/other", "pending");
    (waiting, _) = hosted.world.waits(&waiting).await;
    assert_eq!(hosted.world.repo.head(), main, "merged while a status is pending");
    hosted.status(&pull.head, "ci/other", "success");
    let deployment = hosted.world.bump(&waiting).await;
    assert_eq!((hosted.last().state.as_str(), hosted.last().merged), ("closed", Some(deployment.revision.to_string())));
}

pub(super) async fn what_is_kept_out_has_its_pull_request_closed_with_the_reason(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
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

pub(super) async fn what_is_bad_is_taken_back_by_a_pull_request_of_its_own(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let good = hosted.merged('a').await;
    hosted.world.handle(&verdict(&good, true)).await.unwrap();
    let bad = hosted.merged('b').await;
    let (waiting, why) = hosted.world.waits(&verdict(&bad, false)).await;
    let pull = hosted.last();
    assert!(why.ends_with(&kind.page(pull.number)), "{why}");
    assert_eq!(pull.branch, "windlass/shop/staging.rollback");
    assert!(matches!(&waiting.data, Data::ReleaseWaiting(it) if it.reason == BumpReason::Rollback));
    assert!(hosted.world.not_yet(&waiting).await.contains("the merge of"));
    hosted.merge(pull.number, "squash");
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
    let closed = hosted.pulls().into_iter().find(|pull| pull.number == rollback.number).unwrap();
    assert_eq!((closed.state.as_str(), closed.merged), ("closed", None));
    assert!(closed.body.contains("has moved on to"), "{}", closed.body);
}

pub(super) async fn what_the_branchs_rules_want_is_waited_for_and_said(kind: Kind) {
    let hosted = Hosted::new(kind, "merge: when_checks_pass").await;
    hosted.rules(Rules { blocked: true, ..Rules::default() });
    let (waiting, _) = hosted.proposed('a').await;
    hosted.check(&hosted.last().head, "unit", Some("success"));
    let (waiting, why) = hosted.settles(waiting).await;
    let wanted = match kind {
        Kind::Github => "what the branch's rules want besides the checks of",
        Kind::Gitlab => "/merge_requests/41: an approval",
        Kind::Gitea => "cannot be merged: 405 Does not have enough approvals",
    };
    assert!(why.contains(wanted), "{why}");
    // A rule that wants it to begin at the branch's head: it is put there, and checked again.
    hosted.rules(Rules { strict: true, ..Rules::default() });
    let before = hosted.last().head;
    hosted.world.repo.write(&[("production/app.yaml", &hosted.world.manifest("v9"))]);
    let (waiting, why) = hosted.settles(waiting).await;
    let after = hosted.last().head;
    assert_ne!(after, before);
    assert!(why.contains("the checks of"), "{why}");
    assert_eq!(hosted.world.repo.git(&["rev-parse", &format!("{after}^")]), hosted.world.repo.head());
    // What the host does not take all the same is said in its words.
    let not_you = kind == Kind::Gitlab;
    hosted.rules(Rules { not_you, only: Some("squash".to_owned()), ..Rules::default() });
    hosted.check(&after, "unit", Some("success"));
    let (_, why) = hosted.settles(waiting).await;
    let words = match kind {
        Kind::Github => "405 Merge commits are not allowed",
        Kind::Gitlab => "401 Unauthorized; check that",
        Kind::Gitea => "405 merge is not allowed",
    };
    assert!(why.contains(&format!("cannot be merged: {words}")), "{why}");
}

pub(super) async fn a_limit_is_waited_for_elsewhere_and_credentials_that_are_refused_are_for_people_to_mend(
    kind: Kind,
) {
    let hosted = Hosted::new(kind, "").await;
    hosted.host.use_up();
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    let pushed = hosted.world.pushed("frontend", "main", Some(&frontend));
    let failure = hosted.world.handle(&pushed).await.unwrap_err();
    // Where nothing tells how long, a minute.
    assert!(matches!(&failure, Failure::NotYet { after, .. } if after.as_secs() >= 60), "{failure:?}");
    let other = Hosted::new(kind, "").await;
    other.host.revoke_tokens();
    let (frontend, _) = other.world.push_both(&commit('a')).await;
    let why = other.world.refused(&other.world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("it does not know who we are") && why.contains("/token may "), "{why}");
}

pub(super) async fn people_are_told_once_of_each_pull_request_that_waits_for_them(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    assert_eq!(told(&waiting), Some((kind.page(41), true)));
    let (waiting, _) = hosted.proposed('b').await;
    assert_eq!(told(&waiting), Some((kind.page(41), false)), "a newer release in the same one");
    hosted.close(41);
    hosted.world.ignored(&waiting).await;
    let (waiting, _) = hosted.proposed('c').await;
    assert_eq!(told(&waiting), Some((kind.page(42), true)));
    // Where the checks decide, not before something is in their way.
    let hosted = Hosted::new(kind, "merge: when_checks_pass").await;
    let (waiting, _) = hosted.proposed('a').await;
    assert_eq!(told(&waiting), Some((kind.page(41), false)));
    hosted.check(&hosted.last().head, "unit", Some("failure"));
    let (waiting, _) = hosted.settles(waiting).await;
    assert_eq!(told(&waiting), Some((kind.page(41), true)));
    hosted.check(&hosted.last().head, "unit", None);
    let (waiting, _) = hosted.settles(waiting).await;
    hosted.check(&hosted.last().head, "unit", Some("failure"));
    let (waiting, _) = hosted.settles(waiting).await;
    assert_eq!(told(&waiting), Some((kind.page(41), false)));
}

/// The pull request that a wait is for, and whether people are told of it.
fn told(waiting: &Event) -> Option<(String, bool)> {
    let Data::ReleaseWaiting(waits) = &waiting.data else { panic!("{waiting:?}") };
    Some((waits.pull_request.clone()?, waits.tell))
}
