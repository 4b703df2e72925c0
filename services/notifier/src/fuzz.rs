//! Fuzz targets: what is told to Slack, whatever is in the events.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use proto::Event;
use serde_json::Value;
use testkit::fuzz::{Fuzz, Input};

use crate::{message::Message, text};

/// An event as the samples of the vocabulary write it.
fn event(input: &Input) -> Option<Event> {
    let file: Value = serde_json::from_slice(&input.bytes).ok()?;
    let attributes = serde_json::from_value(file["attributes"].clone()).ok()?;
    let message =
        proto::Message { attributes, content_type: proto::JSON.to_owned(), body: file["body"].to_string().into() };
    Event::from_message(&message).ok()
}

/// Slack takes it, and nothing in it can mention anybody or lead anywhere, but to the console at its end.
fn told(input: &Input) -> String {
    let Some(message) = event(input).as_ref().and_then(Message::of) else { return "nothing".to_owned() };
    let payload = message.payload(true, None);
    let mut with_link = message.payload(true, Some(&"https://windlass.example".parse().unwrap()));
    let last = with_link["blocks"].as_array_mut().unwrap().pop().unwrap();
    let footer = last["elements"][0]["text"].as_str().unwrap();
    assert!(footer.matches('<').count() == 1 && footer.contains(" · <https://windlass.example/"), "{footer}");
    assert_eq!(
        with_link["blocks"].as_array().unwrap()[..],
        payload["blocks"].as_array().unwrap()[..blocks_before(&payload)]
    );
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        if block["type"] == "actions" {
            assert!(block["elements"][0]["value"].as_str().unwrap().len() <= 400, "{block}");
            let says = block["elements"][0]["confirm"]["text"]["text"].as_str().unwrap();
            assert!((1..=300).contains(&says.chars().count()) && !says.contains(['<', '>']), "{says}");
            continue;
        }
        let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap();
        assert!((1..=3000).contains(&text.chars().count()), "{} characters", text.chars().count());
        assert!(!text.contains(['<', '>', '\0']), "{text}");
        for rest in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;"].iter().any(|known| rest.starts_with(known)), "{text}");
        }
    }
    assert!(!payload["text"].as_str().unwrap().contains(['<', '>']));
    format!("{:?} in {}", message.topic, blocks.len())
}

/// How many blocks stand before the footer.
fn blocks_before(payload: &Value) -> usize {
    payload["blocks"].as_array().unwrap().len() - 1
}

#[test]
fn messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/samples");
    let samples = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let words = ["<!channel>", "<@U1>", "&", "&amp;", "```", "`", "failed", "\"passed\":false", "*", "_"];
    Fuzz::new("messages").count(1_500).seeds(samples).words(&words).run(told);
}

#[test]
fn texts() {
    let target = |input: &Input| {
        let all = String::from_utf8_lossy(&input.bytes);
        for max in [20, 300, 3000] {
            for cut in [text::start(&all, max), text::block(&all, max)] {
                assert!(cut.chars().count() <= max.max(20), "{max}: {}", cut.chars().count());
            }
        }
        assert!(!text::code(&all).contains('\n') && text::code(&all).matches('`').count() == 2);
        assert_eq!(text::block(&all, 3000).matches("```").count(), 2);
        format!("{} {}", text::start(&all, 300).ends_with('…'), text::block(&all, 300).starts_with("```\n…"))
    };
    Fuzz::new("texts")
        .count(800)
        .seeds(["a < b & c > d", "```\nx\n```", "``` `` `"])
        .words(&["```", "`", "<", "&", "…"])
        .run(target);
}
