//! What others do where Windlass proposes: on its branch, in their forks, and under the number of its pull request.

use proto::{ApprovalRejected, Data, Event};

use super::hosted::{Hosted, Kind};
use crate::world::*;

const BRANCH: &str = "refs/heads/windlass/shop/staging";

/// Moves the branch to a commit of this tree; the commit.
fn commit_to_branch(hosted: &Hosted, tree: &str, parents: &[&str]) -> String {
    let parents: Vec<_> = parents.iter().flat_map(|parent| ["-p", parent]).collect();
    let made = hosted.world.repo.git(&[&["commit-tree", tree, "-m", "by hand"], &parents[..]].concat());
    hosted.world.repo.git(&["update-ref", BRANCH, &made]);
    made
}

/// As a host's button brings a branch up to date.
fn update_branch(hosted: &Hosted) -> String {
    let tree = hosted.world.repo.git(&["merge-tree", "--write-tree", BRANCH, "main"]);
    commit_to_branch(hosted, &tree, &[BRANCH, "main"])
}

/// Production gets what staging is to have.
fn slip_production_in(hosted: &Hosted) -> String {
    let repo = &hosted.world.repo;
    let file = repo.git(&["rev-parse", &format!("{BRANCH}:staging/app.yaml")]);
    repo.git(&["read-tree", BRANCH]);
    repo.git(&["update-index", "--cacheinfo", &format!("100644,{file},production/app.yaml")]);
    commit_to_branch(hosted, &repo.git(&["write-tree"]), &[BRANCH])
}

pub(super) async fn what_others_add_to_the_branch_is_not_merged_with_it(kind: Kind) {
    let hosted = Hosted::new(kind, "merge: when_checks_pass").await;
    let (waiting, _) = hosted.proposed('a').await;
    hosted.world.repo.write(&[("production/app.yaml", &hosted.world.manifest("v9"))]);
    let updated = update_branch(&hosted);
    let (waiting, _) = hosted.settles(waiting).await;
    assert_eq!(hosted.last().head, updated, "it changes nothing but what it is to");
    let theirs = slip_production_in(&hosted);
    hosted.check(&theirs, "unit", Some("success"));
    let main = hosted.world.repo.head();
    let (waiting, why) = hosted.world.waits(&waiting).await;
    let words =
        "`windlass/shop/staging` has commits of others that change `production/app.yaml`, which are neither merged";
    assert!(why.starts_with(&kind.page(hosted.last().number)) && why.contains(words), "{why}");
    assert!(matches!(&waiting.data, Data::ReleaseWaiting(it) if it.tell), "people are told");
    assert!(hosted.world.not_yet(&waiting).await.contains(words));
    assert_eq!((hosted.world.repo.head(), hosted.last().head, hosted.last().merged), (main, theirs, None));
    // They take it back.
    hosted.world.repo.git(&["update-ref", BRANCH, &updated]);
    hosted.check(&updated, "unit", Some("success"));
    let waiting = hosted.lands(waiting).await;
    hosted.world.bump(&waiting).await;
    assert_eq!(hosted.world.repo.text("production/app.yaml"), hosted.world.manifest("v9"));
}

