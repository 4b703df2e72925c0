//! The senders' own libraries against ours: what `@octokit/webhooks-methods` and `standardwebhooks` sign verifies here,
//! what we sign verifies there, and a changed byte is refused on both sides.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use receiver::signing;
use runtime::Config;
use serde_json::{Value, json};

use crate::story::{Request, Story};

const PROGRAM: &str = include_str!("libraries.mjs");

/// A library, the source whose senders use it, and secrets as its users have them.
struct Library {
    name: &'static str,
    kind: &'static str,
    secrets: [&'static str; 4],
}

const LIBRARIES: [Library; 2] = [
    Library {
        name: "octokit",
        kind: "github",
        secrets: [
            "it's a Secret to Everybody",
            "geheim-ünïcödé-秘密",
            "s",
            // Longer than the hash's block: HMAC uses such a key's digest.
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ],
    },
    Library {
        name: "standardwebhooks",
        kind: "standard-webhooks",
        secrets: [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==",
            "whsec_//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eDf3t3c29rZ2NfW1dTT0tHQz87NzMvKycjHxsXEw8LBwL++vby7urm4t7a1tLOysbCvrq2s",
        ],
    },
];

fn bodies() -> Vec<String> {
    let large = json!({ "filler": "ü".repeat(500_000) });
    vec![
        "{}".to_owned(),
        r#"{"ref":"refs/heads/träger","emoji":"🚢","escaped":"\u00e9"}"#.to_owned(),
        "{\r\n  \"a\": 1,\r\n\t\"b\": \"two\\r\\n\"\r\n}\r\n".to_owned(),
        "  {\"b\":1,\"a\":1.0e2 }\n\n".to_owned(),
        large.to_string(),
    ]
}

/// One library, one secret, one body; and the source that holds the secret.
struct Case {
    library: &'static Library,
    source: String,
    secret: &'static str,
    body: String,
}

impl Case {
    fn all() -> Vec<Self> {
        let of_secret = |library: &'static Library, n: usize| {
            let (source, secret) = (format!("{}-{n}", library.kind), library.secrets[n]);
            bodies().into_iter().map(move |body| Self { library, source: source.clone(), secret, body })
        };
        LIBRARIES.iter().flat_map(|library| (0..4).flat_map(move |n| of_secret(library, n))).collect()
    }

    fn task(&self, verb: &str, headers: &Headers, body: &str) -> Value {
        json!({
            "library": self.library.name, "verb": verb, "secret": self.secret, "body": body, "headers": headers,
            "id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
        })
    }

    fn request(&self, headers: &Headers, body: &str) -> Request {
        let request = Request::github(body).to(&format!("POST /webhooks/{}", self.source));
        headers
            .iter()
            .fold(request.without("X-Hub-Signature-256"), |request, (name, value)| request.header(name, value))
    }

    /// The header that holds the signature.
    fn signature(&self) -> &'static str {
        if self.library.name == "octokit" { "x-hub-signature-256" } else { "webhook-signature" }
    }

    /// The same with one byte changed: of the body, and of the signature. Both stay UTF-8.
    fn changed(&self, headers: &Headers) -> [(Headers, String); 2] {
        let body = self.body.replacen('{', "[", 1);
        assert_eq!(body.len(), self.body.len());
        let mut other = headers.clone();
        let value = other.get_mut(self.signature()).unwrap();
        let at = value.len() - 10;
        let digit = if value.as_bytes()[at] == b'0' { "1" } else { "0" };
        value.replace_range(at..=at, digit);
        [(headers.clone(), body), (other, self.body.clone())]
    }
}

type Headers = BTreeMap<String, String>;

/// The libraries' answers to these tasks.
fn asked(tasks: &[Value]) -> Vec<Value> {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../node");
    // A program that is an argument finds its packages from the working folder.
    let mut node = Command::new("node")
        .args(["--input-type=module", "--eval", PROGRAM])
        .current_dir(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("node in {}: {error}; ./scripts/test installs it", folder.display()));
    node.stdin.take().unwrap().write_all(&serde_json::to_vec(tasks).unwrap()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "node ended with {}; ./scripts/test installs what it needs", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn config(folder: &Path) -> Config {
    let mut sources = String::new();
    for library in &LIBRARIES {
        let read = if library.kind == "github" { "" } else { ", read: { image: /image, tag: /tag }" };
        for (n, secret) in library.secrets.iter().enumerate() {
            let name = format!("{}-{n}", library.kind);
            let path = folder.join(&name);
            std::fs::write(&path, format!("{secret}\n")).unwrap();
            let line = format!("  {name}: {{ kind: {}, secrets: ['file:{}']{read} }}\n", library.kind, path.display());
            sources.push_str(&line);
        }
    }
    let data = folder.display();
    let text = format!("bus: sqlite\ndata: '{data}'\nreceiver: {{ listen: '127.0.0.1:0' }}\nsources:\n{sources}");
    Config::parse(&text, Path::new("windlass.yaml")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_senders_own_libraries_sign_is_let_in_and_nothing_else() {
    let cases = Case::all();
    let tasks: Vec<_> = cases.iter().map(|case| case.task("sign", &Headers::new(), &case.body)).collect();
    let signed = asked(&tasks);
    assert_eq!(signed.len(), cases.len());

    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let story = Story::of(folder, &config).await;
    for (case, headers) in cases.iter().zip(signed) {
        let headers: Headers = serde_json::from_value(headers).unwrap();
        story.send(&case.request(&headers, &case.body)).await.accepted();
        for (headers, body) in case.changed(&headers) {
            story.send(&case.request(&headers, &body)).await.problem(401);
        }
    }
    let kept = story.published(cases.len()).await;
    assert!(cases.iter().zip(&kept).all(|(case, message)| message.body == case.body), "to the byte, in order");
    story.end().await;
}

#[test]
fn what_we_sign_the_senders_own_libraries_take_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut tasks = Vec::new();
    for case in Case::all() {
        let (_, source) = config.sources.iter().find(|(name, _)| name.as_str() == case.source).unwrap();
        let headers: Headers =
            signing::sign(source, case.secret, case.body.as_bytes()).unwrap().headers.into_iter().collect();
        tasks.push(case.task("verify", &headers, &case.body));
        tasks.extend(case.changed(&headers).iter().map(|(headers, body)| case.task("verify", headers, body)));
    }
    for (answers, task) in asked(&tasks).chunks(3).zip(tasks.chunks(3)) {
        assert_eq!(answers, [json!(true), json!(false), json!(false)], "{:.300}", task[0].to_string());
    }
}
