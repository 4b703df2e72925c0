//! Pushes that are not worth a run: their branch is not looked at, or nothing that counts has changed.

use proto::{Change, Data, Event, Lane, PushReceived, ScanFinished, TestsFinished, WorkerName};
use runtime::{Outcome, Outcomes};

use crate::{
    images::{DOCKERFILE, Works},
    stage::{first, ignored, only},
    yard::{change, pushed, scanned},
};

const PATHS: &str = "    paths: [src/**, Dockerfile, '!**/*.md']";

/// Has the builder handle a push, and the history know of it.
async fn push(works: &Works, push: &Event) -> Outcomes {
    works.yard.stage.record(push).await;
    let outcomes = works.handle(push).await;
    works.yard.stage.record_all(push, WorkerName::Builder, &outcomes).await;
    outcomes
}

fn was_run(outcomes: &Outcomes) -> bool {
    matches!(outcomes.iter().collect::<Vec<_>>().as_slice(), [Outcome::Event { data, .. }]
        if matches!(&**data, Data::TestsFinished(TestsFinished { passed: true, .. })))
}

/// Sees a commit through to its images.
async fn through(works: &Works, commit: &str) {
    assert!(was_run(&push(works, &pushed(commit)).await));
    let scan = scanned(commit, true);
    let outcomes = works.handle(&scan).await;
    works.yard.stage.record_all(&scan, WorkerName::Builder, &outcomes).await;
}

async fn works() -> Works {
    let works = Works::open_with(PATHS, &[("web", ", context: src")]).await;
    works.yard.work.write("src/page", "1").unwrap();
    works
}

#[tokio::test]
async fn a_push_that_changes_nothing_that_counts_ends_with_the_reason() {
    let works = works().await;
    let built = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("src/page", "1")]).await;
    through(&works, &built).await;

    let docs = works.yard.commit(&[("README.md", "x"), ("src/a.md", "y"), ("docs/z", "")]).await;
    let why = ignored(&push(&works, &pushed(&docs)).await);
    let wanted = format!(
        "{} is neither tested nor built: none of the 3 files that differ from {} is among `apps.shop.paths` \
         (src/**, Dockerfile, !**/*.md); `windlass events replay` runs it",
        &docs[..12],
        &built[..12]
    );
    assert_eq!(why, wanted);
    // The next is held against what was built, not against what was left aside.
    let more = works.yard.commit(&[("docs/z", "2")]).await;
    let why = ignored(&push(&works, &pushed(&more)).await);
    assert!(why.contains(&format!("differ from {}", &built[..12])), "{why}");
    assert_eq!(works.yard.stage.workspaces(), 0);

    // Somebody asked for it.
    assert!(was_run(&works.handle(&Event { replay: 1, ..pushed(&docs) }).await));
}

#[tokio::test]
async fn a_pattern_that_stops_at_folders_is_said_to() {
    let works = Works::open_with("    paths: ['src/*', Dockerfile]", &[("web", ", context: src")]).await;
    let built = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("src/page", "1")]).await;
    through(&works, &built).await;
    let deeper = works.yard.commit(&[("src/pages/home", "1")]).await;
    let why = ignored(&push(&works, &pushed(&deeper)).await);
    assert!(why.contains("(src/*, Dockerfile; `src/*` does not reach into folders, `src/**` does)"), "{why}");
    let direct = works.yard.commit(&[("src/page", "2")]).await;
    assert!(was_run(&push(&works, &pushed(&direct)).await));
}

#[tokio::test]
async fn a_file_counts_under_its_old_name_and_its_new_one() {
    let works = works().await;
    let built = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("src/page", "1"), ("src/more", "2")]).await;
    through(&works, &built).await;
    works.yard.work.git(&["mv", "src/more", "docs"]).await.unwrap();
    let moved = works.yard.commit(&[]).await;
    assert!(was_run(&push(&works, &pushed(&moved)).await));
}

