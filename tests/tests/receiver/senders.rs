//! Every sender's every form, from its proof to what it means: the receiver and the normalizer hold the same table.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bus::{Bus, Settings};
use normalizer::samples::{Sample, Values};
use prometheus_client::registry::Registry;
use proto::{Data, Event, WorkerName};
use receiver::{Receiver, signing};
use runtime::{Config, config::SourceKind};
use tokio_util::sync::CancellationToken;

/// Base64, so that it is a key for every scheme.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A source of each kind, named after it.
fn config(folder: &Path) -> Config {
    let secret = folder.join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let source = |kind: SourceKind| {
        let more = match kind {
            SourceKind::StandardWebhooks => {
                ", read: { when: { /type: [build.finished, build.repeated] }, image: /data/image, tag: /data/tag }"
            }
            SourceKind::Generic => {
                ", proof: { hmac: { header: x-sum } }, read: { each: /items, when: { ^/type: image }, image: '{/host}/{/name}', tag: /tag }"
            }
            SourceKind::Slack => ", slack: { team: T0ACME }",
            SourceKind::Nexus => ", registry: 'nexus.example.com:8082'",
            // Its own proof is a token that only Google can sign.
            SourceKind::GoogleArtifactRegistry => ", proof: { token: { header: authorization } }",
            _ => "",
        };
        let kind = kind.as_str();
        format!("  {kind}: {{ kind: {kind}, secrets: ['file:{}']{more} }}\n", secret.display())
    };
    let sources: String = SourceKind::ALL.map(source).concat();
    let yaml = format!(
        "data: {}\nworkers: [normalizer]\nreceiver: {{ listen: '127.0.0.1:0' }}\nsources:\n{sources}",
        folder.display()
    );
    Config::parse(&yaml, Path::new("windlass.yaml")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_every_sender_is_let_in_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let settings = Settings {
        location: config.bus_location().unwrap(),
        workers: config.workers.clone(),
        publish_deadline: Duration::from_secs(30),
        name: "windlass-test".to_owned(),
    };
    let bus = Bus::open(settings).await.unwrap();
    let receiver = Receiver::bind(&config, bus.clone(), None, &mut Registry::default()).unwrap();
    let (address, stop) = (receiver.address(), CancellationToken::new());
    let serving = tokio::spawn(receiver.run(stop.clone()));

    let mut kept = 0;
    for sample in Sample::all() {
        let name = format!("{}/{}", sample.kind.as_str(), sample.name);
        let (_, source) = config.sources.iter().find(|(_, source)| source.kind == sample.kind).unwrap();
        let rendered = sample.render(&Values::of(sample.kind));
        let signed = signing::sign(source, SECRET, &rendered.body).unwrap();
        let said = rendered.headers.into_iter().chain([("content-type".to_owned(), sample.content_type.to_owned())]);
        let headers = said.chain(signed.headers).map(|(name, value)| (name.to_ascii_lowercase(), value));
        let headers: BTreeMap<_, _> = headers.collect();
        let url = format!("http://{address}/webhooks/{}{}", sample.kind.as_str(), signed.path);
        let request = headers.iter().fold(testkit::http::client().post(url), |r, (name, value)| r.header(name, value));
        let answer = request.body(rendered.body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        let ignored = status == 200 && text.contains("ignored");
        let is_clicks = sample.kind == SourceKind::Slack;
        let taken = if is_clicks { status == 200 && text.is_empty() } else { status == 202 };
        assert!(taken || ignored, "{name}: {status} {text}");
        kept += usize::from(!ignored);
    }
    let mut deliveries = bus.consume(WorkerName::Normalizer, 8).await.unwrap();
    for _ in 0..kept {
        let delivery = deliveries.next().await.unwrap();
        let event = Event::from_message(&delivery.message).unwrap();
        let Data::WebhookReceived(webhook) = &event.data else { panic!("{event:?}") };
        assert!(webhook.proof.as_deref().is_some_and(|proof| proof.starts_with("file:")), "{:?}", webhook.proof);
        let read = normalizer::read(&config, webhook);
        assert!(read.is_ok(), "{}: {read:?}", webhook.kind);
        delivery.ack().await.unwrap();
    }
    assert!(kept > SourceKind::ALL.len(), "{kept} of {} were kept", Sample::all().len());
    stop.cancel();
    serving.await.unwrap().unwrap();
    bus.close().await;
}
