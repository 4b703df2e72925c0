//! Fuzz targets: requests as they come over the wire, and what their heads say once they are known.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use bus::{Bus, Settings};
use prometheus_client::registry::Registry;
use proto::WorkerName;
use runtime::{
    Config,
    config::{Source as Configured, SourceKind},
};
use serde_json::json;
use testkit::fuzz::{Fuzz, Input};
use tokio_util::sync::CancellationToken;

use crate::{Receiver, blot, proof::Shown, signing, source::Source, trace};

const SECRET: &str = "secret-to-everybody-5d1c";
const BODY: &str = "{\"ref\":\"refs/heads/main\"}";

/// A receiver for as long as the runtime lives.
fn serve(folder: &Path) -> SocketAddr {
    std::fs::write(folder.join("secret"), SECRET).unwrap();
    let (data, secret) = (folder.join("data"), folder.join("secret"));
    let text = format!(
        "data: {}\nreceiver: {{ listen: '127.0.0.1:0', spool: off, max_body_bytes: 60000 }}\nsources:\n  github: {{ kind: github, \
         secrets: ['file:{1}'] }}\n  quay: {{ kind: quay, secrets: ['file:{1}'] }}",
        data.display(),
        secret.display()
    );
    let config = Config::parse(&text, Path::new("windlass.yaml")).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let settings = Settings {
                location: config.bus_location().unwrap(),
                workers: vec![WorkerName::Normalizer],
                publish_deadline: Duration::from_mins(1),
                name: "fuzz".to_owned(),
            };
            let bus = Bus::open(settings).await.unwrap();
            let receiver = Receiver::bind(&config, bus, None, &mut Registry::default()).unwrap();
            sender.send(receiver.address()).unwrap();
            receiver.run(CancellationToken::new()).await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

fn asked(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    // A refusal may come, and the connection end, before all is written.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(answer),
    }
}

