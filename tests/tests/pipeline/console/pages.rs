//! What pages show, and never show.

use std::collections::BTreeMap;

use ledger::{Asked, Barred, Chain, Offer, Owed, Place, Ruling, Waiting};
use proto::{
    ApprovalRequested, BumpReason, Change, Data, Deployment, Event, EventId, HealthReported, Lane, PushReceived,
    Release, ReleaseWaiting, Timestamp, WebhookReceived, WorkerName,
};
use serde_json::json;
use testkit::{line::Line, postgres::Postgres, rabbitmq::RabbitMq, wait};

use super::{
    browser::Browser,
    stand::{ALICE, Stand},
};
use crate::{
    SOON,
    stage::{DIGEST, deployment, first},
};

/// What runs where a page is made from it carelessly.
const HOSTILE: &str = r#"</pre></title><script>alert(1)</script><img src=x onerror="alert(2)">"#;
const ESCAPED: &str = "&lt;script&gt;alert(1)&lt;/script&gt;";

#[track_caller]
fn is_harmless(page: &super::browser::Answer) {
    for tag in ["<script", "<img", "onerror=\"alert"] {
        assert!(!page.text.contains(tag), "{tag}: {page}");
    }
}

fn release() -> Release {
    let image = json!({ "image": "ghcr.io/acme/web", "digest": DIGEST, "commit": "c".repeat(40) });
    serde_json::from_value(json!({ "web": image })).unwrap()
}

pub(super) fn pushed(title: &str) -> Event {
    let change = Change {
        app: "shop".parse().unwrap(),
        branch: "main".parse().unwrap(),
        commit: "c".repeat(40).parse().unwrap(),
        lane: Lane::Deploy,
        author: Some(title.to_owned()),
        title: Some(title.to_owned()),
    };
    first(PushReceived { change, before: None, forced: false })
}

