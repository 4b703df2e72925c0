//! Fuzz targets: what deployments answer, and placeholders.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use testkit::fuzz::{Fuzz, Input};

use super::*;

fn deployment() -> Deployment {
    let digest = format!("sha256:{}", "d".repeat(64));
    serde_json::from_value(json!({
        "app": "shop", "environment": "staging", "repository": "https://git.example/gitops.git", "branch": "main",
        "path": "staging", "revision": "a".repeat(40), "changed": ["web"], "reason": "deploy",
        "release": { "web": { "image": "ghcr.io/acme/web", "digest": digest, "tag": "main" } },
    }))
    .unwrap()
}

#[test]
fn answers() {
    let check: HealthCheck = serde_json::from_value(json!({
        "url": "https://shop.example/health", "contains": "ok", "json": { "/status": "ok", "/web/0/tag": "{web.tag}" },
    }))
    .unwrap();
    let check = Check::health(&check, &deployment()).unwrap();
    let target = |input: &Input| match check.compare(StatusCode::OK, &input.bytes, true, Duration::ZERO) {
        Ok(_) => {
            let body: Value = serde_json::from_slice(&input.bytes).unwrap();
            assert!(body["status"] == "ok" && body["web"][0]["tag"] == "main", "{body}");
            "well".to_owned()
        }
        Err(why) => {
            assert!(why.len() < 8 * SHOWN && !why.contains(char::is_control), "{why}");
            why
        }
    };
    let seeds = [r#"{"status":"ok","web":[{"tag":"main"}]}"#, r#"{"status":"down ok"}"#, "<html>502 ok</html>", ""];
    Fuzz::new("answers").seeds(seeds).words(&["ok", "status", "web", "main"]).run(target);
}

#[test]
fn placeholders() {
    let deployment = deployment();
    let target = |input: &Input| {
        let Some(text) = input.text() else { return "no text".to_owned() };
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        match (fill(text, &deployment), fill_json(&json, &deployment)) {
            (Ok(filled), _) => {
                assert!(text.contains('{') || filled == text);
                assert!(!filled.contains("{revision}") && !filled.contains("{web.digest}"), "{text}: {filled}");
                let url = url(text, &deployment);
                format!("{} {}", filled == text, url.is_ok())
            }
            (Err(why), _) => why.to_string(),
        }
    };
    let seeds = ["https://shop.example/{revision}/{web.tag}", r#"{"tag":"{web.digest}"}"#, "{web.commit}", "{ x }{}"];
    Fuzz::new("placeholders")
        .count(1_000)
        .seeds(seeds)
        .words(&["{", "}", "{revision}", "{web.", "tag}", "digest}"])
        .run(target);
}