#[tokio::test]
async fn what_did_not_go_all_the_way_is_not_forgotten() {
    let works = works().await;
    let built = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("src/page", "1")]).await;
    through(&works, &built).await;
    // Tested, and not built yet: perhaps it is under way, perhaps it has failed.
    let code = works.yard.commit(&[("src/page", "2")]).await;
    assert!(was_run(&push(&works, &pushed(&code)).await));
    let docs = works.yard.commit(&[("docs/z", "1")]).await;
    assert!(was_run(&push(&works, &pushed(&docs)).await));
    // What undoes it must go the same way, or what is under way would come last.
    let undone = works.yard.commit(&[("src/page", "1")]).await;
    assert!(was_run(&push(&works, &pushed(&undone)).await));
    let scan = scanned(&undone, true);
    works.yard.stage.record_all(&scan, WorkerName::Builder, &works.handle(&scan).await).await;
    let late = ignored(&works.handle(&scanned(&code, true)).await);
    assert!(late.starts_with(&format!("superseded: `main` is at {}", &undone[..12])), "{late}");
    // Now that one is through.
    let docs = works.yard.commit(&[("docs/z", "2")]).await;
    assert!(ignored(&push(&works, &pushed(&docs)).await).contains(&format!("differs from {}", &undone[..12])));
}

#[tokio::test]
async fn without_anything_to_compare_with_a_push_is_run() {
    let works = works().await;
    let first = works.yard.commit(&[("docs/z", "1"), ("Dockerfile", DOCKERFILE), ("src/page", "1")]).await;
    through(&works, &first).await;
    // History is rewritten, and the server forgets what it was.
    works.yard.work.git(&["commit", "--quiet", "--amend", "--message", "again"]).await.unwrap();
    works.yard.work.force_push().await.unwrap();
    let rewritten = works.yard.work.head().await.unwrap();
    let why = ignored(&push(&works, &pushed(&rewritten)).await);
    assert!(why.contains(&format!("no file differs from {}", &first[..12])), "{why}");
    let server = works.yard.git.path("acme/shop");
    for arguments in [&["reflog", "expire", "--expire=now", "--all"][..], &["gc", "--quiet", "--prune=now"]] {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(&server).args(arguments);
        testkit::process::run(git).await.unwrap();
    }
    let docs = works.yard.commit(&[("docs/z", "2")]).await;
    assert!(was_run(&push(&works, &pushed(&docs)).await));
}

#[tokio::test]
async fn a_branch_that_is_not_built_goes_by_what_was_found_good() {
    let works = works().await;
    let on = |commit: &str| Change { branch: "topic".parse().unwrap(), lane: Lane::Check, ..change(commit) };
    let pushed = |commit: &str| {
        let data = PushReceived { change: on(commit), before: None, forced: false };
        Event { subject: "topic".to_owned(), ..first(data) }
    };
    let scanned = |commit: &str, passed| {
        let event = first(ScanFinished { change: on(commit), passed, scans: Vec::new() });
        Event { subject: commit.to_owned(), ..event }
    };
    let bad = works.yard.commit(&[("src/page", "1")]).await;
    assert!(was_run(&push(&works, &pushed(&bad)).await));
    works.yard.stage.record(&scanned(&bad, false)).await;
    let good = works.yard.commit(&[("docs/z", "1")]).await;
    assert!(was_run(&push(&works, &pushed(&good)).await), "what came before it was found bad");
    works.yard.stage.record(&scanned(&good, true)).await;
    let docs = works.yard.commit(&[("docs/z", "2")]).await;
    let why = ignored(&push(&works, &pushed(&docs)).await);
    assert!(why.contains(&format!("the one file that differs from {}", &good[..12])), "{why}");
}

#[tokio::test]
async fn a_branch_that_is_left_out_is_not_looked_at() {
    let works = Works::open_with("    branches: ['**', '!pages']", &[("web", "")]).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE)]).await;
    let change = Change { branch: "pages".parse().unwrap(), lane: Lane::Check, ..change(&commit) };
    let event = first(PushReceived { change, before: None, forced: false });
    let why = ignored(&works.handle(&event).await);
    assert_eq!(why, "the branch `pages` is not among `apps.shop.branches` (**, !pages)");
    assert!(matches!(only(&works.handle(&pushed(&commit)).await), Data::TestsFinished(_)));
}
