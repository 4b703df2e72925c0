//! The notifier against a Slack that answers as Slack does: who is told what, and what becomes of a message that
//! Slack does not take.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stage;

use std::time::Duration;

use notifier::Notifier;
use proto::{
    ApprovalAnswered, ApprovalRequested, BumpReason, CheckReport, Data, DeliveryParked, Event, EventId, HealthReported,
    Verdict, WorkerName,
};
use runtime::{Failure, Worker};
use stage::{Stage, bumped, deployment, first, permanent, synced, transient};
use testkit::slack::{FakeSlack, Mood};

/// A context whose routes are these, `{n}` standing for the n-th hook's secret.
async fn stage_with(routes: &str, hooks: &[&str]) -> Stage {
    stage_of(routes, hooks, "").await
}

/// The same with more of the configuration.
async fn stage_of(routes: &str, hooks: &[&str], more: &str) -> Stage {
    let folder = testkit::folder::Folder::new("hooks").unwrap();
    let routes = hooks.iter().enumerate().fold(routes.to_owned(), |routes, (n, url)| {
        let path = folder.write(&format!("hook-{n}"), &format!("{url}\n")).unwrap();
        routes.replace(&format!("{{{n}}}"), &format!("'file:{}'", path.display()))
    });
    let stage = Stage::open(&format!("notify: [{routes}]\n{more}")).await;
    Stage { hooks: Some(folder), ..stage }
}

fn unhealthy(evidence: &str) -> Event {
    let evidence = evidence.to_owned();
    let check =
        CheckReport { name: "http://x/health".into(), verdict: Verdict::Failed, evidence, attempts: 4, duration_ms: 9 };
    let summary = "1 of 1 checks failed".to_owned();
    first(HealthReported { deployment: deployment('a'), healthy: false, summary, checks: vec![check] })
}

fn healthy() -> Event {
    first(HealthReported { deployment: deployment('a'), healthy: true, summary: "fine".into(), checks: Vec::new() })
}

/// The id of what was parked.
const LETTER: &str = "01936f3e-0000-7000-8000-000000000000";

fn parked(worker: WorkerName) -> Event {
    first(DeliveryParked {
        app: None,
        worker,
        event: None,
        event_type: None,
        reason: "the registry refuses us".into(),
        attempts: 8,
        dead_letter: LETTER.into(),
    })
}

fn rollback() -> Event {
    let mut deployment = deployment('a');
    deployment.reason = BumpReason::Rollback;
    bumped(deployment)
}

async fn tell(notifier: &Notifier, event: &Event) -> Result<(), Failure> {
    notifier.handle(event).await.map(|outcomes| assert_eq!(outcomes.iter().count(), 0))
}

/// The fallback texts a Slack took, which are the headlines.
fn headlines(slack: &FakeSlack) -> Vec<String> {
    slack.messages().iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect()
}

/// A URL's secret part is in no error.
fn keeps_secret(words: &str, slack_url: &str) {
    assert!(!words.contains(slack_url.rsplit('/').next().unwrap()), "{words}");
}

#[tokio::test]
async fn routes_are_told_what_they_asked_for() {
    let [all, bad, other] = [(); 3].map(|()| FakeSlack::start().unwrap());
    let routes = "{ slack: {0} }, { slack: {1}, when: [failed, rolled_back], environments: [staging] }, { slack: {2}, environments: [production], apps: [till] }";
    let stage = stage_with(routes, &[&all.url(), &bad.url(), &other.url()]).await;
    let notifier = Notifier::new(&stage.context).unwrap();
    let bump = bumped(deployment('a'));
    let good_sync = synced(&bump, true, "synced");
    let dead = [parked(WorkerName::Bumper), parked(WorkerName::Notifier)];
    for event in [bump, good_sync, healthy(), unhealthy("503"), rollback()].iter().chain(&dead) {
        tell(&notifier, event).await.unwrap();
    }
    let told = [
        ":rocket: shop: deploying to staging",
        ":white_check_mark: shop: staging is healthy",
        ":x: shop: staging is unhealthy",
        ":rewind: shop: rolling staging back",
        ":skull: the bumper gave up on a message nobody can read",
    ];
    assert_eq!(headlines(&all), told);
    assert_eq!(headlines(&bad), told[2..]);
    // What belongs to no app and no environment concerns everybody.
    assert_eq!(headlines(&other), told[4..]);
}

#[tokio::test]
async fn nobody_to_tell_is_no_failure() {
    let stage = stage_with("", &[]).await;
    tell(&Notifier::new(&stage.context).unwrap(), &healthy()).await.unwrap();
}

