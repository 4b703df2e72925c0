//! Bodies that are JSON beyond all sense, from a sender who may send: taken, kept, and read by nobody.

use std::path::Path;

use normalizer::Normalizer;
use prometheus_client::registry::Registry;
use proto::{Data, Event, WorkerName};
use receiver::Receiver;
use runtime::{Config, Context, harness, service::Base};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::story::{PATIENCE, Request, SECRET, Sender, TOKEN, configured};

/// A receiver, and the normalizer behind it.
struct Place {
    address: std::net::SocketAddr,
    context: Context,
    stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, secret) in [("old", SECRET), ("new", SECRET), ("token", TOKEN)] {
            std::fs::write(folder.path().join(name), secret).unwrap();
        }
        let events =
            format!("  events: {{ kind: cloudevents, secrets: ['file:{}/token'] }}\n", folder.path().display());
        let apps = "apps: { shop: { repository: acme/shop, deploy: [main] } }\n";
        let text = configured(folder.path(), "sqlite", "  spool: off") + &events + "ledger: sqlite\n" + apps;
        let config = Config::parse(&text, Path::new("windlass.yaml")).unwrap();
        let base = Base::open(config, "test").await.unwrap();
        let receiver = Receiver::bind(&base.config, base.bus.clone(), None, &mut Registry::default()).unwrap();
        let (address, stop) = (receiver.address(), CancellationToken::new());
        let serving = tokio::spawn(receiver.run(stop.clone()));
        let context = Context::open(base).await.unwrap();
        tokio::spawn(harness::work(Normalizer::new(&context).unwrap(), context.clone()));
        Self { address, context, stop, serving, _folder: folder }
    }

    async fn send(&self, request: &Request) -> String {
        let mut sender = Sender::connect(self.address).await;
        sender.write(&request.bytes()).await.unwrap();
        sender.answer().await.unwrap().accepted().to_owned()
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
        self.context.shutdown.cancel();
        self.context.bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_beyond_sense_is_parked_to_the_byte_and_the_next_is_read() {
    let place = Place::open().await;
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(1_000_000), close.repeat(1_000_000));
    let data = deep(r#"{"a":"#, "}");
    let event = format!(r#"{{"type":"dev.cdevents.artifact.published.0.2.0","data":{data}}}"#);
    let event =
        Request::registry(&event).to("POST /webhooks/events").header("Content-Type", "application/cloudevents+json");
    let name = format!(r#"{{"ref":"refs/heads/main","repository":{{"full_name":{}}}}}"#, deep("[", "]"));
    // Nothing ends what begins here.
    let open = "{\"events\":[".repeat(500_000);
    let mut letters = place.context.bus.dead_letters(8).await.unwrap();
    for (request, why) in [
        (event, "recursion limit exceeded"),
        (Request::github(name), "`repository.full_name`: invalid type: sequence"),
        (Request::registry(&open), "cannot be read"),
    ] {
        let id = place.send(&request).await;
        let parcel = timeout(PATIENCE, letters.next()).await.expect("a dead letter").unwrap();
        let letter = &parcel.letter;
        assert_eq!((letter.worker, letter.attempts), (Some(WorkerName::Normalizer), 1));
        assert!(letter.reason.contains(why) && letter.reason.len() < 1000, "{}", letter.reason);
        assert_eq!(letter.message.attribute("id"), id);
        assert!(letter.message.body == **request.body, "to the byte");
        parcel.ack().await.unwrap();
    }

    let commit = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
    let mut pushes = place.context.bus.consume(WorkerName::Builder, 1).await.unwrap();
    // What nobody reads may be as deep as it likes.
    let rest = deep("[", "]");
    let push = format!(
        r#"{{"ref":"refs/heads/main","x":{rest},"before":"{commit}","after":"{commit}","repository":{{"full_name":"acme/shop"}}}}"#
    );
    place.send(&Request::github(push)).await;
    let delivery = timeout(PATIENCE, pushes.next()).await.expect("a push").unwrap();
    let Data::PushReceived(push) = Event::from_message(&delivery.message).unwrap().data else { panic!("no push") };
    assert_eq!(push.change.commit.as_str(), commit);
    delivery.ack().await.unwrap();
    drop((letters, pushes));
    place.end().await;
}
