//! Clicks in Slack: who is let in, what Slack hears of it, and what is the same click again.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use proto::EventId;
use runtime::Config;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::{rabbitmq::RabbitMq, slack::sign};

use crate::story::{OTHER_SECRET, Request, SECRET, Sender, Story, configured, webhook};

const BODY: &[u8] = b"payload=%7B%22type%22%3A%22block_actions%22%2C%22trigger_id%22%3A%221%22%7D";
const FORM: &str = "application/x-www-form-urlencoded";

/// A receiver with a Slack app whose signing secret is being replaced.
async fn story() -> Story {
    let folder = tempfile::tempdir().unwrap();
    let bus = format!("sqlite:{}", folder.path().join("bus.db").display());
    story_on(folder, &bus, "").await
}

async fn story_on(folder: tempfile::TempDir, bus: &str, receiver: &str) -> Story {
    for (name, secret) in [("old", SECRET), ("new", OTHER_SECRET), ("token", "unused")] {
        std::fs::write(folder.path().join(name), format!("{secret}\n")).unwrap();
    }
    let path = folder.path().display();
    let slack =
        format!("  slack: {{ kind: slack, secrets: [file:{path}/old, file:{path}/new], slack: {{ team: T0ACME }} }}\n");
    let config = configured(folder.path(), bus, receiver) + &slack;
    Story::of(folder, &Config::parse(&config, Path::new("windlass.yaml")).unwrap()).await
}