#[tokio::test]
async fn too_many_is_waited_out_as_long_as_slack_says_and_costs_no_attempt() {
    let [free, busy] = [(); 2].map(|()| FakeSlack::start().unwrap());
    let stage = stage_with("{ slack: {0} }, { slack: {1} }", &[&free.url(), &busy.url()]).await;
    let notifier = Notifier::new(&stage.context).unwrap();
    busy.next(1, Mood::RateLimited(2));
    let event = healthy();
    let Err(Failure::NotYet { after, reason }) = tell(&notifier, &event).await else { panic!("it was told") };
    assert_eq!(after, Duration::from_secs(2));
    assert!(reason.contains("`notify[1].slack`"), "{reason}");
    // Asked again too early, it leaves Slack alone for what is left of the pause.
    let Err(Failure::NotYet { after, .. }) = tell(&notifier, &event).await else { panic!("it was told") };
    assert!(after <= Duration::from_secs(2));
    assert_eq!(busy.refused(), 1);
    tokio::time::sleep(after).await;
    tell(&notifier, &event).await.unwrap();
    assert_eq!((free.messages().len(), busy.messages().len()), (1, 1));
}

#[tokio::test]
async fn a_route_that_was_told_is_not_told_again_while_another_is_retried() {
    let [good, away] = [(); 2].map(|()| FakeSlack::start().unwrap());
    let stage = stage_with("{ slack: {0} }, { slack: {1} }", &[&good.url(), &away.url()]).await;
    let notifier = Notifier::new(&stage.context).unwrap();
    away.next(2, Mood::Broken);
    let event = healthy();
    for _ in 0..2 {
        let words = transient(tell(&notifier, &event).await.unwrap_err());
        assert!(words.contains("`notify[1].slack`") && words.contains("500"), "{words}");
    }
    tell(&notifier, &event).await.unwrap();
    assert_eq!((good.messages().len(), away.messages().len()), (1, 1));
    // A replay is somebody's wish to be told again.
    tell(&notifier, &Event { replay: 1, ..event }).await.unwrap();
    assert_eq!(good.messages().len(), 2);
}

#[tokio::test]
async fn one_closed_route_does_not_keep_another_from_being_tried_again() {
    let [closed, away] = [(); 2].map(|()| FakeSlack::start().unwrap());
    let stage = stage_with("{ slack: {0} }, { slack: {1} }", &[&closed.url(), &away.url()]).await;
    let notifier = Notifier::new(&stage.context).unwrap();
    closed.next(2, Mood::NoService);
    away.next(1, Mood::Broken);
    let event = healthy();
    transient(tell(&notifier, &event).await.unwrap_err());
    let words = permanent(tell(&notifier, &event).await.unwrap_err());
    assert!(words.contains("`notify[0].slack`"), "{words}");
    assert_eq!(away.messages().len(), 1);
}

#[tokio::test]
async fn what_slack_refuses_for_good_is_parked_without_the_url() {
    let moods = [
        (Mood::InvalidPayload, "invalid_payload"),
        (Mood::Prohibited, "action_prohibited"),
        (Mood::NoService, "no_service"),
    ];
    for (mood, words) in moods {
        let slack = FakeSlack::start().unwrap();
        let stage = stage_with("{ slack: {0} }", &[&slack.url()]).await;
        slack.next(1, mood);
        let told = permanent(tell(&Notifier::new(&stage.context).unwrap(), &healthy()).await.unwrap_err());
        assert!(told.contains("`notify[0].slack`") && told.contains(words), "{told}");
        keeps_secret(&told, &slack.url());
    }
}

#[tokio::test]
async fn a_slack_that_is_away_is_asked_again_later() {
    let slack = FakeSlack::start().unwrap();
    let url = slack.url();
    drop(slack);
    let stage = stage_with("{ slack: {0} }", &[&url]).await;
    let told = transient(tell(&Notifier::new(&stage.context).unwrap(), &healthy()).await.unwrap_err());
    assert!(told.contains("`notify[0].slack`") && told.contains("cannot be reached"), "{told}");
    keeps_secret(&told, &url);
}

#[tokio::test]
async fn a_secret_that_is_no_url_or_not_there_is_a_mistake_of_the_configuration() {
    let stage = stage_with("{ slack: {0} }", &["hush-hush"]).await;
    let told = permanent(tell(&Notifier::new(&stage.context).unwrap(), &healthy()).await.unwrap_err());
    assert!(told.contains("`notify[0].slack`") && !told.contains("hush"), "{told}");
    let stage = stage_with("{ slack: 'env:WINDLASS_TEST_NO_SUCH_VARIABLE' }", &[]).await;
    let told = permanent(tell(&Notifier::new(&stage.context).unwrap(), &healthy()).await.unwrap_err());
    assert!(told.contains("WINDLASS_TEST_NO_SUCH_VARIABLE"), "{told}");
}

