//! The prober over real HTTP: what it takes for healthy, what for unhealthy, and what it says it saw.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "prober/site.rs"]
mod site;
mod stage;

use std::time::Duration;

use prober::Prober;
use proto::{CheckReport, Data, HealthReported, Verdict};
use runtime::Worker;
use stage::{Stage, bumped, deployment, ignored, only, permanent, shop, synced};
use testkit::ports;

use site::{Site, answer};

const SYNC: &str = "sync: { argocd: shop }";

/// The verdict over a successful sync with this environment.
async fn verdict(staging: &str) -> HealthReported {
    let stage = Stage::open(&shop(staging)).await;
    judged(&stage, 'a').await
}

async fn judged(stage: &Stage, revision: char) -> HealthReported {
    let event = synced(&bumped(deployment(revision)), true, "successfully synced");
    match only(&Prober::new(&stage.context).unwrap().handle(&event).await.unwrap()) {
        Data::HealthReported(report) => report,
        other => panic!("{other:?}"),
    }
}

fn holds(check: &CheckReport, verdict: Verdict, words: &[&str]) {
    assert_eq!(check.verdict, verdict, "{check:?}");
    for word in words {
        assert!(check.evidence.contains(word), "no `{word}` in {check:?}");
    }
}

/// One health check of a site, in these terms besides; quick unless they say otherwise.
fn check(site: &Site, path: &str, terms: &str) -> String {
    let quick = if terms.contains("deadline") { "" } else { "deadline: 10s, " };
    format!("{SYNC}, health: [{{ url: '{}{path}', interval: 10ms, {quick}{terms} }}]", site.url())
}

