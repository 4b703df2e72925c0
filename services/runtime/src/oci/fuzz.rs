//! Fuzz targets: what registries answer.

use testkit::fuzz::{Fuzz, Input};

use super::{challenge, wire};

#[test]
fn challenges() {
    let target = |input: &Input| match input.text().and_then(challenge::parse) {
        None => "none".to_owned(),
        Some(challenge::Challenge::Basic) => "basic".to_owned(),
        Some(challenge::Challenge::Bearer { realm, service, scope }) => {
            // Whatever is taken out of the header stood in it.
            let text = input.text().unwrap_or_default();
            for part in [Some(&realm), service.as_ref(), scope.as_ref()].into_iter().flatten() {
                assert!(text.contains(part.as_str()), "{part} of {text}");
            }
            format!("bearer, {} {}", service.is_some(), scope.is_some())
        }
    };
    let seeds = [
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
        r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:user/image:pull",error="invalid_token""#,
        "bearer service=reg, realm=https://auth.example/token",
        r#"BASIC realm="Registry Realm""#,
        "Negotiate",
    ];
    let words = ["realm=", "service=", "scope=", "\"", ",", "=", "Bearer ", "Basic"];
    Fuzz::new("challenges").count(10_000).seeds(seeds).words(&words).run(target);
}

#[test]
fn manifests() {
    let target = |input: &Input| {
        let manifest: wire::Manifest = match serde_json::from_slice(&input.bytes) {
            Ok(manifest) => manifest,
            Err(error) => return error.to_string(),
        };
        let chosen = wire::choose(&manifest.manifests);
        let config = manifest.config.as_ref().is_some_and(wire::Descriptor::is_image_config);
        let labels = serde_json::from_slice::<wire::ImageConfig>(&input.bytes).is_ok_and(|c| c.config.is_some());
        let others = serde_json::from_slice::<wire::Token>(&input.bytes).is_ok_and(|t| t.token.is_some());
        let problems = serde_json::from_slice::<wire::Errors>(&input.bytes).is_ok_and(|e| !e.errors.is_empty());
        format!("{} {config} {labels} {others} {problems}", chosen.map_or("", |chosen| chosen.media_type.as_str()))
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    let of = |platform: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":7,"platform":{platform}}}"#
        )
    };
    let amd64 = of(r#"{"os":"linux","architecture":"amd64"}"#);
    let unknown = of(r#"{"os":"unknown","architecture":"unknown"}"#);
    let config = "application/vnd.oci.image.config.v1+json";
    let seeds = [
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{unknown},{amd64}]}}"#
        ),
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}","digest":"{digest}","size":1}},"layers":[],"annotations":{{"a":"b"}}}}"#
        ),
        r#"{"config":{"Labels":{"org.opencontainers.image.revision":"x"},"Env":[]},"rootfs":{}}"#.to_owned(),
        r#"{"token":"x","access_token":"y","expires_in":300}"#.to_owned(),
        r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#.to_owned(),
    ];
    Fuzz::new("manifests")
        .seeds(seeds)
        .words(&["manifests", "config", "digest", "platform", "Labels", "null"])
        .run(target);
}
