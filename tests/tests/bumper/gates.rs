//! What waits before an environment, for what, and who lets it in.

use proto::{ApprovalGranted, ApprovalRejected, Data, Event, EventId, HoldChanged};
use runtime::{Outcome, Outcomes};

use crate::world::*;

fn granted(waiting: &Event, by: &str) -> Event {
    let (app, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
    event(ApprovalGranted { approval: waiting.id, app, environment, by: by.to_owned(), comment: None })
}

/// Whether an answer counts, and what is said of it.
fn answered(outcomes: &Outcomes) -> (bool, String) {
    let answer = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Event { data, .. } => match &**data {
            Data::ApprovalAnswered(answered) => Some((answered.counts, answered.says.clone())),
            _ => None,
        },
        Outcome::Ignored { .. } => None,
    });
    answer.unwrap_or_else(|| panic!("nobody is told: {outcomes:?}"))
}

fn hold(held: bool) -> Event {
    let (app, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
    event(HoldChanged { app, environment, held, by: "mona".to_owned(), reason: "a fix by hand".to_owned() })
}

fn approval(rules: &str) -> String {
    CONFIG.replace("after: staging,", &format!("after: staging, approval: {rules},"))
}

/// A release that is healthy in staging and waits before production.
async fn before_production(world: &World, digit: char) -> (proto::Deployment, Event, String) {
    let staging = world.deploy(&commit(digit)).await;
    let (waiting, why) = world.waits(&verdict(&staging, true)).await;
    (staging, waiting, why)
}

#[tokio::test]
async fn an_approval_is_asked_for_once_with_the_exact_release_and_lets_it_in_once() {
    let world = World::with(&approval("required")).await;
    let staging = world.deploy(&commit('a')).await;
    let report = verdict(&staging, true);
    let outcomes = world.handle(&report).await.unwrap();
    let asked = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Event { data, .. } => match &**data {
            Data::ApprovalRequested(asked) => Some(asked.clone()),
            _ => None,
        },
        Outcome::Ignored { .. } => None,
    });
    let asked = asked.unwrap();
    assert_eq!((&asked.release, asked.approvers), (&staging.release, 1));
    assert_eq!(asked.evidence.as_deref(), Some("every check passed"));
    let (waiting, why) = world.waits(&report).await;
    assert_eq!((asked.approval, why.as_str()), (waiting.id, "1 approval"));
    assert_eq!(world.repo.text("production/app.yaml"), world.manifest("v0"));
    assert!(world.not_yet(&waiting).await.contains("waits for 1 approval"));
    // The same release again is not asked for again.
    assert!(world.ignored(&verdict(&staging, true)).await.contains("it waits for production already"));

    let answer = granted(&waiting, "mona");
    let production = world.bump(&answer).await;
    assert_eq!(production.release, staging.release);
    assert_eq!(world.bump(&answer).await, production);
    let why = world.ignored(&granted(&waiting, "ada")).await;
    assert!(why.contains("it has gone there"), "{why}");
    assert_eq!(world.handle(&waiting).await.unwrap().iter().count(), 0);
}

#[tokio::test]
async fn the_rules_say_how_many_and_who_and_never_the_author() {
    let world = World::with(&approval("{ approvers: 2, by: [mona, ada, grace] }")).await;
    let rejected = |waiting: &Event, by: &str| {
        let (app, environment) = ("shop".parse().unwrap(), "production".parse().unwrap());
        event(ApprovalRejected { approval: waiting.id, app, environment, by: by.to_owned(), comment: None })
    };
    let a = commit('a');
    let (frontend, _) = world.push_both(&a).await;
    let mut built = world.built("frontend", &a, &frontend);
    if let Data::ImageBuilt(built) = &mut built.data {
        built.change.author = Some("Grace <grace@example.org>".to_owned());
    }
    let staging = world.bump(&built).await;
    let (waiting, _) = world.waits(&verdict(&staging, true)).await;
    for (by, words) in [("linus", "linus may not approve for production"), ("grace", "somebody else must approve it")] {
        let why = world.ignored(&granted(&waiting, by)).await;
        assert!(why.contains(words), "{why}");
    }
    let why = world.ignored(&rejected(&waiting, "linus")).await;
    assert!(why.contains("linus may not reject for production; these may: ada, grace, mona"), "{why}");
    let first = world.handle(&granted(&waiting, "mona")).await.unwrap();
    assert_eq!(answered(&first), (true, "it waits for 1 more approval".to_owned()));
    assert!(world.ignored(&granted(&waiting, "mona")).await.contains("mona had approved it already"));
    assert!(world.not_yet(&waiting).await.contains("1 more approval"));
    assert_eq!(world.bump(&granted(&waiting, "ada")).await.release, staging.release);
}