#[test]
fn requests() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path());
    let github: Configured = serde_json::from_value(json!({ "kind": "github", "secrets": ["env:S"] })).unwrap();
    let signed = signing::sign(&github, SECRET, BODY.as_bytes()).unwrap().headers.remove(0);
    let head = format!("Host: windlass\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", BODY.len());
    let event = "X-GitHub-Event: push\r\nX-GitHub-Delivery: 1\r\n";
    let good = format!("POST /webhooks/github HTTP/1.1\r\n{head}{event}{}: {}\r\n\r\n{BODY}", signed.0, signed.1);
    let chunked = good.replace(&format!("Content-Length: {}", BODY.len()), "Transfer-Encoding: chunked");
    let chunked = chunked.replace(BODY, &format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len()));
    // Every answer is one of ours; and whoever shows neither signature nor secret is never let in.
    let target = |input: &Input| {
        let answer = asked(address, &input.bytes).expect("an answer, or an end");
        let mut said = Vec::new();
        for answer in String::from_utf8_lossy(&answer).split("HTTP/1.1 ").skip(1) {
            let status: u16 = answer.get(..3).and_then(|status| status.parse().ok()).expect("a status");
            let known = [100, 200, 202, 400, 401, 404, 405, 408, 413, 415, 429, 431];
            assert!(known.contains(&status), "{answer}");
            let shown = String::from_utf8_lossy(&input.bytes).to_ascii_lowercase();
            let proof = shown.contains(&signed.1[7..]) || shown.contains(SECRET);
            assert!(![200, 202].contains(&status) || proof, "{answer}");
            said.push(status.to_string());
        }
        // By letters, since figures make no difference to the corpus.
        said.iter()
            .map(|status| status.bytes().map(|b| char::from(b + 49)).collect::<String>())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let words = [
        "\r\n\r\n",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/2.0",
        "PRI * HTTP/2.0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: ",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "Upgrade: h2c\r\n",
        "/webhooks/",
        "/webhooks/quay/",
        "GET ",
        "CONNECT ",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        ";x=1\r\n",
        "X-Hub-Signature-256: sha256=",
        "Content-Encoding: gzip\r\n",
    ];
    let secret = format!("POST /webhooks/quay/{SECRET} HTTP/1.1\r\n{head}\r\n{BODY}");
    let seeds =
        [good.clone(), chunked, secret, format!("{good}{good}"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()];
    Fuzz::new("requests").count(600).seeds(seeds).words(&words).run(target);
    let answer = asked(address, good.as_bytes()).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 202"), "it goes on: {}", String::from_utf8_lossy(&answer));
}

#[test]
fn heads() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let source = |kind: SourceKind| {
        let configured = serde_json::from_value(json!({ "kind": kind.as_str(), "insecure": true })).unwrap();
        (kind.as_str(), Source::new(&"from".parse().unwrap(), &configured).unwrap())
    };
    let sources = BTreeMap::from(SourceKind::ALL.map(source));
    // Headers a line, an empty line, the body. What goes along is bounded, and what the webhook is called is plain.
    let target = |input: &Input| {
        let at = input.bytes.windows(2).position(|window| window == b"\n\n").unwrap_or(input.bytes.len());
        let mut headers = HeaderMap::new();
        for line in input.bytes[..at].split(|b| *b == b'\n') {
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            let name = HeaderName::from_bytes(&line[..colon]).ok();
            if let Some((name, value)) = name.zip(HeaderValue::from_bytes(&line[colon + 1..]).ok()) {
                headers.append(name, value);
            }
        }
        let source = &sources[&*input.label];
        let body = runtime.block_on(async {
            let mut body = source.unverified(&Shown { headers: &headers, in_path: None, peer: None }).await.unwrap();
            body.push(input.bytes.get(at + 2..).unwrap_or_default());
            body.verify().unwrap()
        });
        let parent = trace::parent(headers.get("traceparent").and_then(|value| value.to_str().ok()));
        assert_eq!(parent.len(), 55, "{parent}");
        let (id, again) = (source.id(&headers, &body), source.id(&headers, &body));
        let told = match source.describe(&headers, &body) {
            Ok(described) => {
                let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_:.-".contains(&b);
                assert!(described.subject.bytes().all(plain) && described.subject.len() <= 512);
                assert!(described.headers.values().all(|value| value.len() <= 512 && value.is_ascii()));
                format!("{:?} {}", described.headers.keys(), described.ignored.is_some())
            }
            Err(why) => why.to_string(),
        };
        format!("{} {} {} {told}", input.label, source.content_type(&headers).is_ok(), id == again)
    };
    let head = "content-type:application/json; charset=utf-8\nX-GitHub-Event:push\nX-GitHub-Delivery:1\nX-Gitlab-Event:Push Hook\n\
                X-Gitea-Event:push\nX-Event-Key:repo:push\nce-type:dev.cdevents.artifact.published\nce-id:1\nidempotency-key:2\n\
                traceparent:00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n\n{\"message\":{\"messageId\":\"7\"}}";
    let fuzz = sources.keys().fold(Fuzz::new("heads").count(5_000), |fuzz, kind| fuzz.seed(kind, head));
    fuzz.words(&["ce-", "x-github-", ":", "\n", "traceparent:", "messageId", "application/cloudevents+json"])
        .run(target);
}

/// What of a tree would be blotted out.
fn blotted(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                if ["token", "response_url"].contains(&key.as_str()) && value.is_string() {
                    *value = "***".into();
                }
                blotted(value);
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(blotted),
        _ => {}
    }
}

/// Whatever can be read as a tree is read as the same tree, less what must not be kept; and all else does no harm.
#[test]
fn blots() {
    let target = |input: &Input| {
        let coded: String = url::form_urlencoded::byte_serialize(&input.bytes).collect();
        let kept = blot::form(format!("x=1&payload={coded}").into(), &["token", "response_url"]);
        let fields: Vec<_> = url::form_urlencoded::parse(&kept).collect();
        assert_eq!((fields.len(), &*fields[0].1), (2, "1"));
        let Ok(mut tree) = serde_json::from_slice::<serde_json::Value>(&input.bytes) else {
            return "no JSON".to_owned();
        };
        blotted(&mut tree);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&fields[1].1).unwrap(), tree);
        format!("{} blots", fields[1].1.matches("\"***\"").count())
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../normalizer/samples/slack");
    let samples = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let words = ["\"token\":", "\"response_url\":", "\"\\u0074oken\":", "\"", "\\", ":", " ", "{", "}", "\"x\""];
    Fuzz::new("blots").seeds(samples).words(&words).run(target);
}