#[tokio::test]
async fn what_was_deployed_answers_and_is_healthy() {
    let commit = "c".repeat(40);
    let body = format!(r#"{{"status":"ok","build":{{"commit":"{commit}","n":3}}}}"#);
    let site = Site::start(move |_, path| match path {
        "/a/main" => answer(200, body.clone()),
        _ => answer(404, "no such page"),
    });
    let terms = "passes: 3, contains: '\"status\":\"ok\"', json: { /build/commit: '{web.commit}', /build/n: 3 }";
    let report = verdict(&check(&site, "/a/{web.tag}", terms)).await;
    assert!(report.healthy, "{report:?}");
    holds(&report.checks[0], Verdict::Passed, &["3/3 passes: 200 in "]);
    assert_eq!((site.asked(), report.checks[0].attempts), (3, 3));
}

#[tokio::test]
async fn a_deployment_that_comes_up_late_is_healthy_all_the_same() {
    let port = ports::free().unwrap();
    let staging =
        format!("{SYNC}, health: [{{ url: 'http://127.0.0.1:{port}/', interval: 20ms, deadline: 30s, passes: 2 }}]");
    let judge = tokio::spawn(async move { verdict(&staging).await });
    // It is asked while nobody listens, and then while it still starts.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _site = Site::start_at(port, |n, _| if n < 3 { answer(503, "starting") } else { answer(200, "") });
    let report = judge.await.unwrap();
    assert!(report.healthy && report.checks[0].attempts >= 5, "{report:?}");
}

#[tokio::test]
async fn an_address_that_may_not_be_asked_is_for_operators_to_mend_and_no_verdict() {
    let canary = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let port = canary.local_addr().unwrap().port();
    let site = Site::start(move |_, _| answer(200, ""));
    let check = |url: &str| format!("{{ url: '{url}', interval: 10ms, deadline: 10s, passes: 1 }}");
    let good = check(&site.url());
    for (key, staging) in [
        ("health", format!("health: [{good}, {}]", check(&format!("http://127.0.0.2:{port}/")))),
        ("smoke", format!("health: [{good}], smoke: ['http://127.0.0.2:{port}/']")),
    ] {
        // As it stands, the configuration's own check would refuse it; what a placeholder makes shows only here.
        let staging = staging.replace("127.0.0.2", "{web.tag}");
        let stage =
            Stage::open(&format!("network: {{ allow: [127.0.0.1] }}\n{}", shop(&format!("{SYNC}, {staging}")))).await;
        let mut deployment = deployment('a');
        for released in deployment.release.values_mut() {
            released.tag = Some("127.0.0.2".to_owned());
        }
        let event = synced(&bumped(deployment), true, "successfully synced");
        let why = permanent(Prober::new(&stage.context).unwrap().handle(&event).await.unwrap_err());
        assert!(why.contains(&format!("`apps.shop.environments.staging.{key}`")), "{why}");
        assert!(why.contains("127.0.0.2") && why.contains("`network.allow`"), "{why}");
    }
    assert!(canary.accept().is_err(), "it was asked");
}

#[tokio::test]
async fn nobody_there_is_a_verdict_and_no_failure_of_ours() {
    let port = ports::free().unwrap();
    let health = format!(
        "[{{ url: 'http://127.0.0.1:{port}/', interval: 10ms, deadline: 100ms }}, {{ url: 'http://no.such.host.invalid/', interval: 10ms, deadline: 100ms }}]"
    );
    let report = verdict(&format!("{SYNC}, health: {health}")).await;
    assert!(!report.healthy && report.summary.starts_with("2 of 2 checks failed; http://127.0.0.1:"), "{report:?}");
    holds(&report.checks[0], Verdict::Failed, &["cannot be reached", "refused"]);
    assert_eq!(report.checks[1].verdict, Verdict::Failed);
}

#[tokio::test]
async fn flapping_begins_the_count_anew() {
    let site = Site::start(|n, _| if n == 2 { answer(503, "hiccup") } else { answer(200, "") });
    let report = verdict(&check(&site, "/", "passes: 3")).await;
    assert!(report.healthy && report.checks[0].attempts == 6, "{report:?}");

    let site = Site::start(|n, _| if n % 3 == 2 { answer(503, "hiccup") } else { answer(200, "") });
    let report = verdict(&check(&site, "/", "passes: 3, deadline: 400ms")).await;
    assert!(!report.healthy && report.checks[0].attempts > 3, "{report:?}");
}

#[tokio::test]
async fn the_wrong_status_comes_with_what_the_body_said() {
    let site = Site::start(|_, _| answer(503, "database\n  is\taway"));
    let report = verdict(&check(&site, "/health?token=hush", "deadline: 1s")).await;
    holds(&report.checks[0], Verdict::Failed, &["tries: 503, wanted 200: database is away"]);
    assert!(!format!("{report:?}").contains("hush"), "{report:?}");

    let site = Site::start(|_, _| answer(302, ""));
    let report = verdict(&check(&site, "/", "deadline: 1s")).await;
    holds(&report.checks[0], Verdict::Failed, &["302, wanted 200"]);
    assert!(verdict(&check(&site, "/", "status: 302, passes: 1")).await.healthy, "a redirect is its status");
}

#[tokio::test]
async fn the_wrong_body_is_shown() {
    let site = Site::start(|_, path| match path {
        "/json" => answer(200, r#"{"status":"starting"}"#),
        "/large" => answer(200, [b" ".repeat(1_500_000), b"{}".to_vec()].concat()),
        _ => answer(200, [b"caf\xe9 ".to_vec(), b"x".repeat(5000)].concat()),
    });
    let deadline = "deadline: 1s";
    for (path, terms, words) in [
        ("/json", "json: { /status: ok }", vec!["200, but `/status` is \"starting\", wanted \"ok\""]),
        ("/json", "json: { /version: '{web.tag}' }", vec!["`/version` is missing, wanted \"main\"", "starting"]),
        ("/json", "contains: ready", vec!["200, but the body lacks `ready`", "starting"]),
        ("/latin1", "json: { /status: ok }", vec!["the body is not JSON: caf\u{fffd} xxx", "x…"]),
        ("/large", "json: { /status: ok }", vec!["larger than 1048576 bytes"]),
    ] {
        let report = verdict(&check(&site, path, &format!("{terms}, {deadline}"))).await;
        holds(&report.checks[0], Verdict::Failed, &words);
    }
    assert!(verdict(&check(&site, "/latin1", "contains: xxx, passes: 1")).await.healthy);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_none() {
    let site = Site::start(|_, _| answer(200, "").after(Duration::from_secs(20)));
    let report = verdict(&check(&site, "/", "max_latency: 50ms, deadline: 300ms")).await;
    holds(&report.checks[0], Verdict::Failed, &["no answer within 50 ms"]);
    assert!(report.checks[0].attempts > 1, "{report:?}");
    let report = verdict(&check(&site, "/", "max_latency: 20s, deadline: 200ms")).await;
    holds(&report.checks[0], Verdict::Failed, &["no answer within"]);
}

#[tokio::test]
async fn smoke_urls_are_asked_after_the_checks_and_little_is_forgiven() {
    let site = Site::start(|_, path| match path {
        "/bad" => answer(500, "boom"),
        _ => answer(204, ""),
    });
    let url = site.url();
    let report = verdict(&format!("{SYNC}, smoke: ['{url}/a', '{url}/{{web.digest}}']")).await;
    assert!(report.healthy && site.asked() == 2, "{report:?}");
    let report = verdict(&format!("{SYNC}, smoke: ['{url}/bad']")).await;
    assert!(!report.healthy);
    holds(&report.checks[0], Verdict::Failed, &["last of 3 tries: 500, wanted 2xx: boom"]);

    let never = Site::start(|_, _| answer(204, ""));
    let health = format!("[{{ url: '{url}/bad', interval: 10ms, deadline: 50ms }}]");
    let test = "[{ name: e2e, run: [no-such-program-here] }]";
    let report = verdict(&format!("{SYNC}, health: {health}, smoke: ['{}/a'], test: {test}", never.url())).await;
    let verdicts: Vec<_> = report.checks.iter().map(|c| c.verdict).collect();
    assert_eq!(verdicts, [Verdict::Failed, Verdict::Skipped, Verdict::Skipped]);
    assert_eq!(never.asked(), 0, "what comes after a failed check is not asked");
}

#[tokio::test]
async fn tests_run_at_the_deployed_commit_and_are_told_where() {
    let folder = testkit::folder::Folder::new("source").unwrap();
    let script = "#!/bin/sh\necho \"at $TEST_BASE_URL of $WINDLASS_APP $WINDLASS_IMAGE_WEB $1 $TOKEN\"\nexit $1\n";
    let (url, commit) = stage::repository(&folder, "shop", &[("e2e", script)]);
    let token = folder.write("token", "hush-hush\n").unwrap();
    let step = |name: &str, status: u8| {
        format!("{{ name: {name}, run: [./e2e, '{status}'], secrets: {{ TOKEN: 'file:{}' }} }}", token.display())
    };
    let at = |commit: &str| {
        let mut bump = deployment('a');
        bump.release.values_mut().for_each(|released| released.commit = Some(commit.parse().unwrap()));
        synced(&bumped(bump), true, "synced")
    };
    let staging = |steps: &[String]| format!("{SYNC}, url: 'https://staging.example', test: [{}]", steps.join(", "));

    let stage = Stage::open(&stage::shop_cloned_from(&url, &staging(&[step("good", 0)]))).await;
    let prober = Prober::new(&stage.context).unwrap();
    let Data::HealthReported(report) = only(&prober.handle(&at(&commit)).await.unwrap()) else { panic!() };
    assert!(report.healthy, "{report:?}");

    let steps = [step("good", 0), step("bad", 3), step("never", 0)];
    let stage = Stage::open(&stage::shop_cloned_from(&url, &staging(&steps))).await;
    let prober = Prober::new(&stage.context).unwrap();
    let Data::HealthReported(report) = only(&prober.handle(&at(&commit)).await.unwrap()) else { panic!() };
    let seen = format!("at https://staging.example of shop ghcr.io/acme/web@{} 3 ***", stage::DIGEST);
    holds(&report.checks[1], Verdict::Failed, &["exited with status 3", &seen]);
    assert_eq!(report.checks[2].verdict, Verdict::Skipped);
    assert!(!report.healthy && report.summary.contains("bad: exited with status 3"), "{report:?}");

    let gone = permanent(prober.handle(&at(&"e".repeat(40))).await.unwrap_err());
    assert!(gone.contains(&"e".repeat(40)), "{gone}");
    assert_eq!(stage.workspaces(), 0, "checkouts are removed");
}

#[tokio::test]
async fn a_test_program_that_is_not_there_is_a_mistake_of_the_configuration() {
    let folder = testkit::folder::Folder::new("source").unwrap();
    let (url, commit) = stage::repository(&folder, "shop", &[("x", "")]);
    let staging = format!("{SYNC}, test: [{{ name: e2e, run: [no-such-program-here] }}]");
    let stage = Stage::open(&stage::shop_cloned_from(&url, &staging)).await;
    let mut bump = deployment('a');
    bump.release.values_mut().for_each(|released| released.commit = Some(commit.parse().unwrap()));
    let event = synced(&bumped(bump), true, "synced");
    let words = permanent(Prober::new(&stage.context).unwrap().handle(&event).await.unwrap_err());
    assert!(words.contains("apps.shop.environments.staging.test") && words.contains("no-such-program-here"), "{words}");
}

#[tokio::test]
async fn what_cannot_be_filled_in_is_parked_and_names_its_key() {
    for (staging, words) in [
        ("health: [{ url: 'http://x/{api.tag}' }]", ["staging.health`", "`{api.tag}` stands for nothing"]),
        ("health: [{ url: 'http://x/', json: { /v: '{api.tag}' } }]", ["staging.health`", "`{web.tag}`"]),
        ("smoke: ['http://x/{api.commit}']", ["staging.smoke`", "`{web.commit}`"]),
        ("smoke: ['http://x:{web.tag}/']", ["staging.smoke`", "no http:// or https:// URL"]),
    ] {
        let stage = Stage::open(&shop(&format!("{SYNC}, {staging}"))).await;
        let event = synced(&bumped(deployment('a')), true, "synced");
        let told = permanent(Prober::new(&stage.context).unwrap().handle(&event).await.unwrap_err());
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
}

#[tokio::test]
async fn a_failed_sync_is_unhealthy_without_a_question() {
    let site = Site::start(|_, _| answer(200, ""));
    let stage = Stage::open(&shop(&check(&site, "/", "passes: 1"))).await;
    let event = synced(&bumped(deployment('a')), false, "Failed: one or more objects failed to apply");
    let Data::HealthReported(report) = only(&Prober::new(&stage.context).unwrap().handle(&event).await.unwrap()) else {
        panic!()
    };
    assert!(!report.healthy && report.checks.len() == 1 && site.asked() == 0, "{report:?}");
    assert_eq!(report.checks[0].name, "sync");
    holds(&report.checks[0], Verdict::Failed, &["one or more objects failed to apply"]);
}

#[tokio::test]
async fn without_a_check_the_verdict_says_what_it_stands_on() {
    let report = verdict(SYNC).await;
    assert!(report.healthy);
    holds(&report.checks[0], Verdict::Passed, &["Argo CD says it is healthy: successfully synced"]);
    let report = verdict("sync: { command: [\"true\"] }").await;
    holds(&report.checks[0], Verdict::Passed, &["no check is configured"]);
}

#[tokio::test]
async fn a_superseded_revision_is_not_blamed_and_not_praised() {
    let site = Site::start(|_, path| if path == "/bad" { answer(500, "") } else { answer(200, "") });
    for (path, superseded_by_bump) in [("/bad", true), ("/good", false)] {
        let stage = Stage::open(&shop(&check(&site, path, "passes: 1, deadline: 2s"))).await;
        let prober = Prober::new(&stage.context).unwrap();
        let (old, new) = (bumped(deployment('a')), bumped(deployment('b')));
        let event = synced(&old, true, "synced");
        for recorded in [&old, &event, &new] {
            stage.record(recorded).await;
        }
        let judged = prober.handle(&event).await.unwrap();
        if superseded_by_bump {
            assert!(ignored(&judged).contains(&"b".repeat(40)), "{judged:?}");
            continue;
        }
        // Asked for is not yet brought about: what answered is still the old revision.
        assert!(matches!(only(&judged), Data::HealthReported(report) if report.healthy), "{judged:?}");
        stage.record(&synced(&new, true, "synced")).await;
        let judged = prober.handle(&event).await.unwrap();
        assert!(ignored(&judged).contains(&"b".repeat(40)), "{judged:?}");
        // A replay of the old one brings nothing about anew.
        let replayed = proto::Event { replay: 1, ..event.clone() };
        stage.record(&replayed).await;
        assert!(ignored(&prober.handle(&replayed).await.unwrap()).contains(&"b".repeat(40)));
        // The newer one itself is judged as ever.
        let judged = prober.handle(&synced(&new, true, "synced")).await.unwrap();
        assert!(matches!(only(&judged), Data::HealthReported(report) if report.healthy), "{judged:?}");
    }
}

#[tokio::test]
async fn an_environment_nobody_configured_is_left_alone() {
    let stage = Stage::open("apps: {}").await;
    let event = synced(&bumped(deployment('a')), true, "synced");
    let reason = ignored(&Prober::new(&stage.context).unwrap().handle(&event).await.unwrap());
    assert!(reason.contains("apps.shop.environments.staging"), "{reason}");
}
