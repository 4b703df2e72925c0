//! What GitHub says of images in its registry.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{config, github, ignored, only, read};
use proto::Data;
use serde_json::{Value, json};

const DIGEST: &str = "sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498";

fn package() -> Value {
    json!({
        "action": "published",
        "package": {
            "id": 1, "name": "shop-frontend", "namespace": "Acme", "ecosystem": "CONTAINER", "package_type": "CONTAINER",
            "owner": { "login": "Acme" },
            "package_version": {
                "id": 2, "version": DIGEST, "name": DIGEST, "package_url": "ghcr.io/Acme/shop-frontend:main",
                "container_metadata": {
                    "tag": { "name": "main", "digest": DIGEST },
                    "labels": {}, "manifest": { "digest": DIGEST, "media_type": "application/vnd.oci.image.index.v1+json" },
                },
            },
        },
        "repository": { "full_name": "Acme/Shop" },
    })
}

fn edited(pointer: &str, new: impl Into<Value>) -> Value {
    let mut value = package();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(&format!("/package{parent}")).unwrap()[key] = new.into();
    value
}

fn pushed(event: &str, body: &Value) -> (String, proto::ImagePushed) {
    let (subject, data) = only(&read(&config(), &github(event, body)));
    let Data::ImagePushed(pushed) = data else { panic!("{data:?}") };
    (subject, pushed)
}

#[test]
fn an_image_is_found_by_its_name_in_lower_case() {
    let (subject, image) = pushed("package", &package());
    assert_eq!(subject, format!("frontend:main@{DIGEST}"));
    assert_eq!((image.app.as_str(), image.image.as_str()), ("shop", "ghcr.io/acme/shop-frontend"));
    assert_eq!((image.tag.as_deref(), image.digest.unwrap().as_str()), (Some("main"), DIGEST));
}

#[test]
fn an_app_of_github_gets_it_under_another_name() {
    let body = json!({ "action": "updated", "registry_package": package()["package"], "repository": {} });
    assert_eq!(pushed("registry_package", &body).0, format!("frontend:main@{DIGEST}"));
}

#[test]
fn the_url_may_end_in_a_colon_or_be_absent_and_the_type_may_be_docker() {
    for body in [
        edited("/package_version/package_url", "ghcr.io/Acme/shop-frontend:"),
        edited("/package_version/package_url", Value::Null),
        edited("/package_version/package_url", ""),
        edited("/package_type", "docker"),
    ] {
        assert_eq!(pushed("package", &body).0, format!("frontend:main@{DIGEST}"));
    }
}

#[test]
fn a_digest_is_no_tag_and_no_digest_is_made_up() {
    let by_digest = edited("/package_version/container_metadata/tag/name", DIGEST);
    let (subject, image) = pushed("package", &by_digest);
    assert_eq!((subject, image.tag), (format!("frontend@{DIGEST}"), None));

    // GitHub's own example has a commit id where the digest belongs.
    let mut odd =
        edited("/package_version/container_metadata/tag/digest", "sha256:6c62fb45fe66bfb1ea9a66abc38f6a0cc974292b");
    odd["package"]["package_version"]["container_metadata"]["manifest"] = Value::Null;
    odd["package"]["package_version"]["version"] = "1.0".into();
    let (subject, image) = pushed("package", &odd);
    assert_eq!((subject.as_str(), image.digest), ("frontend:main", None));

    let bare = edited("/package_version/container_metadata", Value::Null);
    assert_eq!(pushed("package", &bare).0, format!("frontend:main@{DIGEST}"), "the URL's tag, the version's digest");
}

#[test]
fn other_packages_and_untagged_images_are_ignored() {
    let mut untagged = edited("/package_version/package_url", "ghcr.io/Acme/shop-frontend:");
    untagged["package"]["package_version"]["container_metadata"]["tag"]["name"] = "".into();
    let mut npm = edited("/package_type", "npm");
    npm["package"]["package_version"]["container_metadata"] = Value::Null;
    let mut deleted = package();
    deleted["action"] = "deleted".into();
    let mut foreign = edited("/name", "other");
    foreign["package"]["package_version"]["package_url"] = "ghcr.io/acme/other:main".into();
    for (body, named) in [
        (untagged, "without a tag"),
        (npm, "npm"),
        (deleted, "deleted"),
        (foreign, "ghcr.io/acme/other"),
        (edited("/package_version", Value::Null), "no image"),
    ] {
        let reason = ignored(&read(&config(), &github("package", &body)));
        assert!(reason.contains(named), "{named}: {reason}");
    }
}
