//! Images that stand for a later commit too, because nothing they are made of has changed.

use std::time::Duration;

use ledger::{Barred, Chain, ClaimKey};
use proto::{Change, Data, Event, EventId, ImageBuilt, Lane, ScanFinished, Timestamp, WorkerName};
use runtime::{Outcome, Outcomes};
use testkit::registry::Image;
use uuid::Uuid;

use crate::{
    images::{DOCKERFILE, Works},
    stage::{first, ignored},
    yard::{change, pushed, scanned},
};

const BACK: (&str, &str) = ("back", ", dockerfile: back/Dockerfile, context: back, paths: [back, '!**/*.md']");
const FRONT: (&str, &str) = ("front", ", dockerfile: docker/front, context: front, paths: [front]");

async fn works() -> Works {
    Works::open_with("    hotfix: ['hotfix/*']", &[BACK, FRONT]).await
}

const BEGINNING: [(&str, &str); 4] =
    [("back/Dockerfile", DOCKERFILE), ("docker/front", DOCKERFILE), ("back/page", "1"), ("front/page", "1")];

/// The images of a commit by component, and why some were not built.
fn told(outcomes: &Outcomes) -> (ImageBuilt, ImageBuilt, String) {
    let (mut images, mut why) = (Vec::new(), String::new());
    for outcome in outcomes.iter() {
        match outcome {
            Outcome::Event { data, .. } => match &**data {
                Data::ImageBuilt(built) => images.push(built.clone()),
                other => panic!("{other:?}"),
            },
            Outcome::Ignored { reason } => why.clone_from(reason),
        }
    }
    let [back, front] = <[ImageBuilt; 2]>::try_from(images).unwrap_or_else(|images| panic!("{images:?} {why}"));
    (back, front, why)
}

async fn build(works: &Works, commit: &str) -> (ImageBuilt, ImageBuilt, String) {
    told(&works.handle(&scanned(commit, true)).await)
}

fn since(image: &ImageBuilt) -> Option<&str> {
    image.unchanged_since.as_ref().map(proto::CommitSha::as_str)
}

#[tokio::test]
async fn what_has_not_changed_keeps_its_image_under_the_new_commit_s_tag() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    let (back, front, why) = build(&works, &one).await;
    assert!(!back.reused && !front.reused && why.is_empty(), "{why}");

    let two = works.yard.commit(&[("back/page", "2"), ("docs/x", "2")]).await;
    let (newer, same, why) = build(&works, &two).await;
    assert!(!newer.reused && newer.digest != back.digest && since(&newer).is_none());
    assert!(same.reused && same.digest == front.digest);
    assert_eq!((since(&same), &same.tags), (Some(one.as_str()), &vec![two.clone(), "main".to_owned()]));
    let wanted = format!(
        "front is not built: none of the 2 files that differ from {} is among `apps.shop.components.front.paths` \
         (front), so {} stands for {} too",
        &one[..12],
        front.digest.short(),
        &two[..12]
    );
    assert_eq!(why, wanted);
    for tag in [&one, &two, "main"] {
        assert_eq!(works.tag("front", tag).await.as_deref(), Some(front.digest.as_str()), "{tag}");
    }
    // Done again it is the same, also when the branch has moved on.
    let three = works.yard.commit(&[("front/page", "3")]).await;
    let (kept, newest, _) = build(&works, &three).await;
    assert_eq!((&kept.digest, since(&kept)), (&newer.digest, Some(two.as_str())));
    assert!(!newest.reused);
    let again = told(&works.handle(&Event { replay: 1, ..scanned(&two, true) }).await);
    assert_eq!((&again.0.digest, &again.1.digest, since(&again.1)), (&newer.digest, &front.digest, Some(one.as_str())));
}

#[tokio::test]
async fn what_was_undone_is_found_again_and_what_was_left_out_does_not_count() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    let (back, front, _) = build(&works, &one).await;
    works.yard.commit(&[("front/page", "2")]).await;
    // Nobody built that, and it is undone.
    let three = works.yard.commit(&[("front/page", "1"), ("back/README.md", "x")]).await;
    let (same_back, same_front, why) = build(&works, &three).await;
    assert_eq!((&same_back.digest, &same_front.digest), (&back.digest, &front.digest));
    assert!(
        why.contains("back is not built: the one file that differs") && why.contains("; front is not built"),
        "{why}"
    );
}

#[tokio::test]
async fn what_says_how_an_image_is_built_counts_though_no_pattern_names_it() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    let (_, front, _) = build(&works, &one).await;
    let dockerfile = format!("{DOCKERFILE}ENV MORE=1\n");
    let two = works.yard.commit(&[("docker/front", &dockerfile)]).await;
    let (back, newer, _) = build(&works, &two).await;
    assert_eq!((since(&back), newer.reused), (Some(one.as_str()), false));
    assert_ne!(newer.digest, front.digest);
    // An image that says its commit, and not that it was built as this one would be.
    let other = Image::of(&two, "https://git.example/shop");
    works.registry.push("shop/front", &["main"], &other).await.unwrap();
    let three = works.yard.commit(&[("docs/x", "3")]).await;
    let (back, front, _) = build(&works, &three).await;
    assert_eq!((since(&back), front.reused), (Some(one.as_str()), false));
}

