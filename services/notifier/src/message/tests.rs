#![allow(clippy::unwrap_used, clippy::expect_used)]

use proto::{EventId, PushReceived};

use super::*;

fn change() -> Value {
    json!({ "app": "shop", "branch": "main", "commit": "c".repeat(40), "lane": "deploy", "author": "ada", "title": "Fix <login> & more" })
}

fn deployment(reason: &str) -> Value {
    let image = |name: &str| json!({ "image": format!("ghcr.io/acme/{name}"), "digest": format!("sha256:{}", "d".repeat(64)), "commit": "c".repeat(40) });
    json!({
        "app": "shop", "environment": "production", "repository": "https://git.example/gitops.git", "branch": "main",
        "path": "production", "revision": "a".repeat(40), "changed": ["web"], "reason": reason, "note": "Fix login",
        "release": { "web": image("web"), "api": image("api") },
    })
}

fn told<T: serde::de::DeserializeOwned + Into<Data>>(data: Value) -> Option<Message> {
    let data: T = serde_json::from_value(data).unwrap();
    Message::of(&Event::first(EventId::fresh(), "/workers/test".into(), "x".into(), proto::Timestamp::UNIX_EPOCH, data))
}

/// Everything people read, and a check of Slack's limits on the way.
fn read(message: &Message) -> String {
    let payload = message.payload(false, None);
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let mut text = payload["text"].as_str().unwrap().to_owned();
    for block in blocks {
        let part = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap();
        assert!((1..=3000).contains(&part.chars().count()), "{}", part.chars().count());
        text = format!("{text}\n{part}");
    }
    text
}