pub(super) fn webhook(kind: &str, body: &str) -> Event {
    first(WebhookReceived {
        webhook_source: "github".parse().unwrap(),
        kind: kind.to_owned(),
        content_type: "application/json".to_owned(),
        headers: BTreeMap::from([("xgithubevent".to_owned(), HOSTILE.to_owned())]),
        proof: Some("env:SECRET".to_owned()),
        body: body.to_owned().into(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_s_words_are_words_on_every_page() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    let (push, hook, click) = (pushed(HOSTILE), webhook("github", HOSTILE), webhook("slack", "response_url"));
    let mut unreadable = push.to_message();
    unreadable.attributes.insert("id".to_owned(), EventId::fresh().to_string());
    unreadable.attributes.insert("subject".to_owned(), HOSTILE.to_owned());
    unreadable.body = HOSTILE.to_owned().into();
    let odd = unreadable.attribute("id").to_owned();
    for event in [&push, &hook, &click] {
        stand.stage.record(event).await;
    }
    stand.stage.context.ledger.record(&[unreadable]).await.unwrap();
    let letter = stand.bury(&push, HOSTILE).await;
    for path in [
        "/events".to_owned(),
        format!("/events/{}", push.id),
        format!("/events/{}/replay", push.id),
        format!("/events/{}", hook.id),
        format!("/events/{odd}"),
        "/dead".to_owned(),
        format!("/dead/{letter}"),
    ] {
        let page = alice.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {page}");
        is_harmless(&page);
        assert!(page.text.contains(ESCAPED), "{path}: {page}");
    }
    let sure = alice.send("/dead", "/dead/replay", &[("id", &letter)]).await;
    is_harmless(&sure);
    assert!(sure.text.contains(ESCAPED), "{sure}");
    // What comes back from the address is words too.
    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for (path, status) in [
        (format!("/events?type={hostile}"), 400),
        (format!("/events?{hostile}=1"), 400),
        (format!("/events?correlation={hostile}"), 400),
        (format!("/dead?text={hostile}"), 200),
        (format!("/events/{hostile}"), 404),
        (format!("/sign-in?next={hostile}"), 200),
        (format!("/{hostile}"), 404),
    ] {
        let page = alice.get(&path).await;
        assert_eq!(page.status, status, "{path}: {page}");
        is_harmless(&page);
    }
    let clicked = alice.get(&format!("/events/{}", click.id)).await;
    assert!(clicked.status == 200 && !clicked.text.contains("response_url"), "{clicked}");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    let api = stand.program("GET", "/api/v1/status", Some(ALICE), "").await;
    let refused = stand.program("GET", "/api/v1/status", None, "").await;
    let lost = alice.get("/nowhere").await;
    for answer in [alice.get("/").await, alice.get("/style.css").await, lost, api, refused] {
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{answer}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.text.contains(ALICE) && !answer.text.contains("style="), "{answer}");
    }
    stand.close().await;
}

/// A release that waits for people, a digest in quarantine and a fix that is owed.
pub(super) async fn something_of_everything(stand: &Stand) -> EventId {
    let (app, production) = ("shop".parse().unwrap(), "production".parse().unwrap());
    let waiting = first(ReleaseWaiting {
        app,
        environment: production,
        release: release(),
        reason: BumpReason::Promotion,
        lane: Lane::Deploy,
        waits_for: "1 approval".to_owned(),
        pull_request: None,
        tell: false,
    });
    let asked = ApprovalRequested {
        approval: waiting.id,
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: release(),
        running: Release::new(),
        approvers: 1,
        authors: ["Dana <dana@shop.example>".to_owned()].into(),
        evidence: Some(format!("healthy for 2 h {HOSTILE}")),
        note: Some(HOSTILE.to_owned()),
        expires_at: None,
    };
    let asked = waiting.outcome("/workers/bumper".into(), "production".into(), Timestamp::now(), asked);
    stand.stage.record(&waiting).await;
    stand.stage.record(&asked).await;
    let offer = Offer {
        release: release(),
        commit: None,
        reason: BumpReason::Promotion,
        lane: Lane::Deploy,
        verified: None,
        healthy_in: BTreeMap::from([("staging".parse().unwrap(), jiff::SignedDuration::from_hours(2))]),
        author: None,
        note: Some(HOSTILE.to_owned()),
    };
    let now = Timestamp::now();
    let waits =
        Waiting { id: waiting.id, offer, since: now, requested: None, granted: BTreeMap::new(), proposed: None };
    let place = Place { waiting: Some(waits), ..Place::default() };
    let barred =
        Barred { reason: HOSTILE.to_owned(), environment: "staging".parse().unwrap(), at: now, ordered: false };
    let owed = Owed {
        commit: "d".repeat(40).parse().unwrap(),
        note: Some(HOSTILE.to_owned()),
        at: now,
        met: None,
        had_by: Vec::new(),
    };
    stand
        .keep(&Chain {
            places: BTreeMap::from([("production".parse().unwrap(), place)]),
            barred: BTreeMap::from([(format!("sha256:{}", "e".repeat(64)).parse().unwrap(), barred)]),
            owed: vec![owed],
        })
        .await;
    waiting.id
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_leads_to_every_order() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    let approval = something_of_everything(&stand).await;
    let overview = alice.get("/").await;
    is_harmless(&overview);
    // In the order of promotion, not of names.
    let at = |name: &str| overview.text.find(&format!("id=\"environment-shop-{name}\"")).unwrap();
    assert!(at("staging") < at("production"), "{overview}");
    assert!(overview.text.contains("waits for 1 approval"), "{overview}");
    let links = overview.links("/apps/");
    assert_eq!(links.len(), 6, "{links:?}");
    for (n, path) in links.iter().enumerate() {
        let page = alice.get(path).await;
        is_harmless(&page);
        let ordered = alice.post(&page.form(path), &[("reason", "because it is tried")]).await;
        assert!(ordered.goes_on().starts_with("/events/"), "{path}: {ordered}");
        assert_eq!(stand.waiting(WorkerName::Bumper).await, n as u64 + 1, "{path}");
    }
    let path = format!("/approvals/{approval}");
    assert_eq!(overview.links("/approvals/"), [path.as_str()]);
    let page = alice.get(&path).await;
    is_harmless(&page);
    for words in [DIGEST, "Dana &lt;dana@shop.example&gt;", "healthy for 2 h", "It waits to go to production"] {
        assert!(page.text.contains(words), "{words}: {page}");
    }
    // The request that people were shown leads to the same.
    assert_eq!(alice.post(&page.form(&path), &[("answer", "perhaps")]).await.status, 400);
    assert_eq!(alice.post(&page.form(&path), &[("answer", "reject")]).await.status, 303);
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 7);
    stand.close().await;
}

/// Which of the seven changes stand on a page and those behind it, in the order of the pages, the newest first on each.
async fn page_by_page(browser: &Browser, mut path: String) -> Vec<usize> {
    let mut seen = Vec::new();
    loop {
        let page = browser.get(&path).await;
        let on_it: Vec<_> = (0..7).filter(|n| page.text.contains(&format!("change number {n}"))).collect();
        assert!(on_it.len() <= 3, "{page}");
        seen.extend(on_it.into_iter().rev());
        let Some(next) = page.text.split("rel=\"next\" href=\"").nth(1) else { return seen };
        path = next.split('"').next().unwrap().replace("&amp;", "&");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_and_the_dead_letters_are_read_page_by_page() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    for n in 0..7 {
        let event = pushed(&format!("change number {n}"));
        stand.stage.record(&event).await;
        stand.bury(&event, &format!("no disk for change number {n}")).await;
    }
    let newest_first = [6, 5, 4, 3, 2, 1, 0];
    assert_eq!(page_by_page(&alice, "/events?type=push.received&app=shop&limit=3".to_owned()).await, newest_first);
    assert_eq!(page_by_page(&alice, "/dead?worker=bumper&text=disk&limit=3".to_owned()).await, newest_first);
    assert!(alice.get("/events?type=push.received&since=1h").await.text.contains("change number 0"));
    assert!(alice.get("/events?until=1h").await.text.contains("Nothing of that kind"));
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_bus_is_away_nothing_is_ordered_and_it_says_so() {
    let mut rabbit = RabbitMq::start().await.unwrap();
    let config = format!("bus: '{}'\nreceiver: {{ publish_deadline: 2s }}", rabbit.url());
    let stand = Stand::with("", &config).await;
    let alice = stand.alice().await;
    let hold = "/apps/shop/environments/production/hold";
    let form = alice.form(hold, hold).await;
    rabbit.stop().await.unwrap();
    let away = alice.post(&form, &[("reason", "because")]).await;
    assert_eq!((away.status, away.header("retry-after")), (503, "5"), "{away}");
    assert!(away.text.contains("nothing") && away.text.contains("it is ordered once"), "{away}");
    let overview = alice.get("/").await;
    assert!(overview.status == 200 && overview.text.contains("The bus does not answer"), "{overview}");
    let program = stand.program("POST", &format!("/api/v1{hold}"), Some(ALICE), r#"{ "reason": "because" }"#).await;
    assert_eq!(program.status, 503, "{program}");
    // What is only looked at needs no bus.
    assert_eq!(alice.get("/events").await.status, 200);
    rabbit.start_again().await.unwrap();
    let ordered = wait::until(SOON, "an order that is taken", async || {
        let answer = alice.post(&form, &[("reason", "because")]).await;
        anyhow::ensure!(answer.status == 303, "{answer}");
        Ok(answer)
    });
    ordered.await.unwrap();
    assert!(stand.waiting(WorkerName::Bumper).await > 0);
    // Nobody is at work here.
    let overview = alice.get("/").await;
    assert!(overview.text.contains("nobody takes from it: start `windlass-bumper`"), "{overview}");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_has_the_time_that_its_bytes_need_to_be_replayed() {
    let broker = RabbitMq::start().await.unwrap();
    let line = Line::narrow(&broker.url(), 1_000_000).await.unwrap();
    let stand = Stand::with("", &format!("bus: '{}'\nreceiver: {{ publish_deadline: 1s }}", line.url())).await;
    // Nothing that a compression could shorten.
    let noise: Vec<u8> = (0..192 << 10).flat_map(|_| *EventId::fresh().0.as_bytes()).collect();
    let Data::WebhookReceived(hook) = webhook("github", "").data else { panic!("no webhook") };
    let large = first(WebhookReceived { body: noise.into(), ..hook });
    stand.stage.record(&large).await;
    let letter = stand.bury(&large, "the disk is full").await;
    let ask = async |path: &str, body: &str| {
        let answer = stand.program("POST", path, Some(ALICE), body).await;
        assert_eq!(answer.status, 202, "{answer}");
    };
    ask("/api/v1/dead/replay", &json!({ "ids": [letter] }).to_string()).await;
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 1);
    ask(&format!("/api/v1/events/{}/replay", large.id), "").await;
    assert_eq!(stand.waiting(WorkerName::Normalizer).await, 1);
    stand.close().await;
}

/// A deployment of the shop to staging, with another digest and revision for each digit.
fn deployed(digit: char) -> Deployment {
    let mut deployment = deployment(digit);
    let digest = format!("sha256:{}", digit.to_string().repeat(64));
    deployment.release.values_mut().for_each(|image| image.digest = digest.parse().unwrap());
    deployment
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_taken_back_to_what_is_chosen_of_what_was_healthy() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    // Twice healthy, once not, the last one what runs.
    for (digit, healthy) in [('1', true), ('2', true), ('3', false), ('2', true), ('4', true)] {
        let summary = "as it was looked at".to_owned();
        let reported =
            HealthReported { deployment: deployed(digit), healthy, summary: summary.clone(), checks: Vec::new() };
        stand.stage.record(&first(reported)).await;
    }
    let at: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
    let verdict = Some(Ruling { healthy: true, summary: "all checks passed".to_owned(), at });
    let asked = Asked { deployment: deployed('4'), at, lane: Lane::Deploy, author: None, verdict, healthy_since: None };
    let place = Place { asked: Some(asked), ..Place::default() };
    let barred = Barred { reason: "it was bad".to_owned(), environment: "staging".parse().unwrap(), at, ordered: true };
    let digest = deployed('2').release.values().next().unwrap().digest.clone();
    stand
        .keep(&Chain {
            places: BTreeMap::from([("staging".parse().unwrap(), place)]),
            barred: BTreeMap::from([(digest, barred)]),
            owed: Vec::new(),
        })
        .await;
    // What failed, and nothing else, is seen at once and leads to its cause.
    let overview = alice.get("/").await;
    let failed = overview.text.split("What failed in the last 24 hours").nth(1).unwrap_or_default();
    assert_eq!(
        failed.matches("staging is UNHEALTHY with web cccccccccccc: as it was looked at").count(),
        1,
        "{overview}"
    );
    assert!(failed.matches("href=\"/events/").count() == 1 && !failed.contains("is healthy"), "{overview}");
    let path = "/apps/shop/environments/staging/rollback";
    let page = alice.get(path).await;
    // A verdict is of its moment.
    assert!(page.text.contains("healthy</strong> as of <time datetime=\"2026-11-23T06:00:00Z\""), "{page}");
    let radio = |digit: char, rest: &str| format!("value=\"{}\"{rest}>", digit.to_string().repeat(40));
    assert_eq!(page.text.matches("type=\"radio\"").count(), 3, "{page}");
    assert!(page.text.contains(&radio('1', "")) && page.text.contains(&radio('2', " disabled")), "{page}");
    assert!(page.text.contains("it was bad; release it first"), "{page}");

    let (form, reason, to) = (page.form(path), ("reason", "checkout is slow"), "1".repeat(40));
    let both = alice.post(&form, &[reason, ("to", &to), ("other", "2222")]).await;
    assert!(both.status == 400 && both.text.contains("not both"), "{both}");
    for (n, words) in
        [[("to", to.as_str()), ("other", "")], [("to", ""), ("other", "1111")], [("to", ""), ("other", "")]]
            .into_iter()
            .enumerate()
    {
        alice.post(&form, &[&[reason], &words[..]].concat()).await.goes_on();
        assert_eq!(stand.waiting(WorkerName::Bumper).await, n as u64 + 1, "{words:?}");
    }
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_is_away_every_page_says_so() {
    let mut postgres = Postgres::start().await.unwrap();
    let config = format!("ledger: '{}'", postgres.database().await.unwrap());
    let stand = Stand::with("", &config).await;
    let alice = stand.alice().await;
    assert_eq!(alice.get("/").await.status, 200);
    postgres.stop().await.unwrap();
    for path in ["/", "/events", "/dead", "/events/3f2a91c0"] {
        let page = alice.get(path).await;
        assert_eq!((page.status, page.header("retry-after")), (503, "5"), "{path}: {page}");
        assert!(page.text.contains("ledger") && page.text.contains("windlass doctor"), "{page}");
    }
    let api = stand.program("GET", "/api/v1/status", Some(ALICE), "").await;
    assert_eq!((api.status, api.header("content-type")), (503, "application/problem+json"));
    postgres.start_again().await.unwrap();
    wait::until_true(SOON, "an overview", async || alice.get("/").await.status == 200).await.unwrap();
    stand.close().await;
}
