//! Slack, and what GitHub sends.

use serde_json::{Value, json};
use testkit::github::{self, Package, Push, ZERO};
use testkit::http;
use testkit::slack::{FakeSlack, Mood};

#[tokio::test]
async fn slack_takes_and_refuses_as_slack_does() {
    let slack = FakeSlack::start().unwrap();
    assert_eq!(post(&slack.url(), &json!({ "text": "deployed" })).await, (200, "ok".to_owned(), None));
    slack.next(1, Mood::RateLimited(7));
    let limited = post(&slack.url(), &json!({ "text": "again" })).await;
    assert_eq!((limited.0, limited.2.as_deref()), (429, Some("7")));
    slack.next(1, Mood::Broken);
    assert_eq!(post(&slack.url(), &json!({ "text": "again" })).await.0, 500);
    let wrong = format!("{}x", slack.url());
    assert_eq!(post(&wrong, &json!({ "text": "x" })).await, (404, "no_service".to_owned(), None));
    assert_eq!(post(&slack.url(), &json!("text")).await.1, "invalid_payload");
    assert_eq!(post(&slack.url(), &json!({})).await.1, "no_text");
    let section =
        |length| json!({ "blocks": [{ "type": "section", "text": { "type": "mrkdwn", "text": "x".repeat(length) } }] });
    assert_eq!(post(&slack.url(), &section(3001)).await.1, "invalid_blocks");
    assert_eq!(post(&slack.url(), &section(3000)).await.1, "ok");
    assert_eq!(slack.messages().len(), 2);
    assert_eq!(slack.refused(), 6);
    assert!(slack.text().starts_with("deployed\nxxx"));
    slack.limit_rate(1);
    assert_eq!(post(&slack.url(), &json!({ "text": "one" })).await.0, 200);
    assert_eq!(post(&slack.url(), &json!({ "text": "two" })).await.0, 429);
}

async fn post(url: &str, message: &Value) -> (u16, String, Option<String>) {
    let answer = http::client().post(url).json(message).send().await.unwrap();
    let retry = answer.headers().get("Retry-After").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), answer.text().await.unwrap(), retry)
}

#[test]
fn signatures_are_github_s() {
    // The example from GitHub's documentation, "Validating webhook deliveries".
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(github::sign("It's a Secret to Everybody", b"Hello, World!"), signature);
}

#[test]
fn payloads_have_github_s_shape() {
    let commits = (0..30).map(|n| github::commit(&format!("{n:040}"), "Work", &["a"])).collect();
    let push = Push::to("acme/app", "main", &format!("{:040}", 29)).commits(commits).forced().payload();
    assert_eq!(push["commits"].as_array().unwrap().len(), 20);
    assert_eq!(push["head_commit"]["id"], push["after"]);
    assert_eq!((&push["ref"], &push["forced"]), (&json!("refs/heads/main"), &json!(true)));
    let deletion = Push::deletion("acme/app", "old", "1").payload();
    assert_eq!((&deletion["after"], &deletion["deleted"]), (&json!(ZERO), &json!(true)));
    assert!(deletion["head_commit"].is_null());
    let tag = Push::tag("acme/app", "v1", "2").payload();
    assert_eq!((&tag["ref"], &tag["created"]), (&json!("refs/tags/v1"), &json!(true)));
    let package = Package { owner: "Acme", name: "app", tag: "main", digest: "sha256:1", repository: "Acme/app" };
    let package = package.payload("published");
    assert_eq!(package["package"]["package_version"]["package_url"], "ghcr.io/Acme/app:main");
    assert_eq!(package["package"]["package_version"]["container_metadata"]["tag"]["digest"], "sha256:1");
}
