//! The JSON API as it is described: the description is kept, names every route, parameter and status, and answers are what
//! it says.

use std::collections::BTreeSet;

use console::ROUTES;
use proto::EventId;
use serde_json::{Map, Value, json};

use super::{
    browser::Answer,
    fits::fits,
    pages::{pushed, something_of_everything},
    stand::{ALICE, Stand, WATCHER},
};

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../services/console/openapi.json");
const PAGE: &str = include_str!("../../../../services/console/CONSOLE.md");
/// A body over what is taken.
const TOO_LARGE: usize = 64 * 1024 + 1;

/// One operation of the description.
struct Described<'a> {
    page: &'a Value,
    method: String,
    path: &'a str,
    operation: &'a Value,
}

impl<'a> Described<'a> {
    fn all(page: &'a Value) -> Vec<Self> {
        let paths = page["paths"].as_object().unwrap().iter();
        let of = |(path, methods): (&'a String, &'a Value)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(|(method, operation)| Self { page, method: method.to_uppercase(), path, operation })
        };
        paths.flat_map(of).collect()
    }

    fn id(&self) -> &'a str {
        self.operation["operationId"].as_str().unwrap()
    }

    fn parameters(&self, place: &str) -> Vec<&'a Value> {
        let all = self.operation["parameters"].as_array().into_iter().flatten();
        all.filter(|parameter| parameter["in"] == place).collect()
    }

    fn may(&self, status: u16) -> bool {
        self.operation["responses"].get(status.to_string()).is_some()
    }

    /// The keys of its body.
    fn keys(&self) -> BTreeSet<&'a str> {
        let Some(schema) = self.operation.pointer("/requestBody/content/application~1json/schema") else {
            return BTreeSet::new();
        };
        let schema = schema["$ref"].as_str().map_or(schema, |path| self.page.pointer(&path[1..]).unwrap());
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// An answer is one that it says there may be.
    fn check(&self, answer: &Answer) {
        let Self { page, method, path, operation } = self;
        let at = format!("{method} {path}: {answer}");
        let mut response = &operation["responses"][answer.status.to_string()];
        assert!(!response.is_null(), "nothing is said of this status: {at}");
        if let Some(to) = response["$ref"].as_str() {
            response = page.pointer(&to[1..]).unwrap();
        }
        let kind = answer.header("content-type").split(';').next().unwrap();
        let schema = &response["content"][kind]["schema"];
        assert!(!schema.is_null(), "nothing is said of `{kind}`: {at}");
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_else(|why| panic!("{why}: {at}"));
        fits(page, schema, &body).unwrap_or_else(|why| panic!("{why}: {at}"));
        let waits = response["headers"].get("Retry-After").is_some();
        assert!(!waits || answer.headers.contains_key("retry-after"), "{at}");
    }

    async fn ask(&self, stand: &Stand, path: &str, token: Option<&str>, body: &str) -> Answer {
        let answer = stand.program(&self.method, path, token, body).await;
        self.check(&answer);
        answer
    }
}

/// A console that has one of everything, and what each is named by.
struct Full {
    stand: Stand,
    names: Map<String, Value>,
    letter: String,
}

impl Full {
    async fn open() -> Self {
        let stand = Stand::open().await;
        let approval = something_of_everything(&stand).await;
        let event = pushed("a change");
        stand.stage.record(&event).await;
        let letter = stand.bury(&event, "the registry is not there").await;
        let names = json!({
            "events": event.id, "approvals": approval, "dead": letter, "app": "shop", "environment": "production",
            "digest": "e".repeat(64), "commit": "d".repeat(40),
        });
        let Value::Object(names) = names else { panic!("{names}") };
        Self { stand, names, letter }
    }

    /// The paths of an operation: each of its words, if it has a choice of them, and everything else as it is named.
    fn paths(&self, of: &Described<'_>) -> Vec<String> {
        let mut paths = vec![of.path.to_owned()];
        for parameter in of.parameters("path") {
            let name = parameter["name"].as_str().unwrap();
            let words = parameter["schema"]["enum"].as_array();
            let kind = if name == "id" { of.path.split('/').nth(3).unwrap() } else { name };
            let values: Vec<_> = words.map_or_else(|| vec![&self.names[kind]], |words| words.iter().collect());
            let put = |path: &String| {
                let put = |value: &&Value| path.replace(&format!("{{{name}}}"), value.as_str().unwrap());
                values.iter().map(put).collect::<Vec<_>>()
            };
            paths = paths.iter().flat_map(put).collect();
        }
        paths
    }

    /// A body that is taken, with every key that every order of the operation takes.
    fn body(&self, of: &Described<'_>) -> String {
        let all = json!({
            "reason": "it is tried", "comment": "seen", "worker": "bumper", "replays": 7, "ids": [self.letter], "dry_run": false,
        });
        let keys = of.keys();
        let Value::Object(all) = all else { panic!("{all}") };
        Value::Object(all.into_iter().filter(|(key, _)| keys.contains(key.as_str())).collect()).to_string()
    }
}

