//! The order of the source: no event takes an environment back to older source, and a person's commit is the truth.

use proto::{CommitSha, Deployment, Event, HoldChanged, RollbackRequested};
use runtime::Failure;
use testkit::githttp::Work;

use crate::world::*;

/// Commits a file to the branch it is on, and pushes it.
pub(crate) async fn change(work: &Work, file: &str, text: &str) -> CommitSha {
    work.change(file, text, text).await.unwrap().parse().unwrap()
}

/// So many commits of `main`, the first one first.
pub(crate) async fn line(work: &Work, count: usize) -> Vec<CommitSha> {
    let mut line = Vec::new();
    for n in 0..count {
        line.push(change(work, "file", &format!("change {n}\n")).await);
    }
    line
}

/// What the branch's tags stand for becomes this commit's images, and the registry tells so.
pub(crate) async fn pushed(world: &World, commit: &CommitSha) -> Event {
    let (frontend, _) = world.push_both(commit).await;
    world.pushed("frontend", "main", Some(&frontend))
}

async fn world() -> (World, Work) {
    let world = World::new().await;
    let work = world.work().await;
    (world, work)
}

fn is_left(why: &str, new: &CommitSha, old: &CommitSha, how: &str) -> bool {
    why.contains(&format!("is left as it is: {} is older than {}, which {how}", new.short(), old.short()))
}

#[tokio::test]
async fn what_was_pushed_before_does_not_come_over_what_is_deployed() {
    let (world, work) = world().await;
    let line = line(&work, 3).await;
    let first = world.deploy(&line[0]).await;
    assert!(
        first.note.clone().is_some_and(|note| note.contains("`v0` of the manifest is not known")),
        "nobody knows what v0 was"
    );
    world.healthy(&first).await;
    let deployed = world.deploy(&line[1]).await;
    assert_eq!((deployed.commit.as_ref(), deployed.note), (Some(&line[1]), None));
    let (count, text) = (world.repo.count(), world.repo.text("staging/app.yaml"));
    // The older push's images come late, and take the branch's tag with them.
    let why = world.ignored(&pushed(&world, &line[0]).await).await;
    assert!(is_left(&why, &line[0], &line[1], "is deployed"), "{why}");
    // Neither does a replay of the event bring it.
    let again = Event { replay: 1, ..pushed(&world, &line[0]).await };
    assert!(is_left(&world.ignored(&again).await, &line[0], &line[1], "is deployed"));
    assert_eq!((world.repo.count(), world.repo.text("staging/app.yaml")), (count, text));

    // What waits for its turn is not overtaken by older source either.
    let (waiting, _) = world.waits(&pushed(&world, &line[2]).await).await;
    let between = change(&work, "other", "x").await;
    let (newest, _) = world.waits(&pushed(&world, &between).await).await;
    let why = world.ignored(&pushed(&world, &line[2]).await).await;
    assert!(is_left(&why, &line[2], &between, "waits"), "{why}");
    assert!(world.ignored(&waiting).await.contains("superseded"));
    world.healthy(&world.place("staging").await.asked.unwrap().deployment).await;
    assert_eq!(world.bump(&newest).await.commit, Some(between));
}

#[tokio::test]
async fn a_rollback_goes_where_it_is_sent_and_newer_source_comes_after_it() {
    let (world, work) = world().await;
    let line = line(&work, 4).await;
    let mut healthy: Vec<Deployment> = Vec::new();
    for commit in &line[..3] {
        let report = verdict(&world.deploy(commit).await, true);
        world.context.ledger.record(&[report.to_message()]).await.unwrap();
        world.handle(&report).await.unwrap();
        healthy.extend(world.place("staging").await.healthy);
    }
    let to = Some(line[0].short().to_owned());
    let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
    let (by, reason) = ("mona".to_owned(), "slow".to_owned());
    let back = world.bump(&event(RollbackRequested { app, environment, to, by, reason })).await;
    assert_eq!((&back.release, back.commit.as_ref()), (&healthy[0].release, Some(&line[0])));
    world.healthy(&back).await;
    // What was taken back stays barred, what is newer comes.
    assert_eq!(world.bump(&pushed(&world, &line[3]).await).await.commit.as_ref(), Some(&line[3]));
}