fn holds(text: &str, all: &[&str]) {
    for part in all {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

#[test]
fn a_fix_is_told_when_it_is_pushed_and_no_other_push_is() {
    let pushed = |lane: &str| {
        let mut change = change();
        (change["lane"], change["branch"]) = (json!(lane), json!("hotfix/login"));
        told::<PushReceived>(json!({ "change": change }))
    };
    let message = pushed("hotfix").unwrap();
    assert_eq!((message.topic, message.environment.as_ref()), (Topic::Deployed, None));
    let what = "shop: a fix takes the fast path: `cccccccccccc` on `hotfix/login`";
    holds(&read(&message), &[what, "_Fix &lt;login&gt; &amp; more_, by ada", "owed"]);
    assert_eq!((pushed("deploy"), pushed("check")), (None, None));
}

#[test]
fn red_tests_say_which_step_and_what_it_said() {
    let step = |name: &str, verdict: &str, tail: &str| json!({ "name": name, "verdict": verdict, "exit_code": 1, "duration_ms": 5, "output_tail": tail });
    let steps = [step("lint", "passed", ""), step("unit", "failed", "1 of 9 failed"), step("e2e", "skipped", "")];
    let message = told::<TestsFinished>(json!({ "change": change(), "passed": false, "steps": steps })).unwrap();
    assert_eq!((message.topic, message.environment.as_ref()), (Topic::Failed, None));
    let text = read(&message);
    holds(
        &text,
        &[
            "shop",
            "`cccccccccccc`",
            "`main`",
            "`unit` exited with status 1",
            "1 of 9 failed",
            "Fix &lt;login&gt; &amp; more",
            "ada",
        ],
    );
    assert!(!text.contains("e2e") && !text.contains("lint"), "{text}");
    assert_eq!(told::<TestsFinished>(json!({ "change": change(), "passed": true, "steps": [] })), None);
}

#[test]
fn failed_scans_list_what_counts() {
    let finding = |id: &str, severity: &str, ignored: Value| json!({ "id": id, "severity": severity, "location": "lodash@4.0.0", "title": "Prototype pollution", "ignored": ignored });
    let findings = [
        finding("CVE-1", "critical", Value::Null),
        finding("CVE-2", "low", Value::Null),
        finding("CVE-3", "high", json!("known")),
    ];
    let scan = json!({ "tool": "trivy", "passed": false, "fail_on": "high", "counts": { "critical": 1, "low": 1 }, "findings": findings, "duration_ms": 1 });
    let message = told::<ScanFinished>(json!({ "change": change(), "passed": false, "scans": [scan] })).unwrap();
    let text = read(&message);
    holds(&text, &["`trivy`: 1 critical, 1 low", "`CVE-1` lodash@4.0.0: Prototype pollution"]);
    assert!(!text.contains("CVE-2") && !text.contains("CVE-3"), "{text}");
}

#[test]
fn an_image_that_cannot_be_built_says_why() {
    let message = told::<ImageFailed>(json!({ "change": change(), "component": "web", "reason": "exited with status 1", "output_tail": "COPY failed" })).unwrap();
    assert_eq!(message.topic, Topic::Failed);
    holds(&read(&message), &["`web`", "exited with status 1", "COPY failed"]);
}

#[test]
fn bumps_say_what_goes_where_and_which_way() {
    for (reason, topic, words) in [
        ("deploy", Topic::Deploying, "deploying to production"),
        ("promotion", Topic::Deploying, "promoting to production"),
        ("rollback", Topic::RolledBack, "rolling production back"),
    ] {
        let message = told::<ManifestBumped>(json!({ "deployment": deployment(reason) })).unwrap();
        assert_eq!(message.topic, topic);
        let text = read(&message);
        holds(&text, &[words, "• web `cccccccccccc` (`sha256:dddddddddddd`)", "Fix login", "`aaaaaaaaaaaa`"]);
        assert!(!text.contains("• api"), "only what changed: {text}");
    }
}

#[test]
fn a_failed_sync_is_told_once() {
    let sync = |succeeded| json!({ "deployment": deployment("deploy"), "succeeded": succeeded, "message": "one or more objects failed", "duration_ms": 9 });
    holds(&read(&told::<SyncFinished>(sync(false)).unwrap()), &["could not be synced", "one or more objects failed"]);
    assert_eq!(told::<SyncFinished>(sync(true)), None);
    let check = json!({ "name": "sync", "verdict": "failed", "evidence": "one or more objects failed", "attempts": 1, "duration_ms": 9 });
    let verdict = json!({ "deployment": deployment("deploy"), "healthy": false, "summary": "x", "checks": [check] });
    assert_eq!(told::<HealthReported>(verdict), None);
}

#[test]
fn a_verdict_comes_with_its_evidence() {
    let check = |name: &str, verdict: &str, evidence: &str| json!({ "name": name, "verdict": verdict, "evidence": evidence, "attempts": 4, "duration_ms": 9 });
    let checks =
        [check("http://x/health", "failed", "last of 4 tries: 503, wanted 200"), check("e2e", "skipped", "not run")];
    let verdict = |healthy, checks: &[Value]| json!({ "deployment": deployment("deploy"), "healthy": healthy, "summary": "all 2 checks passed", "checks": checks });
    let message = told::<HealthReported>(verdict(false, &checks)).unwrap();
    assert_eq!(message.topic, Topic::Failed);
    let text = read(&message);
    holds(&text, &["production is unhealthy", "`http://x/health` failed: last of 4 tries: 503, wanted 200"]);
    assert!(!text.contains("e2e"), "{text}");
    let message = told::<HealthReported>(verdict(true, &[])).unwrap();
    assert_eq!((message.topic, message.environment.unwrap().as_str()), (Topic::Deployed, "production"));
}

#[test]
fn a_fix_that_is_owed_no_more_is_told_with_who_says_so() {
    let settled = json!({ "app": "shop", "commit": "c".repeat(40), "note": "Fix <login>", "by": "Windlass", "reason": "aaaaaaaaaaaa of a deploy branch has it" });
    let message = told::<FixSettled>(settled).unwrap();
    assert_eq!((message.topic, message.environment.clone()), (Topic::Deployed, None));
    let said =
        ["the fix `cccccccccccc` is owed no more", "Fix &lt;login&gt;", "Windlass: aaaaaaaaaaaa of a deploy branch"];
    holds(&read(&message), &said);
}

#[test]
fn what_asks_has_buttons_where_they_lead_somewhere() {
    let image = json!({ "image": "ghcr.io/acme/web", "digest": format!("sha256:{}", "d".repeat(64)), "commit": "c".repeat(40) });
    let names: serde_json::Map<_, _> = (0..200).map(|n| (format!("c{n}{}", "x".repeat(50)), image.clone())).collect();
    for release in [json!({ "web": image }), names.into()] {
        let data: ApprovalRequested = serde_json::from_value(json!({
            "approval": EventId::fresh(), "app": "a".repeat(63), "environment": "e".repeat(63), "release": release, "approvers": 1,
        }))
        .unwrap();
        let (asked, time) = (data.clone(), proto::Timestamp::UNIX_EPOCH);
        let event = Event::first(EventId::fresh(), "/workers/test".into(), "x".into(), time, data);
        let message = Message::of(&event).unwrap();
        let actions = |payload: &Value| {
            let blocks = payload["blocks"].as_array().unwrap().iter();
            blocks.filter(|block| block["type"] == "actions").cloned().collect::<Vec<_>>()
        };
        assert_eq!(actions(&message.payload(false, None)), Vec::<Value>::new());
        let [block] = &actions(&message.payload(true, None))[..] else { panic!("{message:?}") };
        let [yes, no] = &block["elements"].as_array().unwrap()[..] else { panic!("{block}") };
        assert_eq!((&yes["style"], &no["style"]), (&json!("primary"), &json!("danger")));
        assert_eq!((&yes["action_id"], &no["action_id"]), (&json!("windlass.approve"), &json!("windlass.reject")));
        let says = yes["confirm"]["text"]["text"].as_str().unwrap();
        assert!(says.contains(&"c".repeat(12)) && says.chars().count() <= 300, "{says}");
        for button in [yes, no] {
            let value = button["value"].as_str().unwrap();
            assert!(value.len() <= 400, "{value}");
            let value: proto::button::ButtonValue = serde_json::from_str(value).unwrap();
            assert_eq!(
                (value.approval, &value.app, &value.environment),
                (asked.approval, &asked.app, &asked.environment)
            );
            assert_eq!(value.chain, event.correlation);
        }
    }
}

#[test]
fn what_became_of_an_answer_is_told_with_who_gave_it() {
    let answered = |granted: bool, counts: bool, says: &str| {
        let approval = EventId::fresh();
        let told = told::<ApprovalAnswered>(
            json!({ "approval": approval, "app": "shop", "environment": "production", "by": "ada <!channel>", "granted": granted, "counts": counts, "says": says, "comment": "not <now>" }),
        );
        let message = told.unwrap();
        assert_eq!((message.topic, message.environment.clone().unwrap().as_str()), (Topic::Approval, "production"));
        read(&message)
    };
    let ada = "ada &lt;!channel&gt;";
    for (granted, counts, headline) in [
        (true, true, format!(":thumbsup: shop: {ada} approved a release for production")),
        (false, true, format!(":no_entry: shop: production does not get a release: {ada} rejected it")),
        (true, false, format!(":warning: shop: {ada}'s approval for production does not count")),
        (false, false, format!(":warning: shop: {ada}'s rejection for production does not count")),
    ] {
        let text = answered(granted, counts, "it <waits>");
        holds(&text, &[&headline, "_not &lt;now&gt;_"]);
        assert_eq!(text.contains("it &lt;waits&gt;"), granted || !counts, "{text}");
    }
}

#[test]
fn a_dead_letter_says_how_to_bring_it_back_unless_it_is_our_own() {
    let parked = |worker: &str| json!({ "app": "shop", "worker": worker, "event_type": "image.pushed", "reason": "the registry <refuses> us", "attempts": 8, "dead_letter": "0190-x" });
    let text = read(&told::<DeliveryParked>(parked("bumper")).unwrap());
    holds(
        &text,
        &[
            "the bumper gave up on `image.pushed`",
            "`windlass dead show 0190-x`",
            "`windlass dead replay 0190-x`",
            "&lt;refuses&gt;",
        ],
    );
    assert_eq!(told::<DeliveryParked>(parked("notifier")), None);
}

#[test]
fn however_much_there_is_to_say_slack_takes_it() {
    let huge = "<&>\n".repeat(20_000);
    let steps: Vec<_> = (0..500)
        .map(|n| json!({ "name": format!("{n}{huge}"), "verdict": "failed", "duration_ms": 1, "output_tail": huge }))
        .collect();
    read(&told::<TestsFinished>(json!({ "change": change(), "passed": false, "steps": steps })).unwrap());
    let checks: Vec<_> = (0..500).map(|n| json!({ "name": format!("{n}{huge}"), "verdict": "failed", "evidence": huge, "attempts": 1, "duration_ms": 1 })).collect();
    read(
        &told::<HealthReported>(
            json!({ "deployment": deployment("deploy"), "healthy": false, "summary": huge, "checks": checks }),
        )
        .unwrap(),
    );
    read(
        &told::<DeliveryParked>(json!({ "worker": "builder", "reason": huge, "attempts": 1, "dead_letter": huge }))
            .unwrap(),
    );
}

#[test]
fn a_pull_request_that_waits_for_people_is_told_and_no_other_wait() {
    let url = "https://git.example/acme/gitops/pull/41";
    let waits = |more: Value| {
        let image = json!({ "image": "ghcr.io/acme/web", "digest": format!("sha256:{}", "d".repeat(64)), "commit": "c".repeat(40) });
        let mut data = json!({
            "app": "shop", "environment": "production", "release": { "web": image }, "reason": "promotion",
            "lane": "deploy", "waits_for": format!("the merge of {url}"),
        });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told::<proto::ReleaseWaiting>(data)
    };
    let message = waits(json!({ "pull_request": url, "tell": true })).unwrap();
    assert_eq!((message.topic, message.environment.as_ref().unwrap().as_str()), (Topic::Approval, "production"));
    holds(
        &read(&message),
        &["shop: production has a pull request", url, "web `cccccccccccc`", "waits for the merge of"],
    );
    assert_eq!(waits(json!({ "pull_request": url })), None, "told already");
    assert_eq!(waits(json!({})), None);
}