#[tokio::test]
async fn who_wrote_it_is_asked_of_the_source_where_no_event_says_so() {
    let world = World::with(&approval("required")).await;
    let work = world.work().await;
    let sha: proto::CommitSha = work.change("file", "text", "A change").await.unwrap().parse().unwrap();
    let staging = world.deploy(&sha).await;
    let (waiting, _) = world.waits(&verdict(&staging, true)).await;
    for by in ["Dana Developer", "dana@example.com", "DANA"] {
        let why = world.ignored(&granted(&waiting, by)).await;
        assert_eq!(why, "Dana Developer <dana@example.com> wrote it, so somebody else must approve it");
    }
    assert_eq!(world.bump(&granted(&waiting, "ada")).await.release, staging.release);
}

#[tokio::test]
async fn of_components_that_wait_together_no_author_may_approve_any() {
    let config = approval("{ approvers: 2 }").replace("deploy: [main]", "deploy: [main]\n    release: apart");
    let world = World::with(&config).await;
    let sha: proto::CommitSha = world.work().await.change("file", "text", "A change").await.unwrap().parse().unwrap();
    let web = world.push("frontend", Some(&sha), &["main"]).await;
    let web = world.bump(&world.pushed("frontend", "main", Some(&web))).await;
    world.waits(&verdict(&web, true)).await;
    // Somebody else's, which takes its place beside the first.
    let b = commit('b');
    let api = world.push("backend", Some(&b), &["main"]).await;
    let mut built = world.built("backend", &b, &api);
    if let Data::ImageBuilt(built) = &mut built.data {
        built.change.author = Some("Grace <grace@example.org>".to_owned());
    }
    let api = world.bump(&built).await;
    let (waiting, _) = world.waits(&verdict(&api, true)).await;
    for by in ["dana", "grace"] {
        let why = world.ignored(&granted(&waiting, by)).await;
        assert!(why.contains("wrote it, so somebody else must approve it"), "{by}: {why}");
    }
    world.handle(&granted(&waiting, "Ada <ada@example.org>")).await.unwrap();
    // One person is one, whatever they are called.
    let why = world.ignored(&granted(&waiting, "ADA")).await;
    assert!(why.contains("Ada <ada@example.org> had approved it already, and is the same as ADA"), "{why}");
    assert_eq!(world.bump(&granted(&waiting, "mona")).await.release.len(), 2);
}

#[tokio::test]
async fn who_has_no_name_may_not_approve_what_they_may_have_written() {
    let nobody = "slack:U0STRANGER";
    for (rules, author, counts) in [
        ("required", true, false),
        ("{ by: ['slack:U0STRANGER'] }", true, false),
        ("{ not_author: false }", true, true),
        // Nor where nobody knows who wrote it: it may be they.
        ("required", false, false),
        // Or they have approved it by another name.
        ("{ approvers: 2, not_author: false }", true, false),
    ] {
        let world = World::with(&approval(rules)).await;
        let a = commit('a');
        let (frontend, _) = world.push_both(&a).await;
        let mut built = world.built("frontend", &a, &frontend);
        if let Data::ImageBuilt(built) = &mut built.data {
            built.change.author = author.then(|| "Grace <grace@example.org>".to_owned());
        }
        let staging = world.bump(&built).await;
        let (waiting, _) = world.waits(&verdict(&staging, true)).await;
        let (counted, says) = answered(&world.handle(&granted(&waiting, nobody)).await.unwrap());
        assert_eq!(counted, counts, "{rules}, {author}: {says}");
        assert!(counts || says.contains(nobody) && says.contains("`sources.<source>.slack.users`"), "{says}");
    }
}