#[tokio::test]
async fn an_approval_that_comes_after_newer_source_lets_nothing_in() {
    let approval = CONFIG
        .replace("after: staging,", "after: staging, approval: required,")
        .replace("deploy: [main]", "deploy: [main]\n    fast_path: { skip: [approval], to: [production] }");
    let world = World::with(&approval).await;
    let work = world.work().await;
    let line = line(&work, 2).await;
    let (waiting, _) = world.waits(&verdict(&world.deploy(&line[0]).await, true)).await;
    // The fix begins at a later commit of `main`, and goes straight there.
    let fixed = world.fix(&line[1]).await;
    assert_eq!(fixed.environment.as_str(), "production");
    let why = world.ignored(&waiting).await;
    assert!(is_left(&why, &line[0], &line[1], "is deployed"), "{why}");
    assert_eq!(world.place("production").await.waiting, None);
}

#[tokio::test]
async fn where_the_order_is_not_known_it_is_deployed_and_says_so() {
    let (world, work) = world().await;
    let line = line(&work, 2).await;
    world.healthy(&world.deploy(&line[1]).await).await;
    // Rewritten history has neither before the other.
    work.git(&["reset", "--hard", "--quiet", "HEAD~1"]).await.unwrap();
    let rewritten: CommitSha = {
        work.write("file", "another way\n").unwrap();
        work.commit("another way").await.unwrap().parse().unwrap()
    };
    work.force_push().await.unwrap();
    let deployed = world.bump(&pushed(&world, &rewritten).await).await;
    let note = deployed.note.clone().unwrap();
    assert!(note.contains(&format!("neither of {} and {}", rewritten.short(), line[1].short())), "{note}");
    assert!(world.repo.message("main").contains("neither of"));
    world.healthy(&deployed).await;
    // Nobody has this one any more.
    let gone = world.bump(&pushed(&world, &commit('d')).await).await;
    let note = gone.note.unwrap();
    assert!(note.contains("is not known: there is no commit dddd"), "{note}");
}

#[tokio::test]
async fn images_that_name_no_commit_are_deployed_as_they_come_and_say_so() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "deploy: [main]\n    release: apart")).await;
    for n in 0..2 {
        let digest = world.push("frontend", None, &["main"]).await;
        let deployed = world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
        let words = ["than `v0` of the manifest is not known", "whether frontend is newer than what it replaces"][n];
        let note = deployed.note.clone().unwrap();
        assert!(note.contains(words) && note.ends_with("names no source commit"), "{note}");
        world.healthy(&deployed).await;
    }
}

#[tokio::test]
async fn a_source_that_is_away_is_waited_for_and_one_that_lets_nobody_in_is_not() {
    let (world, work) = world().await;
    let line = line(&work, 2).await;
    world.healthy(&world.deploy(&line[0]).await).await;
    let next = pushed(&world, &line[1]).await;
    let count = world.repo.count();
    world.git.fail_next(1, 503);
    let away = world.handle(&next).await.unwrap_err();
    assert!(matches!(&away, Failure::Transient(why) if format!("{why:#}").contains("acme/shop")), "{away:?}");
    assert_eq!(world.repo.count(), count);
    assert_eq!(world.bump(&next).await.commit.as_ref(), Some(&line[1]));

    let closed = World::with(&CONFIG.replace("\"SOURCE\"", "\"GITOPS/none.git\"")).await;
    closed.healthy(&closed.deploy(&commit('a')).await).await;
    let note = closed.bump(&pushed(&closed, &commit('b')).await).await.note.unwrap();
    assert!(note.contains("refuses us or is not there") && note.contains("git.credentials"), "{note}");
}

