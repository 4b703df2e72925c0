//! The JSON API, and that its page tells the truth.

use console::ROUTES;
use proto::{Data, Event, EventId, ImagePushed, WorkerName};
use serde_json::{Value, json};

use super::{
    pages::{pushed, webhook},
    stand::{ALICE, Stand},
};
use crate::stage::first;

const PAGE: &str = include_str!("../../../../services/console/CONSOLE.md");

fn json_of(answer: &super::browser::Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|why| panic!("{why}: {answer}"))
}

fn image() -> Event {
    first(ImagePushed {
        app: "shop".parse().unwrap(),
        component: "web".parse().unwrap(),
        image: "ghcr.io/acme/web".parse().unwrap(),
        tag: Some("main".to_owned()),
        digest: None,
    })
}

#[test]
fn the_page_names_every_route_and_no_other() {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (method, path) = (cells.next()?, cells.next()?);
        path.starts_with("`/api/").then(|| (method.to_owned(), path.trim_matches('`').to_owned()))
    };
    let named: Vec<_> = PAGE.lines().filter_map(row).collect();
    let api = ROUTES.iter().filter(|row| row.path.starts_with("/api/"));
    assert_eq!(named, api.map(|row| (row.method.to_owned(), row.path.to_owned())).collect::<Vec<_>>());
}

#[test]
fn the_page_s_configuration_is_read() {
    let yaml = PAGE.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = runtime::Config::parse(yaml, "CONSOLE.md".as_ref()).unwrap();
    assert_eq!(config.console.unwrap().operators.len(), 2);
}