#[tokio::test]
async fn what_is_barred_is_built_anew() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    let (_, front, _) = build(&works, &one).await;
    let entry = Barred {
        reason: "unhealthy".to_owned(),
        environment: "production".parse().unwrap(),
        at: Timestamp::now(),
        ordered: false,
    };
    let (ledger, app) = (&works.yard.stage.context.ledger, "shop".parse().unwrap());
    let chain = Chain { barred: [(front.digest.clone(), entry)].into(), ..Chain::default() };
    let (key, owner) = (ClaimKey { worker: WorkerName::Bumper, event: EventId::fresh(), replay: 0 }, Uuid::new_v4());
    ledger.claim(&key, owner, Duration::from_mins(1)).await.unwrap();
    assert!(ledger.complete(&key, owner, &[], Some(&chain.keep(&app, 0).unwrap())).await.unwrap());
    let two = works.yard.commit(&[("back/page", "2")]).await;
    let (_, newer, _) = build(&works, &two).await;
    assert!(!newer.reused && newer.digest != front.digest);
}

#[tokio::test]
async fn a_hotfix_takes_over_what_the_branch_it_left_has() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    let (_, front, _) = build(&works, &one).await;
    works.yard.work.branch("hotfix/x").await.unwrap();
    let two = works.yard.commit(&[("back/page", "2")]).await;
    let change = Change { branch: "hotfix/x".parse().unwrap(), lane: Lane::Hotfix, ..change(&two) };
    let (back, same, _) = told(&works.handle(&first(ScanFinished { change, passed: true, scans: Vec::new() })).await);
    assert!(!back.reused);
    assert_eq!((&same.digest, &same.tags), (&front.digest, &vec![two, "hotfix-x".to_owned()]));
    assert_eq!(works.tag("front", "hotfix-x").await.as_deref(), Some(front.digest.as_str()));
}

#[tokio::test]
async fn a_commit_that_is_gone_has_nothing_to_say() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    build(&works, &one).await;
    works.yard.work.git(&["commit", "--quiet", "--amend", "--message", "again"]).await.unwrap();
    works.yard.work.force_push().await.unwrap();
    let server = works.yard.git.path("acme/shop");
    for arguments in [&["reflog", "expire", "--expire=now", "--all"][..], &["gc", "--quiet", "--prune=now"]] {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(&server).args(arguments);
        testkit::process::run(git).await.unwrap();
    }
    let two = works.yard.work.head().await.unwrap();
    let (back, front, why) = build(&works, &two).await;
    assert!(!back.reused && !front.reused && why.is_empty(), "{why}");
}

#[tokio::test]
async fn an_older_commit_does_not_come_over_a_newer_one_that_kept_its_images() {
    let works = works().await;
    let one = works.yard.commit(&BEGINNING).await;
    let two = works.yard.commit(&[("front/page", "2")]).await;
    let three = works.yard.commit(&[("front/page", "1")]).await;
    for commit in [&one, &two, &three] {
        works.yard.stage.record(&pushed(commit)).await;
    }
    // The second takes long; the third, which undoes it, is there before it and has the first one's images.
    let (_, front, _) = build(&works, &one).await;
    assert_eq!(build(&works, &three).await.1.digest, front.digest);
    let why = ignored(&works.handle(&scanned(&two, true)).await);
    assert!(why.starts_with(&format!("superseded: `main` is at {}", &three[..12])), "{why}");
    // Were it built already, the branch's tag would stay.
    let late = told(&works.handle(&Event { replay: 1, ..scanned(&two, true) }).await);
    assert_eq!(late.1.tags, std::slice::from_ref(&two));
    assert_eq!(works.tag("front", "main").await.as_deref(), Some(front.digest.as_str()));
}

#[tokio::test]
async fn a_component_is_built_from_its_own_branches_alone() {
    let docs = ("docs", ", branches: ['docs/**']");
    let works = Works::open_with("    hotfix: ['docs/**']", &[docs, ("web", "")]).await;
    let commit = works.yard.commit(&[("Dockerfile", DOCKERFILE), ("page", "1")]).await;
    let outcomes = works.handle(&scanned(&commit, true)).await;
    let found: Vec<_> = outcomes.iter().collect();
    let [Outcome::Event { subject, .. }, Outcome::Ignored { reason }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(subject, "web");
    assert_eq!(reason, "docs is not built: the branch `main` is not among `apps.shop.components.docs.branches`");
    assert_eq!(works.tag("docs", &commit).await, None);
}