#[tokio::test]
async fn what_a_person_wrote_is_the_truth_that_later_images_are_held_against() {
    let (world, work) = world().await;
    let line = line(&work, 4).await;
    world.healthy(&world.deploy(&line[0]).await).await;
    // A person has the newest one deployed before the others have come.
    world.push_both(&line[2]).await;
    world.repo.write(&[("staging/app.yaml", &world.manifest(line[2].as_str()))]);
    let text = world.repo.text("staging/app.yaml");
    let why = world.ignored(&pushed(&world, &line[1]).await).await;
    assert!(is_left(&why, &line[1], &line[2], "the manifest asks for"), "{why}");
    assert_eq!(world.repo.text("staging/app.yaml"), text);
    // A tag that is no commit is looked up.
    world.push("frontend", Some(&line[2]), &["by-hand"]).await;
    world.push("backend", Some(&line[2]), &["by-hand"]).await;
    world.repo.write(&[("staging/app.yaml", &world.manifest("by-hand"))]);
    let why = world.ignored(&pushed(&world, &line[1]).await).await;
    assert!(is_left(&why, &line[1], &line[2], "the manifest asks for"), "{why}");
    assert_eq!(world.bump(&pushed(&world, &line[3]).await).await.commit.as_ref(), Some(&line[3]));
}

#[tokio::test]
async fn what_stands_apart_from_what_a_person_wrote_says_so_unless_it_is_a_fix() {
    let (world, work) = world().await;
    let line = line(&work, 2).await;
    world.healthy(&world.deploy(&line[0]).await).await;
    world.repo.write(&[("staging/app.yaml", &world.manifest(line[1].as_str()))]);
    work.git(&["reset", "--hard", "--quiet", "HEAD~1"]).await.unwrap();
    work.write("file", "another way\n").unwrap();
    let apart: CommitSha = work.commit("another way").await.unwrap().parse().unwrap();
    work.force_push().await.unwrap();
    let deployed = world.bump(&pushed(&world, &apart).await).await;
    let words = format!("neither of {} and {}, which it replaces, has the other", apart.short(), line[1].short());
    assert_eq!(deployed.note.as_ref(), Some(&words));
    assert!(world.repo.message("main").contains(&words));
    world.healthy(&deployed).await;
    world.repo.write(&[("staging/app.yaml", &world.manifest(line[1].as_str()))]);
    work.write("file", "a fix\n").unwrap();
    let fix: CommitSha = work.commit("a fix").await.unwrap().parse().unwrap();
    work.force_push().await.unwrap();
    assert_eq!(world.fix(&fix).await.note, None);
}

#[tokio::test]
async fn what_a_person_wrote_into_a_held_environment_stays_until_it_is_let_go() {
    let (world, work) = world().await;
    let line = line(&work, 3).await;
    world.healthy(&world.deploy(&line[1]).await).await;
    let hold = |held| {
        let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
        event(HoldChanged { app, environment, held, by: "mona".to_owned(), reason: "a fix by hand".to_owned() })
    };
    world.handle(&hold(true)).await.unwrap();
    world.push_both(&line[0]).await;
    let by_hand = world.manifest(line[0].as_str());
    world.repo.write(&[("staging/app.yaml", &by_hand)]);
    let (waiting, why) = world.waits(&pushed(&world, &line[2]).await).await;
    assert!(why.contains("held by mona"), "{why}");
    assert!(world.not_yet(&waiting).await.contains("held by mona"));
    assert_eq!(world.repo.text("staging/app.yaml"), by_hand);
    world.handle(&hold(false)).await.unwrap();
    // Held no more, the person's commit is what the newer one replaces.
    let deployed = world.bump(&waiting).await;
    assert_eq!(deployed.commit.as_ref(), Some(&line[2]));
    assert!(deployed.previous.values().all(|before| before.contains(line[0].as_str())), "{:?}", deployed.previous);
}

#[tokio::test]
async fn components_that_come_one_by_one_are_compared_one_by_one() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "deploy: [main]\n    release: apart")).await;
    let work = world.work().await;
    let line = line(&work, 3).await;
    let pushed = async |component: &str, commit: &CommitSha| {
        let digest = world.push(component, Some(commit), &[commit.as_str(), "main"]).await;
        world.pushed(component, "main", Some(&digest))
    };
    world.healthy(&world.bump(&pushed("frontend", &line[0]).await).await).await;
    world.healthy(&world.bump(&pushed("backend", &line[2]).await).await).await;
    // Newer than the frontend that is deployed, older than the backend.
    let deployed = world.bump(&pushed("frontend", &line[1]).await).await;
    assert_eq!(deployed.changed.len(), 1);
    world.healthy(&deployed).await;
    let why = world.ignored(&pushed("backend", &line[1]).await).await;
    assert!(is_left(&why, &line[1], &line[2], "is deployed"), "{why}");
}
