//! Watches: streams of events, one JSON object a line.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::api::{Query, failure};
use super::objects::{Cluster, Signal};

/// How long a watch lasts that does not say; the real server takes a random time of at least half an hour.
const DEFAULT: Duration = Duration::from_mins(30);

struct Watch {
    cluster: Arc<Cluster>,
    signal: Receiver<Signal>,
    cuts: u64,
    namespace: Option<String>,
    query: Query,
    /// The last version seen; unknown until the present has been sent.
    version: Option<u64>,
    end: Instant,
    over: bool,
}

pub(super) fn open(namespace: Option<String>, query: Query, cluster: Arc<Cluster>) -> HttpResponse {
    let asked = query.resource_version.as_deref().filter(|version| !matches!(*version, "" | "0"));
    let Ok(version) = asked.map(str::parse).transpose() else {
        return HttpResponse::BadRequest().json(failure(400, "BadRequest", "invalid resource version"));
    };
    let signal = cluster.subscribe();
    let cuts = signal.borrow().cuts;
    let end = Instant::now() + query.timeout_seconds.map_or(DEFAULT, Duration::from_secs);
    let watch = Watch { cluster, signal, cuts, namespace, query, version, end, over: false };
    HttpResponse::Ok().content_type("application/json").streaming(stream::unfold(watch, next))
}

type Chunk = Result<Bytes, std::io::Error>;

/// The next events, the end, or the cut.
async fn next(mut watch: Watch) -> Option<(Chunk, Watch)> {
    while !watch.over {
        let signal = *watch.signal.borrow_and_update();
        if signal.cuts != watch.cuts {
            return Some(watch.cut());
        }
        let lines = watch.lines();
        if !lines.is_empty() {
            return Some((Ok(lines.into()), watch));
        }
        match tokio::time::timeout_at(watch.end, watch.signal.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return watch.bookmark(),
        }
    }
    None
}

impl Watch {
    /// What has happened since the last time.
    fn lines(&mut self) -> String {
        let Some(version) = self.version else { return self.present() };
        let Some(events) = self.cluster.since(version) else {
            self.over = true;
            let text = format!("too old resource version: {version}");
            return line("ERROR", &failure(410, "Expired", &text));
        };
        let mut lines = String::new();
        for event in events {
            self.version = Some(event.version);
            let here = self.namespace.as_ref().is_none_or(|of| event.key.namespace == *of);
            if here && self.query.selects(&event.key.name) {
                lines.push_str(&line(event.kind, &event.object));
            }
        }
        lines
    }

    /// Without a version a watch begins with what is there.
    fn present(&mut self) -> String {
        let (objects, version) = self.cluster.list(self.namespace.as_deref());
        self.version = Some(version);
        let here = objects.iter().filter(|(key, _)| self.query.selects(&key.name));
        here.map(|(_, object)| line("ADDED", object)).collect()
    }

    /// A watch that ends in its time says how far it came, if it was asked to.
    fn bookmark(mut self) -> Option<(Chunk, Self)> {
        self.over = true;
        let wanted = self.query.allow_watch_bookmarks.as_deref() == Some("true");
        let version = self.version.filter(|_| wanted)?;
        let object = json!({
            "kind": "Application", "apiVersion": "argoproj.io/v1alpha1",
            "metadata": { "resourceVersion": version.to_string(), "creationTimestamp": null }, "spec": {}, "status": {},
        });
        Some((Ok(line("BOOKMARK", &object).into()), self))
    }

    /// Half an event, then an error that makes the server cut the connection.
    fn cut(mut self) -> (Chunk, Self) {
        if self.cuts == u64::MAX {
            self.over = true;
            return (Err(std::io::Error::other("told to cut the watch")), self);
        }
        self.cuts = u64::MAX;
        (Ok(Bytes::from_static(b"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Appl")), self)
    }
}

fn line(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({ "type": kind, "object": object }))
}