#[tokio::test]
async fn what_is_rejected_or_superseded_never_goes_and_says_so() {
    let world = World::with(&approval("required")).await;
    let (_, first, _) = before_production(&world, 'a').await;
    let reject = event(ApprovalRejected {
        approval: first.id,
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        by: "mona".to_owned(),
        comment: Some("not before the sale".to_owned()),
    });
    let outcomes = world.handle(&reject).await.unwrap();
    assert_eq!(answered(&outcomes), (true, "production does not get it".to_owned()));
    let why = world.ignored(&first).await;
    assert!(why.contains("mona rejected it: not before the sale"), "{why}");
    assert!(world.ignored(&granted(&first, "ada")).await.contains("mona rejected it"));

    let (_, second, _) = before_production(&world, 'b').await;
    let (staging, third, _) = before_production(&world, 'c').await;
    let why = world.ignored(&second).await;
    assert!(why.contains("superseded") && why.contains(commit('c').short()), "{why}");
    assert!(world.ignored(&granted(&second, "ada")).await.contains("superseded"));
    assert_eq!(world.bump(&granted(&third, "ada")).await.release, staging.release);
}

#[tokio::test]
async fn an_approval_that_nobody_gives_expires() {
    let world = World::with(&approval("{ expires: 1s }")).await;
    let (_, waiting, _) = before_production(&world, 'a').await;
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    let why = world.ignored(&granted(&waiting, "ada")).await;
    assert!(why.contains("not given within 1s"), "{why}");
    assert!(world.ignored(&waiting).await.contains("not given within 1s"));
}

#[tokio::test]
async fn a_person_promotes_where_the_configuration_says_so() {
    let world = World::with(&CONFIG.replace("after: staging,", "after: staging, promotion: manual,")).await;
    let (staging, waiting, why) = before_production(&world, 'a').await;
    assert_eq!(why, "1 approval");
    assert_eq!(world.repo.text("production/app.yaml"), world.manifest("v0"));
    assert_eq!(world.bump(&granted(&waiting, "ada")).await.release, staging.release);
}

#[tokio::test]
async fn one_deployment_after_the_other_and_the_newest_of_those_that_wait() {
    let world = World::new().await;
    let first = world.deploy(&commit('a')).await;
    let mut waiting = Vec::new();
    for digit in ['b', 'c'] {
        let (frontend, _) = world.push_both(&commit(digit)).await;
        let (again, why) = world.waits(&world.pushed("frontend", "main", Some(&frontend))).await;
        assert!(why.contains("the verdict over") && why.contains(first.revision.short()), "{why}");
        waiting.push(again);
    }
    assert!(world.ignored(&waiting[0]).await.contains("superseded"));
    assert!(world.not_yet(&waiting[1]).await.contains("the verdict over"));
    world.healthy(&first).await;
    let next = world.bump(&waiting[1]).await;
    assert!(next.release.values().all(|released| released.commit == Some(commit('c'))));
    // One that is overdue holds up nobody.
    let impatient = World::with(&CONFIG.replace("path: staging,", "path: staging, verdict_within: 0s,")).await;
    impatient.deploy(&commit('a')).await;
    impatient.deploy(&commit('b')).await;
}