pub(super) async fn what_others_add_to_the_branch_is_theirs_to_merge_and_what_is_newer_waits_for_that(kind: Kind) {
    let hosted = Hosted::new(kind, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    slip_production_in(&hosted);
    let (waiting, _) = hosted.world.waits(&waiting).await;
    let (frontend, _) = hosted.world.push_both(&commit('b')).await;
    let newer = hosted.world.pushed("frontend", "main", Some(&frontend));
    assert!(hosted.world.not_yet(&newer).await.contains("merge or delete it"));
    hosted.merge(hosted.last().number, "merge");
    let deployment = hosted.world.bump(&waiting).await;
    assert!(deployment.release.values().all(|released| released.commit == Some(commit('a'))));
    assert_eq!(hosted.world.repo.text("production/app.yaml"), hosted.world.repo.text("staging/app.yaml"));
    hosted.world.healthy(&deployment).await;
    // All that was on the branch is merged, so it is free.
    let (waiting, _) = hosted.world.waits(&newer).await;
    assert_eq!(hosted.pulls().len(), 2);
    hosted.merge(hosted.last().number, "merge");
    hosted.world.bump(&waiting).await;
}

pub(super) async fn a_branch_whose_pull_request_is_over_is_begun_anew_unless_somebody_has_pushed_to_it_since(
    kind: Kind,
) {
    let hosted = Hosted::new(kind, "").await;
    let repo = &hosted.world.repo;
    let (waiting, _) = hosted.proposed('a').await;
    let theirs = slip_production_in(&hosted);
    let (waiting, _) = hosted.world.waits(&waiting).await;
    // A squash leaves the branch's commits in no history but its own, and nobody deletes it.
    hosted.merge(hosted.last().number, "squash");
    hosted.world.healthy(&hosted.world.bump(&waiting).await).await;
    assert_eq!(repo.git(&["rev-parse", BRANCH]), theirs);
    let (waiting, _) = hosted.proposed('b').await;
    assert_eq!((hosted.pulls().len(), hosted.last().state.as_str()), (2, "open"));
    assert_eq!(repo.git(&["rev-parse", &format!("{BRANCH}^")]), repo.head(), "it begins at the target's head");
    // So it is of one that was closed.
    slip_production_in(&hosted);
    let (waiting, _) = hosted.world.waits(&waiting).await;
    hosted.close(hosted.last().number);
    hosted.world.ignored(&waiting).await;
    let (waiting, _) = hosted.proposed('c').await;
    assert_eq!(repo.git(&["rev-parse", &format!("{BRANCH}^")]), repo.head());
    hosted.merge(hosted.last().number, "squash");
    hosted.world.healthy(&hosted.world.bump(&waiting).await).await;
    // What is pushed after that is somebody's.
    let (theirs, pulls) = (slip_production_in(&hosted), hosted.pulls().len());
    let (frontend, _) = hosted.world.push_both(&commit('d')).await;
    let why = hosted.world.refused(&hosted.world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("has commits of others"), "{why}");
    assert_eq!((repo.git(&["rev-parse", BRANCH]), hosted.pulls().len()), (theirs, pulls));
}

pub(super) async fn a_pull_request_of_a_fork_with_the_same_branch_is_left_alone(kind: Kind) {
    let hosted = Hosted::new(kind, "merge: when_checks_pass").await;
    let theirs = hosted.world.repo.head();
    let fork = hosted.repository(|it| it.open_from_fork("windlass/shop/staging", "main", &theirs));
    let (waiting, _) = hosted.proposed('a').await;
    let own = hosted.last();
    assert!(own.number != fork && !own.fork && own.body.contains(commit('a').as_str()), "{own:?}");
    hosted.check(&own.head, "unit", Some("success"));
    // Seen to be mergeable, and merged.
    while hosted.world.handle(&waiting).await.is_err() {}
    let theirs = hosted.pulls().into_iter().find(|pull| pull.number == fork).unwrap();
    assert_eq!((theirs.state.as_str(), theirs.title.as_str()), ("open", "A change of mine"));
}

/// A release waits, and then its repository is another, in which a stranger's pull request has the number of ours.
async fn elsewhere(kind: Kind) -> (Hosted, Event) {
    let mut hosted = Hosted::new(kind, "").await;
    let (waiting, _) = hosted.proposed('a').await;
    let ours = hosted.last().number;
    hosted.moves("acme/elsewhere").await;
    let head = hosted.world.repo.head();
    assert_eq!(hosted.repository(|it| it.open_from_fork("theirs", "main", &head)), ours);
    (hosted, waiting)
}

pub(super) async fn a_strangers_pull_request_with_the_number_of_ours_is_left_alone(kind: Kind) {
    let (hosted, waiting) = elsewhere(kind).await;
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let reject = ApprovalRejected { approval: waiting.id, app, environment, by: "mona".to_owned(), comment: None };
    hosted.world.handle(&event(reject)).await.unwrap();
    let theirs = hosted.last();
    assert_eq!((theirs.state.as_str(), theirs.body.as_str()), ("open", ""));

    let (hosted, waiting) = elsewhere(kind).await;
    hosted.close(hosted.last().number);
    let (waiting, _) = hosted.world.waits(&waiting).await;
    let own = hosted.last();
    assert!(!own.fork && own.body.contains(commit('a').as_str()), "{own:?}");
    hosted.merge(own.number, "merge");
    hosted.world.bump(&waiting).await;
}