/// As Slack sends it, this many seconds ago.
fn click(secret: &str, ago: i64, body: &[u8]) -> Request {
    let seconds = jiff::Timestamp::now().as_second() - ago;
    let (headers, body) = (BTreeMap::new(), Arc::new(body.to_vec()));
    Request { line: "POST /webhooks/slack".into(), headers, body: Arc::clone(&body) }
        .header("Content-Type", FORM)
        .header("X-Slack-Request-Timestamp", &seconds.to_string())
        .header("X-Slack-Signature", &sign(secret, seconds, &body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_is_durable_and_slack_hears_nothing_but_that_it_was_taken() {
    let story = story().await;
    for (n, secret) in [SECRET, OTHER_SECRET].into_iter().enumerate() {
        let body = [BODY, n.to_string().as_bytes()].concat();
        let answer = story.send(&click(secret, 0, &body)).await;
        assert_eq!((answer.status, &answer.headers["content-length"] as &str), (200, "0"), "{answer:?}");
        assert!(!answer.headers.contains_key("content-type"), "{answer:?}");
        assert_eq!(story.waiting().await, 1, "durable before the answer");
        let (_, data) = webhook(&story.published(1).await[0]);
        assert_eq!((data.kind.as_str(), data.content_type.as_str()), ("slack", FORM));
        assert!(data.proof.is_some_and(|proof| proof.ends_with(["/old", "/new"][n])));
        assert_eq!(data.headers.keys().collect::<Vec<_>>(), ["xslackrequesttimestamp"], "and no signature");
    }
    story.end().await;
}

/// A click as Slack sends it, with all by which others could act.
fn full() -> Vec<u8> {
    let payload = serde_json::json!({
        "type": "block_actions", "token": "verification-hunter2", "trigger_id": "1.trigger-hunter2",
        "response_url": "https://hooks.slack.com/actions/T0/1/hunter2", "bot_access_token": "xwfp-hunter2",
        "response_urls": [{ "block_id": "b", "response_url": "https://hooks.slack.com/app/T0/2/hunter2" }],
        "interactivity": { "interactor": { "id": "U0", "secret": "hunter2" }, "interactivity_pointer": "hunter2" },
        "user": { "id": "U0ADA" }, "message": { "text": "a token: \"hunter2s\" & more" },
        "actions": [{ "action_id": "windlass.approve", "value": "{\"approval\":\"1\"}" }],
    });
    let coded: String = url::form_urlencoded::byte_serialize(payload.to_string().as_bytes()).collect();
    format!("payload={coded}").into_bytes()
}

/// On the bus, and in the spool while the broker is away, and so in the history: nothing by which its reader could act.
/// What it is the same click by is the signed bytes all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_lets_others_act_is_kept_nowhere() {
    let story = story().await;
    for _ in 0..2 {
        assert_eq!(story.send(&click(SECRET, 0, &full())).await.status, 200);
    }
    let published = story.published(2).await;
    let id = EventId::of_webhook(&"slack".parse().unwrap(), &Sha256::digest(full()));
    for message in &published {
        assert_eq!(message.attribute("id"), id.to_string());
        let (_, payload) = url::form_urlencoded::parse(&message.body).next().unwrap();
        let (kept, sent): (Value, Value) = (serde_json::from_str(&payload).unwrap(), of_payload(&full()));
        assert_eq!(payload.matches("hunter2").count(), 1, "{payload}");
        for same in ["type", "user", "message", "actions"] {
            assert_eq!(kept[same], sent[same], "{same}");
        }
        for blotted in ["token", "trigger_id", "response_url", "bot_access_token"] {
            assert_eq!(kept[blotted], "***", "{blotted}");
        }
    }
    // Slash commands come as plain fields.
    let command = b"token=hunter2&command=%2Fdeploy&text=a+b&response_url=https%3A%2F%2Fh%2Fhunter2&trigger_id=hunter2";
    assert_eq!(story.send(&click(SECRET, 0, command)).await.status, 200);
    let kept = story.published(1).await[0].body.clone();
    assert_eq!(&kept[..], b"token=***&command=%2Fdeploy&text=a+b&response_url=***&trigger_id=***");
    story.end().await;
}

fn of_payload(body: &[u8]) -> Value {
    let (_, payload) = url::form_urlencoded::parse(body).next().unwrap();
    serde_json::from_str(&payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_not_kept_waiting_for_a_broker_that_does_not_answer() {
    let broker = RabbitMq::start().await.unwrap();
    let story = story_on(tempfile::tempdir().unwrap(), &broker.url(), "  publish_deadline: 1h").await;
    assert_eq!(story.send(&click(SECRET, 0, BODY)).await.status, 200);
    let send = |signal| kill_process(Pid::from_raw(broker.id().unwrap().try_into().unwrap()).unwrap(), signal).unwrap();
    send(Signal::STOP);
    // Another sender, who was first, still waits for the broker when this one has its answer.
    let mut other = Sender::connect(story.address).await;
    other.write(&Request::github("a push").bytes()).await.unwrap();
    let other = tokio::spawn(async move { other.answer().await.unwrap().status });
    let answer = story.send(&click(SECRET, 0, &[BODY, b"2"].concat())).await;
    assert_eq!((answer.status, answer.headers["content-length"].as_str()), (200, "0"), "{answer:?}");
    assert!(story.metrics().contains("windlass_spool_events 1"), "{}", story.metrics());
    assert!(!other.is_finished());
    send(Signal::CONT);
    assert_eq!(other.await.unwrap(), 202);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_slack_or_comes_too_late_or_too_early_is_refused() {
    let story = story().await;
    let genuine = || click(SECRET, 0, BODY);
    for refused in [
        click("another secret", 0, BODY),
        click(SECRET, 301 + 60, BODY),
        click(SECRET, -301 - 60, BODY),
        Request { body: Arc::new([BODY, b"&x=1"].concat()), ..genuine() },
        genuine().header("X-Slack-Request-Timestamp", "0"),
        genuine().without("X-Slack-Request-Timestamp"),
        genuine().without("X-Slack-Signature"),
        genuine().header("X-Slack-Signature", &genuine().headers["X-Slack-Signature"].replace("v0=", "v1=")),
        genuine().header("X-Slack-Signature", &genuine().headers["X-Slack-Signature"].replace("v0=", "")),
        // Slack checks addresses of commands so, unsigned; nobody who proves nothing is answered anything else.
        Request { body: Arc::new(b"ssl_check=1&token=x".to_vec()), ..genuine() },
    ] {
        assert_eq!(story.send(&refused).await.problem(401), "not authentic");
    }
    for media in ["application/json", "text/plain"] {
        assert!(story.send(&genuine().header("Content-Type", media)).await.problem(415).ends_with(FORM));
    }
    story.send(&genuine().to("POST /webhooks/slack/path")).await.problem(404);
    assert_eq!(story.waiting().await, 0);
    story.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_click_that_is_sent_again_is_the_same_whenever_and_by_whichever_secret() {
    let story = story().await;
    let other = [BODY, b"2"].concat();
    for sent in
        [click(SECRET, 0, BODY), click(SECRET, 0, BODY), click(OTHER_SECRET, 100, BODY), click(SECRET, 0, &other)]
    {
        assert_eq!(story.send(&sent).await.status, 200);
    }
    let ids: Vec<_> = story.published(4).await.iter().map(|message| message.attribute("id").to_owned()).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:?}");
    story.end().await;
}