#[test]
fn the_description_has_not_drifted() {
    let page = console::openapi();
    let expected = serde_json::to_string_pretty(&sorted(&page)).unwrap() + "\n";
    if std::env::var_os("WINDLASS_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(KEPT, &expected).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    let drift = kept.lines().zip(expected.lines()).find(|(kept, expected)| kept != expected);
    assert!(
        kept == expected,
        "{KEPT} is not what the console says now; first difference (file, console): {drift:?}\nPrograms rely on it. If the \
         change is meant, write it anew: WINDLASS_BLESS=1 cargo test -p windlass-tests --test pipeline description"
    );
    let routes = ROUTES.iter().filter(|row| row.path.starts_with("/api/"));
    let routes: BTreeSet<_> = routes.map(|row| (row.method.to_owned(), row.path)).collect();
    assert_eq!(Described::all(&page).into_iter().map(|of| (of.method, of.path)).collect::<BTreeSet<_>>(), routes);
}

/// With keys in order: whether `serde_json` keeps them so depends on what else is built at the same time.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let ordered: std::collections::BTreeMap<_, _> =
                map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_page_names_every_parameter_and_every_key() {
    let page = console::openapi();
    for of in Described::all(&page) {
        let row = format!("| {} | `{}` | ", of.method, of.path);
        let says = PAGE.lines().find_map(|line| line.strip_prefix(&row)).unwrap_or_else(|| panic!("no row {row}"));
        let query = of.parameters("query").into_iter().map(|parameter| parameter["name"].as_str().unwrap());
        for name in query.chain(of.keys()) {
            assert!(says.contains(&format!("`{name}`")), "{row}: nothing of `{name}`");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_as_it_is_described() {
    let full = Full::open().await;
    let served = full.stand.program("GET", "/api/v1/openapi.json", Some(ALICE), "").await;
    let page: Value = serde_json::from_str(&served.text).unwrap();
    assert_eq!(page, console::openapi());
    for of in Described::all(&page) {
        for path in full.paths(&of) {
            let answer = of.ask(&full.stand, &path, Some(ALICE), &full.body(&of)).await;
            assert_eq!(answer.status, if of.method == "POST" { 202 } else { 200 }, "{path}: {answer}");
            if of.keys().contains("dry_run") {
                let dry = full.body(&of).replace("false", "true");
                assert_eq!(of.ask(&full.stand, &path, Some(ALICE), &dry).await.status, 200);
            }
            // A parameter that is described is known, whatever is wrong with its value.
            for name in of.parameters("query").into_iter().map(|parameter| parameter["name"].as_str().unwrap()) {
                let answer = of.ask(&full.stand, &format!("{path}?{name}=true"), Some(ALICE), "").await;
                assert!(!answer.text.contains("is no parameter here"), "{answer}");
            }
        }
    }
    full.stand.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_one_that_is_described() {
    let full = Full::open().await;
    let page = console::openapi();
    for of in Described::all(&page) {
        let (path, body, stand) = (&full.paths(&of)[0], full.body(&of), &full.stand);
        let statuses = [
            (401, of.ask(stand, path, None, &body).await),
            (403, of.ask(stand, path, Some(WATCHER), &body).await),
            (413, of.ask(stand, path, Some(ALICE), &"x".repeat(if of.may(413) { TOO_LARGE } else { 0 })).await),
            (
                404,
                of.ask(stand, &nowhere(&of), Some(ALICE), &body.replace(&full.letter, &EventId::fresh().to_string()))
                    .await,
            ),
        ];
        for (status, answer) in statuses {
            assert_eq!(answer.status == status, of.may(status), "{path}: {answer}");
        }
        let odd = of.ask(stand, &format!("{path}?nonsense=1"), Some(ALICE), &body).await;
        assert!(odd.status == 400 && odd.text.contains("`nonsense` is no parameter here"), "{path}: {odd}");
        if of.method == "POST" {
            let odd = of.ask(stand, path, Some(ALICE), r#"{ "nonsense": 1 }"#).await;
            assert_eq!(odd.status, 400, "{path}: {odd}");
            let taken = odd.text.split_once("expected ").unwrap().1;
            let taken: BTreeSet<_> = taken.split('`').skip(1).step_by(2).take(of.keys().len() + 1).collect();
            assert_eq!(taken, of.keys(), "{path}: {odd}");
        }
    }
    full.stand.close().await;
}

/// A path of what is not there.
fn nowhere(of: &Described<'_>) -> String {
    let part = |part: &str| match part {
        "{app}" | "{environment}" => "nowhere".to_owned(),
        "{answer}" => "approve".to_owned(),
        "{order}" => "hold".to_owned(),
        other if other.starts_with('{') => "0".repeat(12),
        other => other.to_owned(),
    };
    let path = of.path.split('/').map(part).collect::<Vec<_>>().join("/");
    if of.id() == "status" { format!("{path}?app=nowhere") } else { path }
}
