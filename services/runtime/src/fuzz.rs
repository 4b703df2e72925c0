//! Fuzz targets: events on the wire, names as strangers write them, and what people write into the config.
#![allow(clippy::unwrap_used)]

use std::path::{Component, Path};

use proto::{AppName, Branch, CommitSha, Digest, Event, EventType, ImageName, Message};
use serde_json::Value;
use testkit::fuzz::{Fuzz, Input};

use crate::config::{
    AddressRange, BranchPattern, Config, Lookup, PathPattern, RelativePath, SecretRef, TagRule, Template,
};

/// A message as the samples in `samples/` write it.
fn message(text: &str) -> Option<Message> {
    let file: Value = serde_json::from_str(text).ok()?;
    let body = match &file["body"] {
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let attributes = file["attributes"].as_object()?.iter().map(|(name, value)| (name.clone(), text(value)));
    Some(Message { attributes: attributes.collect(), content_type: text(&file["content_type"]), body: body.into() })
}

/// What is read is written again as what it was read from, to the value.
fn event(input: &Input) -> String {
    let Some(message) = input.text().and_then(message) else { return "no message".to_owned() };
    assert!(message.routing_key().contains('.'));
    match Event::from_message(&message) {
        Err(error) => error.to_string(),
        Ok(event) => {
            let again = Event::from_message(&event.to_message());
            assert_eq!(again.unwrap(), event, "to the wire and back");
            format!("{}: {} keys", event.kind(), event.data.to_json().as_object().map_or(0, serde_json::Map::len))
        }
    }
}

#[test]
fn events() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/samples");
    let samples = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let kinds: Vec<_> = EventType::ALL.iter().map(|kind| kind.as_str()).collect();
    let attributes = ["id", "source", "type", "subject", "time", "replay", "causationid", "header", "webhooksource"];
    Fuzz::new("events").count(2_000).seeds(samples).words(&kinds).words(&attributes).run(event);
}

/// What passes for a name can do no harm where names go: into paths, routing keys, Git's and the shell's arguments.
fn name(input: &Input) -> String {
    let Some(text) = input.text() else { return "no text".to_owned() };
    let mut is = Vec::new();
    if let Ok(app) = AppName::new(text) {
        assert!(app.as_str() == text && !text.contains(['.', '/', '*', '#', ' ', '\0']) && !text.starts_with('-'));
        is.push("app");
    }
    if let Ok(branch) = Branch::new(text) {
        assert!(!text.contains("..") && !text.starts_with(['-', '/']) && !text.contains(char::is_control));
        let tag = branch.as_tag();
        let starts_well = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let plain = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        assert!(starts_well && plain && tag.len() <= 128, "{text}: {tag}");
        is.push("branch");
    }
    if let Ok(image) = ImageName::new(text) {
        let canonical = image.canonical();
        assert_eq!(canonical.canonical(), canonical, "{text}");
        assert_eq!(ImageName::new(canonical.as_str()).unwrap(), canonical, "{text}");
        assert_eq!(format!("{}/{}", image.registry(), image.repository()), text);
        is.push("image");
    }
    if let Ok(commit) = CommitSha::new(text) {
        assert_eq!(commit.short().len(), 12);
        is.push("commit");
    }
    match Digest::new(text) {
        Ok(digest) => {
            assert_eq!(digest.short().len(), 19);
            is.push("digest");
        }
        Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
    }
    is.join(" and ")
}

#[test]
fn names() {
    let seeds = [
        "backstage-2",
        "hotfix/login-500",
        "release/1.2",
        "träger",
        "ghcr.io/acme/shop-frontend",
        "127.0.0.1:5000/acme/web",
        "[::1]:5000/a",
        "index.docker.io/nginx",
        "ghcr.io:443/acme/web",
        "0123456789abcdef0123456789abcdef01234567",
        "sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498",
    ];
    let words =
        [".lock", "@{", "..", "//", "/.", "docker.io", "registry-1.docker.io/", ":443", "library/", "localhost/"];
    Fuzz::new("names").count(10_000).seeds(seeds).words(&words).run(name);
}

/// A config, whole or wrong; an error says where, in bounded words, and repeats no secret.
fn config(input: &Input) -> String {
    let Some(text) = input.text() else { return "no text".to_owned() };
    match Config::parse(text, Path::new("windlass.yaml")) {
        Ok(config) => format!("{} sources and {} apps", config.sources.len(), config.apps.len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn configs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let readme = text("README.md");
    let ours = readme.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()));
    let senders = text("services/receiver/SENDERS.md");
    let senders = senders.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0.to_owned()));
    let words = [
        "kind: ",
        "secrets: ",
        "env:X",
        "file:/x",
        "apps:",
        "sources:",
        "repository: ",
        "deploy: ",
        "test: ",
        "scan: ",
        "components: ",
        "environments: ",
        "after: ",
        "sync: ",
        "health: ",
        "timeout: 1h",
        "rate: { per_second: 1 }",
        "insecure: true",
        "proof: ",
        "read: ",
        "network: { allow: [127.0.0.0/8] }",
        "off",
        "~",
        "- ",
        "? ",
        "|\n",
        "!!",
    ];
    let seeds = ours.chain(senders).chain([text("deploy/windlass.yaml")]);
    Fuzz::new("configs").count(700).seeds(seeds).words(&words).run(config);
}