/// Each `curl` of the page is taken as it stands; what it names is not there, and nothing else is wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_s_examples_are_understood() {
    let stand = Stand::open().await;
    let examples = PAGE.replace("\\\n ", "");
    let examples: Vec<_> = examples.lines().filter(|line| line.starts_with("curl ")).collect();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        let path = example.split("\"$api").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let body = example.split("-d '").nth(1).and_then(|rest| rest.split('\'').next());
        let method = if example.contains("-X POST") { "POST" } else { "GET" };
        let path = format!("/api/v1{}", path.replace("backstage", "shop"));
        let answer = stand.program(method, &path, Some(ALICE), body.unwrap_or_default()).await;
        let is_missing = path.contains("3f2a91c0") || path.contains("dead/replay");
        let expected = if is_missing {
            404
        } else if method == "POST" {
            202
        } else {
            200
        };
        assert_eq!(answer.status, expected, "{example}: {answer}");
    }
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_under_one_key_is_one() {
    let stand = Stand::open().await;
    let order = async |what: &str, key: &str| {
        let path = format!("/api/v1/apps/shop/environments/production/{what}");
        let body = r#"{ "reason": "because", "by": "somebody else" }"#;
        // Nobody orders in another's name.
        assert_eq!(stand.program("POST", &path, Some(ALICE), body).await.status, 400);
        let body = r#"{ "reason": "because" }"#;
        let answer = stand.program_with("POST", &path, Some(ALICE), body, &[("idempotency-key", key)]).await;
        assert_eq!(answer.status, 202, "{answer}");
        json_of(&answer)["event"].as_str().unwrap().to_owned()
    };
    let (first, again, other) = (order("hold", "k1").await, order("hold", "k1").await, order("hold", "k2").await);
    assert_eq!(first, again);
    assert!(first != other && first != order("unhold", "k1").await);

    let mut deliveries = stand.stage.context.bus.consume(WorkerName::Bumper, 10).await.unwrap();
    let delivery = deliveries.next().await.unwrap();
    let event = Event::from_message(&delivery.message).unwrap();
    let Data::HoldChanged(change) = &event.data else { panic!("{event:?}") };
    assert_eq!((change.by.as_str(), change.reason.as_str(), change.held), ("alice", "because", true));
    assert_eq!((event.id.to_string(), event.source.as_str()), (first, "/operators/console"));
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_dead_letters_are_listed_shown_and_replayed() {
    let stand = Stand::open().await;
    let (pushed, dead) = (image(), image());
    stand.stage.record(&pushed).await;
    let letter = stand.bury(&dead, "the registry is not there\nat all").await;
    let get = async |path: &str| json_of(&stand.program("GET", path, Some(ALICE), "").await);

    let listed = get("/api/v1/events?type=image.pushed&limit=1").await;
    assert_eq!(listed["events"][0]["attributes"]["id"], pushed.id.to_string());
    assert_eq!(listed["before"], listed["events"][0]["seq"]);
    let shown = get(&format!("/api/v1/events/{}", &pushed.id.to_string()[..8])).await;
    assert_eq!(shown["event"]["data"]["tag"], "main");

    let replay = format!("/api/v1/events/{}/replay", pushed.id);
    let dry = stand.program("POST", &replay, Some(ALICE), r#"{ "worker": "bumper", "dry_run": true }"#).await;
    assert_eq!((dry.status, stand.waiting(WorkerName::Bumper).await), (200, 0), "{dry}");
    for _ in 0..2 {
        let body = r#"{ "worker": "bumper", "replays": 0 }"#;
        assert_eq!(stand.program("POST", &replay, Some(ALICE), body).await.status, 202);
        assert_eq!(stand.waiting(WorkerName::Bumper).await, 1);
    }

    let open = get("/api/v1/dead?worker=bumper&text=REGISTRY").await;
    assert_eq!((&open["dead_letters"][0]["id"], &open["before"]), (&json!(letter), &Value::Null));
    assert_eq!(get("/api/v1/dead?limit=1").await["before"], letter);
    let all = json!({ "ids": [&letter[..8]], "dry_run": true });
    let dry = stand.program("POST", "/api/v1/dead/replay", Some(ALICE), &all.to_string()).await;
    assert_eq!((dry.status, stand.waiting(WorkerName::Bumper).await), (200, 1), "{dry}");
    let done = stand.program("POST", "/api/v1/dead/replay", Some(ALICE), &json!({ "ids": [letter] }).to_string()).await;
    assert_eq!((done.status, stand.waiting(WorkerName::Bumper).await), (202, 2), "{done}");
    assert_eq!(get("/api/v1/dead").await["dead_letters"], json!([]));
    let replayed = get(&format!("/api/v1/dead/{letter}")).await;
    assert_eq!(replayed["replayed_by"], "alice");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_a_list_is_named_there_and_shown_alone() {
    let stand = Stand::open().await;
    let alice = stand.alice().await;
    let (long, hook) = (pushed(&"a long title ".repeat(6000)), webhook("github", &"a long body ".repeat(6000)));
    for event in [&long, &hook] {
        stand.stage.record(event).await;
    }
    let letter = stand.bury(&long, "no disk").await;
    let bytes = long.to_message().body.len();
    let get = async |path: &str| json_of(&stand.program("GET", path, Some(ALICE), "").await);

    let listed = get("/api/v1/events").await;
    let [sent, said] = listed["events"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!((&sent["data"]["body_bytes"], &sent["left_out"]), (&json!(72_000), &Value::Null));
    assert!(sent["summary"].as_str().unwrap().ends_with("(72000 bytes)"), "{sent}");
    assert_eq!((&said["data"], &said["summary"], &said["left_out"]), (&Value::Null, &Value::Null, &json!(bytes)));
    let alone = get(&format!("/api/v1/events/{}", &long.id.to_string()[..8])).await;
    assert_eq!((&alone["event"]["data"], &alone["event"]["left_out"]), (&long.data.to_json(), &Value::Null));
    assert_eq!(alone["chain"][0]["left_out"], bytes);
    let page = alice.get("/events").await;
    assert!(page.text.contains(&format!("carries {bytes} bytes, more than a list reads")), "{page}");
    let page = alice.get(&format!("/events/{}", long.id)).await;
    assert!(page.text.contains("a long title a long title"), "{page}");

    let dead = &get("/api/v1/dead").await["dead_letters"][0];
    assert_eq!((&dead["data"], &dead["left_out"]), (&Value::Null, &json!(bytes)));
    assert_eq!(get(&format!("/api/v1/dead/{}", &letter[..8])).await["data"], long.data.to_json());
    // What is sent again is all of it.
    let all = json!({ "ids": [letter] }).to_string();
    assert_eq!(stand.program("POST", "/api/v1/dead/replay", Some(ALICE), &all).await.status, 202);
    let mut deliveries = stand.stage.context.bus.consume(WorkerName::Bumper, 1).await.unwrap();
    assert!(deliveries.next().await.unwrap().message.body == long.to_message().body, "not byte for byte");
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_chain_that_is_too_long_to_be_shown_it_is_said_how_to_see_the_rest() {
    let stand = Stand::open().await;
    let (alice, ledger) = (stand.alice().await, &stand.stage.context.ledger);
    let begun = image();
    let next = |n: u32| begun.outcome("/workers/test".into(), n.to_string(), begun.time, begun.data.clone());
    let record = async |n: std::ops::Range<u32>| {
        ledger.record(&n.map(|n| next(n).to_message()).collect::<Vec<_>>()).await.unwrap();
    };
    let show = async || json_of(&stand.program("GET", &format!("/api/v1/events/{}", begun.id), Some(ALICE), "").await);
    stand.stage.record(&begun).await;
    record(0..999).await;
    let all = show().await;
    assert_eq!((all["chain"].as_array().unwrap().len(), &all["cut"]), (1000, &json!([])));
    assert!(!alice.get(&format!("/events/{}", begun.id)).await.text.contains("page by page"));

    record(999..1004).await;
    let some = show().await;
    assert_eq!(some["cut"], json!([{ "correlation": begun.id, "shown": 1000, "events": 1005 }]));
    assert_eq!(some["chain"].as_array().unwrap().last().unwrap()["attributes"]["subject"], "1003");
    let page = alice.get(&format!("/events/{}", begun.id)).await;
    assert!(page.text.contains("These are the newest 1000 of 1005 events"), "{page}");
    let links = page.links("/events?");
    assert_eq!(links, [format!("/events?correlation={}", begun.id)]);
    assert!(alice.get(&links[0]).await.text.contains("rel=\"next\""), "it is read page by page");

    let said = stand.windlass(&["events", "show", &begun.id.to_string()]).await;
    let (_, command) = said.split_once("these are the newest 1000 of 1005 events; all of them: windlass ").unwrap();
    let command: Vec<_> = command.lines().next().unwrap().split(' ').collect();
    assert_eq!(stand.windlass(&command).await.lines().count(), 1005);
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_that_two_events_have_names_neither_however_often_one_was_replayed() {
    let stand = Stand::open().await;
    for (id, replays) in [("abcd0000-0000-4000-8000-000000000001", 0), ("abcd0000-0000-4000-8000-000000000002", 2)] {
        let event = Event { id: id.parse().unwrap(), ..image() };
        for replay in 0..=replays {
            stand.stage.record(&Event { replay, ..event.clone() }).await;
        }
    }
    let of = async |id: &str| stand.program("GET", &format!("/api/v1/events/{id}"), Some(ALICE), "").await;
    let both = of("abcd").await;
    assert!(both.status == 400 && both.text.contains("several events begin with `abcd`"), "{both}");
    for (id, replay) in
        [("abcd0000-0000-4000-8000-000000000001", Value::Null), ("ABCD0000-0000-4000-8000-000000000002", json!("2"))]
    {
        assert_eq!(json_of(&of(id).await)["event"]["attributes"]["replay"], replay, "{id}");
    }
    stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_what_to_do() {
    let stand = Stand::open().await;
    let production = "/api/v1/apps/shop/environments/production";
    let unknown = EventId::fresh();
    for (method, path, body, status, says) in [
        ("GET", "/api/v1/events?limit=501".to_owned(), "", 400, "from 1 to 500"),
        ("GET", "/api/v1/events?typ=push.received".to_owned(), "", 400, "`typ` is no parameter"),
        ("GET", "/api/v1/events?since=yesterday".to_owned(), "", 400, "`since`: write a time"),
        (
            "GET",
            "/api/v1/events?app=shpo".to_owned(),
            "",
            400,
            "`app`: there is no app `shpo` in the configuration; write `shop`",
        ),
        (
            "GET",
            "/api/v1/events?type=push.recieved".to_owned(),
            "",
            400,
            "`type`: there is no event type `push.recieved`; write `push.received`",
        ),
        (
            "GET",
            "/api/v1/dead?worker=bumpr".to_owned(),
            "",
            400,
            "`worker`: there is no worker `bumpr`; write `bumper`",
        ),
        ("GET", "/api/v1/events/3f".to_owned(), "", 400, "first 4 digits"),
        ("GET", format!("/api/v1/events/{unknown}"), "", 404, "no event begins with"),
        ("GET", "/api/v1/status?app=shpo".to_owned(), "", 404, "no app `shpo`"),
        ("GET", "/api/v1/nothing".to_owned(), "", 404, "no such page"),
        ("POST", format!("{production}/hold"), "{}", 400, "reason"),
        ("POST", format!("{production}/hold"), r#"{ "reason": " " }"#, 400, "say why"),
        ("POST", format!("{production}/hold"), r#"{ "reason": "\u200b \u2060" }"#, 400, "say why"),
        ("POST", format!("{production}/hold"), "reason=x", 400, "not what belongs here"),
        ("POST", format!("{production}/hold"), r#" ["x"]"#, 400, "it is a list, and not an object"),
        ("POST", format!("{production}/hold"), r#"{ "reason": "x", "to": "y" }"#, 400, "belongs to a rollback"),
        (
            "POST",
            "/api/v1/apps/shop/quarantine/3f2a/release".to_owned(),
            r#"{ "reason": "x", "to": "y" }"#,
            400,
            "unknown field `to`",
        ),
        ("POST", format!("{production}/rollback"), r#"{ "reason": "x", "to": "3f2a91c0" }"#, 404, "healthy there"),
        ("POST", format!("{production}/explode"), r#"{ "reason": "x" }"#, 404, "no such page"),
        (
            "POST",
            "/api/v1/apps/shop/environments/qa/hold".to_owned(),
            r#"{ "reason": "x" }"#,
            404,
            "no environment `qa`",
        ),
        ("POST", "/api/v1/apps/a%20b/environments/qa/hold".to_owned(), r#"{ "reason": "x" }"#, 400, "a b"),
        ("POST", format!("/api/v1/approvals/{unknown}/approve"), "", 404, "nothing waits under an id"),
        ("POST", "/api/v1/dead/replay".to_owned(), r#"{ "ids": [] }"#, 400, "choose at least one"),
    ] {
        let answer = stand.program(method, &path, Some(ALICE), body).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer}");
        let problem = json_of(&answer);
        assert!(problem["detail"].as_str().unwrap().contains(says), "{path}: {problem}");
        assert!(!problem["next"].as_str().unwrap().is_empty(), "{problem}");
    }
    assert_eq!(stand.waiting(WorkerName::Bumper).await, 0);
    stand.close().await;
}