#[tokio::test]
async fn what_is_held_stays_as_it_is_until_it_is_let_go() {
    let world = World::new().await;
    let first = world.bump(&verdict(&world.deploy(&commit('a')).await, true)).await;
    world.healthy(&first).await;
    assert_eq!(world.handle(&hold(true)).await.unwrap().iter().count(), 0);
    let text = world.repo.text("production/app.yaml");
    let (_, waiting, why) = before_production(&world, 'b').await;
    assert!(why.contains("held by mona") && why.contains("a fix by hand"), "{why}");
    // Neither is it taken back by itself.
    let why = world.ignored(&verdict(&first, false)).await;
    assert!(why.contains("it is held (a fix by hand), so a person decides"), "{why}");
    assert_eq!(world.repo.text("production/app.yaml"), text);
    world.handle(&hold(false)).await.unwrap();
    assert!(world.ignored(&hold(false)).await.contains("was not held"));
    assert!(world.bump(&waiting).await.release.values().all(|released| released.commit == Some(commit('b'))));
    // The config may hold as well; then it is the config that lets go.
    let held = World::with(&CONFIG.replace("path: staging,", "path: staging, hold: a migration runs,")).await;
    let (frontend, _) = held.push_both(&commit('a')).await;
    let (_, why) = held.waits(&held.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("a migration runs"), "{why}");
}

#[tokio::test]
async fn time_is_waited_for_and_the_fast_path_leaves_out_what_it_says() {
    let fast = "deploy: [main]\n    fast_path: { skip: [soak, windows, freezes, approval] }";
    let gates = "after: staging, soak: 1h, approval: required, windows: [{ from: '00:00', to: '00:01' }], \
                 freezes: [{ from: 2000-01-01, until: 2099-12-31, reason: holidays }],";
    let world = World::with(&CONFIG.replace("deploy: [main]", fast).replace("after: staging,", gates)).await;
    let (_, waiting, _) = before_production(&world, 'a').await;
    world.ignored(&granted(&waiting, "ada")).await;
    let why = world.not_yet(&waiting).await;
    assert!(why.contains("having been healthy for 1h"), "{why}");
    // A fix goes past all of them, and past what waits and what is under way.
    world.deploy(&commit('b')).await;
    let fixed = world.fix(&commit('c')).await;
    let production = world.bump(&verdict(&fixed, true)).await;
    assert_eq!(production.release, fixed.release);
    let owed: Vec<_> = world.chain().await.owed.into_iter().map(|owed| owed.commit).collect();
    assert_eq!(owed, [commit('c')]);
    // What waits would undo it now.
    assert!(world.not_yet(&waiting).await.contains(&format!("the fix {}", commit('c').short())));
    world.settle(&commit('c')).await;
    assert!(world.not_yet(&waiting).await.contains("having been healthy"));
}

#[tokio::test]
async fn an_environment_after_several_waits_for_all_of_them() {
    let graph = "after: [staging, canary],";
    let canary = "      canary: { path: canary, after: staging, sync: { command: [\"true\"] } }\n      production:";
    let world = World::with(&CONFIG.replace("after: staging,", graph).replace("      production:", canary)).await;
    world.repo.write(&[("canary/app.yaml", &world.manifest("v0"))]);
    let staging = world.deploy(&commit('a')).await;
    let outcomes = world.healthy(&staging).await;
    let canary = deployments(&outcomes).remove(0);
    assert_eq!(canary.environment.as_str(), "canary");
    assert!(reasons(&outcomes).contains("production waits for canary to be healthy with the same images"));
    assert_eq!(world.bump(&verdict(&canary, true)).await.environment.as_str(), "production");
}

#[tokio::test]
async fn answers_to_what_never_waited_say_so() {
    let world = World::with(&approval("required")).await;
    let mut nobody = granted(&event(hold(true).data), "ada");
    if let Data::ApprovalGranted(granted) = &mut nobody.data {
        granted.approval = EventId::fresh();
    }
    assert!(world.ignored(&nobody).await.contains("nothing waits for production under"));
    if let Data::ApprovalGranted(granted) = &mut nobody.data {
        granted.environment = "moon".parse().unwrap();
    }
    nobody.id = EventId::fresh();
    assert!(world.ignored(&nobody).await.contains("no environment moon"));
}