/// Values with a rule of their own; a pattern is matched against what stands after the first line feed.
fn value(input: &Input) -> String {
    let Some(text) = input.text() else { return "no text".to_owned() };
    let (first, rest) = text.split_once('\n').unwrap_or((text, "main"));
    // The config's own, and compiled once: a long one takes long, which is nobody else's time.
    if first.len() > 80 {
        return "long".to_owned();
    }
    let mut is = Vec::new();
    if let Ok(pattern) = BranchPattern::try_from(first.to_owned()) {
        let (plain, list) = (pattern.plain().map(ToOwned::to_owned), [pattern]);
        let is_in = BranchPattern::let_in(&list, rest);
        assert!(plain.is_none_or(|plain| is_in == (plain == rest)), "{text}");
        is.push(if is_in { "a pattern that matches" } else { "a pattern" });
        is.push(if BranchPattern::let_tag_in(&list, rest) { "its tag" } else { "not its tag" });
    }
    if let Ok(pattern) = PathPattern::try_from(first.to_owned()) {
        is.push(if PathPattern::let_in(&[pattern], rest) { "a file" } else { "not its file" });
    }
    if let Ok(rule) = tag_rule(first) {
        is.push(rule.refusal(rest).map_or("a tag", |(key, _)| key));
        let order = rule.compare(rest, "1.2.3");
        assert_eq!(rule.compare("1.2.3", rest), order.map(std::cmp::Ordering::reverse), "{text}");
    }
    if let Ok(path) = RelativePath::try_from(first.to_owned()) {
        let below = Path::new(path.as_str()).components().all(|part| matches!(part, Component::Normal(_)));
        assert!(below && !path.as_str().starts_with('-'), "{first}");
        is.push("a path");
    }
    if let Ok(range) = AddressRange::try_from(first.to_owned()) {
        assert_eq!(range.network(), range.network().trunc());
        is.push("a network");
    }
    if Lookup::try_from(first.to_owned()).is_ok() {
        is.push("a pointer");
    }
    if let Ok(template) = Template::try_from(first.to_owned()) {
        let body: Value = serde_json::from_str(rest).unwrap_or_default();
        let filled = template.fill(&body, &body);
        is.push(filled.map_or("a template of no text", |text| text.map_or("a template", |_| "a filled template")));
    }
    match SecretRef::try_from(first.to_owned()) {
        Ok(_) => is.push("a secret's place"),
        Err(why) => assert_eq!(why, SecretRef::try_from(String::new()).unwrap_err(), "the text may be a secret"),
    }
    is.join(", ")
}

/// The rule that a text is: `semver: >=1`, `regex: ^v`, `glob: v*`; by number or by the alphabet where that can be.
fn tag_rule(text: &str) -> Result<TagRule, serde_json::Error> {
    let (key, value) = text.split_once(": ").unwrap_or(("glob", text));
    let order = if text.len().is_multiple_of(2) { "numerical" } else { "alphabetical" };
    let order = Some(order).filter(|_| key != "semver");
    serde_json::from_value(serde_json::json!({ key: value, "order": order }))
}

#[test]
fn values() {
    let seeds = [
        "main",
        "hotfix/*\nhotfix/login",
        "release/**\nrelease/1/2",
        "*a*a*a*a*\naaaaaaaaaaaaaaaaaaab",
        "!**/{a,b*}/[a-c]?\na/b/c1",
        "semver: >=1.2, <2 || ^3.0.0-rc.1\nv1.3.0",
        "regex: ^main-[0-9a-f]{7}-(?<build>\\d+)$\nmain-0a1b2c3-17",
        "regex: (a*)*b\naaaaaaaaaaaaaaaaaaaaaaaaaaac",
        "glob: {dev,stage}-?\ndev-1",
        "staging/eu",
        "./a/",
        "10.0.0.0/8",
        "fd00::/8",
        "env:SECRET",
        "file:/run/secrets/x",
        "/repository/name\n{\"repository\":{\"name\":\"web\"}}",
        "{^/host}/acme/{/name}\n{\"host\":\"ghcr.io\",\"name\":1}",
    ];
    Fuzz::new("values")
        .count(800)
        .seeds(seeds)
        .words(&[
            "**", "*", "*a", "../", ".git", "~1", "{/", "^/", "a", "{", ",", "}", "[!", "semver: ", "regex: ", "(?<x>",
            "{99}", "||",
        ])
        .run(value);
}