#[tokio::test]
async fn a_changed_secret_is_used_at_once() {
    let [old, new] = [(); 2].map(|()| FakeSlack::start().unwrap());
    let stage = stage_with("{ slack: {0} }", &[&old.url()]).await;
    let notifier = Notifier::new(&stage.context).unwrap();
    tell(&notifier, &healthy()).await.unwrap();
    stage.hooks.as_ref().unwrap().write("hook-0", &new.url()).unwrap();
    tell(&notifier, &healthy()).await.unwrap();
    assert_eq!((old.messages().len(), new.messages().len()), (1, 1));
}

#[tokio::test]
async fn huge_output_is_cut_to_what_slack_takes_and_mentions_nobody() {
    let slack = FakeSlack::start().unwrap();
    let stage = stage_with("{ slack: {0} }", &[&slack.url()]).await;
    let huge = format!("{}\n<!channel> the end", "<&> line\n".repeat(50_000));
    tell(&Notifier::new(&stage.context).unwrap(), &unhealthy(&huge)).await.unwrap();
    let told = slack.text();
    assert!(told.contains("&lt;!channel&gt; the end") && !told.contains("<!channel>"), "{}", told.len());
}

/// Two people are asked to let the release in.
fn asked(approval: EventId) -> Event {
    let deployment = deployment('a');
    first(ApprovalRequested {
        approval,
        app: deployment.app,
        environment: deployment.environment,
        release: deployment.release,
        running: proto::Release::new(),
        approvers: 2,
        authors: std::collections::BTreeSet::new(),
        note: None,
        evidence: None,
        expires_at: None,
    })
}

fn answered(approval: EventId, counts: bool) -> Event {
    let (deployment, says) = (deployment('a'), "it waits for 1 more approval".to_owned());
    let (app, environment, by) = (deployment.app, deployment.environment, "ada".to_owned());
    first(ApprovalAnswered { approval, app, environment, by, granted: true, counts, says, comment: None })
}

#[tokio::test]
async fn a_message_leads_to_its_page_of_the_console_where_that_has_an_address() {
    let [plain, buttons, nowhere] = [(); 3].map(|()| FakeSlack::start().unwrap());
    let more = |keys: &str| {
        let slack = "sources: { slack: { kind: slack, secrets: [env:S], slack: { team: T0ACME } } }";
        let asks = "sync: { argocd: shop }, approval: required";
        format!("{slack}\nconsole: {{ operators: [{{ name: ada, token: env:T }}]{keys} }}\n{}", stage::shop(asks))
    };
    let url = ", url: 'https://windlass.example:8443'";
    let approval = EventId::fresh();
    // What is no id leads nowhere else.
    let mut odd = parked(WorkerName::Bumper);
    let Data::DeliveryParked(data) = &mut odd.data else { panic!("{odd:?}") };
    data.dead_letter = "../x".to_owned();
    let events = [
        healthy(),
        unhealthy("<503> & worse"),
        asked(approval),
        answered(approval, true),
        answered(approval, false),
        parked(WorkerName::Bumper),
        odd,
    ];
    for (slack, keys, route) in [(&plain, url, ""), (&buttons, url, ", buttons: slack"), (&nowhere, "", "")] {
        let stage = stage_of(&format!("{{ slack: {{0}}{route} }}"), &[&slack.url()], &more(keys)).await;
        let notifier = Notifier::new(&stage.context).unwrap();
        for event in &events {
            tell(&notifier, event).await.unwrap();
        }
        assert_eq!((slack.messages().len(), slack.refused()), (events.len(), 0));
    }
    let of_event = |event: &Event| format!("/events/{}", event.id);
    let pages = [
        of_event(&events[0]),
        of_event(&events[1]),
        format!("/approvals/{approval}"),
        format!("/approvals/{approval}"),
        of_event(&events[4]),
        format!("/dead/{LETTER}"),
        of_event(&events[6]),
    ];
    let wanted: Vec<_> = pages
        .iter()
        .map(|page| (format!("https://windlass.example:8443{page}"), "see it in the console".to_owned()))
        .collect();
    assert_eq!(plain.links(), wanted);
    assert_eq!(buttons.links(), wanted);
    assert_eq!(nowhere.links(), []);
    let has_buttons = |slack: &FakeSlack| {
        slack.messages()[2]["blocks"].as_array().unwrap().iter().any(|block| block["type"] == "actions")
    };
    assert!(has_buttons(&buttons) && !has_buttons(&plain));
    // The first of two says what is missing.
    assert!(plain.text().contains("it waits for 1 more approval"), "{}", plain.text());
}
