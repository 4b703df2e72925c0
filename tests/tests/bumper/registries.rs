//! Registries that have moved on, lie, fail, or are not there.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, web};
use runtime::{
    Failure,
    config::{Network, Registry as RegistryConfig},
    network::Guard,
    oci::{OciError, Registries},
};
use serde_json::json;
use testkit::{
    http::Server,
    registry_proxy::{Fault, RegistryProxy},
};

use crate::{source, world::*};

/// A world whose registry is reached through a proxy that can be told to misbehave.
async fn proxied() -> (World, RegistryProxy) {
    let mut proxy = None;
    let world = World::behind(CONFIG, |registry| {
        let started = RegistryProxy::start(&registry.url()).unwrap();
        let address = started.address();
        proxy = Some(started);
        address
    });
    (world.await, proxy.unwrap())
}

#[tokio::test]
async fn the_registry_is_believed_and_not_the_payload() {
    let world = World::new().await;
    let (a, b) = (commit('a'), commit('b'));
    let (old, _) = world.push_both(&a).await;
    let (new, _) = world.push_both(&b).await;
    let forged = digest_of(b"forged");
    for said in [&old, &forged] {
        let why = world.ignored(&world.pushed("frontend", "main", Some(said))).await;
        assert!(
            why.contains(&format!("is {} at the registry; the notification said {}", new.short(), said.short())),
            "{why}"
        );
    }
    assert!(world.ignored(&world.built("frontend", &a, &old)).await.contains("at the registry"));
    assert_eq!(world.repo.count(), 1);
    // Where the sender says no digest, the registry's is taken.
    assert_eq!(digests(&world.bump(&world.pushed("frontend", "main", None)).await)["frontend"], new);
}

#[tokio::test]
async fn what_is_gone_is_ignored() {
    let world = World::new().await;
    let why = world.ignored(&world.pushed("frontend", "main", None)).await;
    assert!(why.contains(&format!("{}:main is not in the registry", world.image("frontend"))), "{why}");
}

#[tokio::test]
async fn a_registry_that_fails_is_asked_again_later() {
    let (world, proxy) = proxied().await;
    world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", None);
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Cut] {
        proxy.next(1, &fault);
        let failure = world.handle(&event).await.unwrap_err();
        let Failure::Transient(why) = &failure else { panic!("{fault:?}: {failure:?}") };
        assert!(why.to_string().contains(&format!("{}:main", world.image("frontend"))), "{why}");
    }
    proxy.next(1, &Fault::TooManyRequests(7));
    let failure = world.handle(&event).await.unwrap_err();
    assert!(matches!(failure, Failure::NotYet { after, .. } if after == Duration::from_secs(7)), "{failure:?}");
    for status in [401, 403] {
        proxy.next(1, &Fault::Status(status));
        let why = world.refused(&event).await;
        assert!(why.contains(&format!("`registries.{}`", world.host)), "{why}");
    }
    assert_eq!(world.repo.count(), 1);
    world.bump(&event).await;
}

#[tokio::test]
async fn what_a_person_wrote_stays_while_its_registry_cannot_say_what_it_is() {
    let (world, proxy) = proxied().await;
    let work = world.work().await;
    let line = source::line(&work, 4).await;
    world.healthy(&world.deploy(&line[0]).await).await;
    for component in ["frontend", "backend"] {
        world.push(component, Some(&line[2]), &["fix-2"]).await;
        world.push(component, None, &["unnamed"]).await;
    }
    let by_hand = world.manifest("fix-2");
    world.repo.write(&[("staging/app.yaml", &by_hand)]);
    let older = source::pushed(&world, &line[1]).await;
    proxy.only("/manifests/fix-2");
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Cut] {
        proxy.next(1, &fault);
        let failure = world.handle(&older).await.unwrap_err();
        assert!(matches!(&failure, Failure::Transient(why) if why.to_string().contains(":fix-2")), "{failure:?}");
    }
    proxy.next(1, &Fault::TooManyRequests(7));
    let failure = world.handle(&older).await.unwrap_err();
    assert!(matches!(failure, Failure::NotYet { after, .. } if after == Duration::from_secs(7)), "{failure:?}");
    let why = world.ignored(&older).await;
    assert!(why.contains(&format!("{} is older than {}", line[1].short(), line[2].short())), "{why}");
    assert_eq!(world.repo.text("staging/app.yaml"), by_hand);

    // What nobody could tell another time either goes in the order of arrival, and says so.
    proxy.always(Fault::Status(403));
    let deployed = world.bump(&source::pushed(&world, &line[1]).await).await;
    let note = deployed.note.clone().unwrap();
    let words = format!("whether {} is newer than `fix-2` of the manifest is not known", line[1].short());
    assert!(note.contains(&words) && note.contains(&format!("`registries.{}`", world.host)), "{note}");
    assert!(world.repo.message("main").contains(&words), "{}", world.repo.message("main"));
    proxy.heal();
    for (tag, commit, words) in
        [("gone", &line[2], "it is not in the registry, or no more"), ("unnamed", &line[3], "names no source commit")]
    {
        world.healthy(&world.place("staging").await.asked.unwrap().deployment).await;
        world.repo.write(&[("staging/app.yaml", &world.manifest(tag))]);
        let note = world.bump(&source::pushed(&world, commit).await).await.note.unwrap();
        assert!(note.contains(&format!("`{tag}` of the manifest")) && note.ends_with(words), "{note}");
        assert_eq!(note.matches(words).count(), 1, "{note}");
    }
}

#[tokio::test]
async fn a_registry_that_is_down_is_waited_for() {
    let mut world = World::new().await;
    world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", None);
    world.registry.stop().await.unwrap();
    let failure = world.handle(&event).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Transient(why) if why.to_string().contains("cannot be reached")),
        "{failure:?}"
    );
    world.registry.start_again().await.unwrap();
    world.bump(&event).await;
}

#[tokio::test]
async fn a_registry_that_lies_is_not_deployed_from() {
    let (world, proxy) = proxied().await;
    let (digest, _) = world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", Some(&digest));
    for (only, fault) in
        [("/manifests/", Fault::OtherBody), ("/manifests/", Fault::OtherDigest), ("/blobs/", Fault::OtherBody)]
    {
        proxy.only(only);
        proxy.next(1, &fault);
        let why = world.refused(&event).await;
        assert!(why.contains("contradicts itself") && why.contains("hashes to sha256:"), "{only} {fault:?}: {why}");
        proxy.heal();
    }
    assert_eq!(world.repo.count(), 1);
    // The header is only a courtesy: the bytes are counted.
    proxy.always(Fault::NoDigest);
    assert_eq!(digests(&world.bump(&event).await)["frontend"], digest);
}

#[tokio::test]
async fn an_index_speaks_by_its_first_image() {
    let world = World::new().await;
    let (a, b) = (commit('a'), commit('b'));
    let host = world.registry.address();
    let (arm, amd) = (world.push("frontend", Some(&b), &[]).await, world.push("frontend", Some(&a), &[]).await);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let part = |digest: &proto::Digest, os: &str, architecture: &str| json!({ "mediaType": kind, "digest": digest, "size": 1, "platform": { "os": os, "architecture": architecture } });
    let index = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests":
        [part(&arm, "unknown", "unknown"), part(&arm, "linux", "arm64"), part(&amd, "linux", "amd64")] });
    let kind = "application/vnd.oci.image.index.v1+json";
    let digest = put_manifest(&host, "acme/shop-frontend", kind, &index, &["main"]).await;
    let resolved = world.context.registries.resolve(&world.image("frontend"), "main").await.unwrap().unwrap();
    assert_eq!((&resolved.digest, resolved.revision.as_ref(), resolved.media_type.as_str()), (&digest, Some(&a), kind));
}

#[derive(Default)]
struct Script {
    asked: Mutex<Vec<String>>,
}

fn authorization(request: &HttpRequest) -> String {
    request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// A registry that hands out tokens, sends blobs elsewhere, and answers oddly under odd tags.
async fn scripted(request: HttpRequest, script: web::Data<Script>) -> HttpResponse {
    let (path, host) = (request.path().to_owned(), request.connection_info().host().to_owned());
    script.asked.lock().unwrap().push(format!("{path} {}", authorization(&request)));
    let config = json!({ "config": { "Labels": { "org.opencontainers.image.revision": "c".repeat(40) } } }).to_string();
    let manifest = json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config":
        { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(config.as_bytes()), "size": config.len() },
        "layers": [] });
    match path.as_str() {
        "/token" if authorization(&request) == "Basic bWU6aHVudGVyMg==" => {
            assert_eq!(request.query_string(), "service=reg&scope=repository%3Aa%2Fb%3Apull");
            HttpResponse::Ok().json(json!({ "access_token": "t0ken" }))
        }
        "/token" => HttpResponse::Unauthorized().finish(),
        "/storage" => HttpResponse::Ok().body(config),
        _ if authorization(&request) != "Bearer t0ken" => HttpResponse::Unauthorized()
            .insert_header((
                "www-authenticate",
                format!(r#"Bearer realm="http://{host}/token",service="reg",scope="repository:a/b:pull""#),
            ))
            .finish(),
        "/v2/a/b/manifests/good" => HttpResponse::Ok().json(manifest),
        "/v2/a/b/manifests/away" => {
            HttpResponse::Found().insert_header(("location", "http://127.0.0.2:1/evil")).finish()
        }
        "/v2/a/b/manifests/page" => HttpResponse::NotFound().content_type("text/html").body("<h1>default backend</h1>"),
        "/v2/a/b/manifests/none" => {
            HttpResponse::NotFound().json(json!({ "errors": [{ "code": "MANIFEST_UNKNOWN" }] }))
        }
        "/v2/a/b/manifests/text" => HttpResponse::Ok().body("hello"),
        "/v2/a/b/manifests/huge" => HttpResponse::Ok().body(vec![b' '; 5 << 20]),
        _ => HttpResponse::TemporaryRedirect()
            .insert_header(("location", format!("http://{}/storage", host.replace("127.0.0.1", "localhost"))))
            .finish(),
    }
}

fn guard(allow: &[&str]) -> Guard {
    Guard::new(&Network { allow: allow.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect() })
}

/// A registry that leads to another address for its tokens, for its manifests, or for its blobs.
async fn leading(request: HttpRequest, inside: web::Data<String>) -> HttpResponse {
    let away = || {
        HttpResponse::TemporaryRedirect().insert_header(("location", format!("http://{}/x", inside.as_str()))).finish()
    };
    let config =
        json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest_of(b"{}"), "size": 2 });
    match request.path().rsplit('/').next().unwrap_or_default() {
        "token" => HttpResponse::Unauthorized()
            .insert_header(("www-authenticate", format!(r#"Bearer realm="http://{}/token""#, inside.as_str())))
            .finish(),
        "blob" => HttpResponse::Ok().json(json!({ "schemaVersion": 2, "config": config, "layers": [] })),
        _ => away(),
    }
}

#[tokio::test]
async fn a_registry_leads_nobody_inside() {
    let canary = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let inside = web::Data::new(canary.local_addr().unwrap().to_string());
    let server = Server::start(move |app| {
        app.app_data(inside.clone()).default_service(web::to(leading));
    });
    let host = server.as_ref().unwrap().address();
    let plain = |host: String| (host, RegistryConfig { plain_http: true, ..RegistryConfig::default() });
    let within = canary.local_addr().unwrap().to_string();
    let hosts = BTreeMap::from([plain(host.clone()), plain(within.clone())]);
    let ours = Registries::new(&hosts, &guard(&["127.0.0.1"])).unwrap();
    for (image, tag) in
        [(format!("{host}/a/b"), "token"), (format!("{host}/a/b"), "blob"), (format!("{within}/a/b"), "x")]
    {
        let error = ours.resolve(&image.parse().unwrap(), tag).await.unwrap_err();
        assert!(matches!(error, OciError::Blocked { .. }) && !error.is_transient(), "{error}");
        let words = [&format!("{image}:{tag}"), "127.0.0.2", "`network.allow`"];
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
    // Manifests come from the registry itself or not at all.
    let error = ours.resolve(&format!("{host}/a/b").parse().unwrap(), "away").await.unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
    assert!(canary.accept().is_err(), "somebody was led inside");
}

#[tokio::test]
async fn tokens_redirects_and_oddities() {
    let script = web::Data::from(Arc::new(Script::default()));
    let data = script.clone();
    let server = Server::start(move |app| {
        app.app_data(data.clone()).default_service(web::to(scripted));
    });
    let host = server.as_ref().unwrap().address();
    let folder = testkit::folder::Folder::new("oci").unwrap();
    let secret = folder.write("password", "hunter2\n").unwrap();
    let config = RegistryConfig {
        username: Some("me".to_owned()),
        password: Some(format!("file:{}", secret.display()).try_into().unwrap()),
        plain_http: true,
        poll: None,
    };
    let registries = |config: &RegistryConfig| {
        Registries::new(&BTreeMap::from([(host.clone(), config.clone())]), &guard(&["127.0.0.0/8", "::1"])).unwrap()
    };
    let ours = registries(&config);
    let image = format!("{host}/a/b").parse().unwrap();
    let good = ours.resolve(&image, "good").await.unwrap().unwrap();
    assert_eq!(good.revision, Some(commit('c')));
    let asked = script.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|line| line == "/storage "), "the token went to the storage provider: {asked:?}");

    assert_eq!(ours.resolve(&image, "none").await.unwrap(), None);
    let error = |tag: &'static str| {
        let (ours, image) = (&ours, &image);
        async move { ours.resolve(image, tag).await.unwrap_err() }
    };
    for (tag, is_transient, wanted) in [
        ("away", false, "another server"),
        // What stands before a registry that is away answers so; the image is not gone.
        ("page", true, "404"),
        ("text", false, "manifest cannot be read"),
        ("huge", false, "more than 4194304 bytes"),
        ("../x", false, "neither a tag nor a digest"),
    ] {
        let error = error(tag).await;
        assert_eq!(error.is_transient(), is_transient, "{error}");
        assert!(
            error.to_string().contains(wanted) && error.to_string().contains(&format!("{host}/a/b:{tag}")),
            "{error}"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    // The secret is read at each use: a file that changes is a rotation.
    folder.write("password", "wrong").unwrap();
    let refused = ours.resolve(&image, "good").await.unwrap_err();
    assert!(matches!(&refused, OciError::Refused { why, .. } if why.contains("password")), "{refused}");
    let nobody = registries(&RegistryConfig { plain_http: true, ..RegistryConfig::default() });
    let refused = nobody.resolve(&image, "good").await.unwrap_err();
    assert!(refused.to_string().contains("give `registries."), "{refused}");
    assert!(ours.resolve(&"127.0.0.1:1/a/b".parse().unwrap(), "x").await.unwrap_err().is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_looked_up_slowly_does_not_overwrite_a_newer_one() {
    let (world, proxy) = proxied().await;
    let (a, b) = (commit('a'), commit('b'));
    let (old, _) = world.push_both(&a).await;
    // The older release knows what it wants, but for its backend.
    let slow = format!("/acme/shop-backend/manifests/{a}");
    proxy.only(&slow);
    proxy.always(Fault::Slow(Duration::from_secs(2)));
    let older = world.pushed("frontend", "main", Some(&old));
    let newer = async {
        let asked = async || proxy.requests().iter().any(|request| request.contains(&slow));
        testkit::wait::until_true(Duration::from_secs(20), "the older release to be looked up", asked).await.unwrap();
        world.fix(&b).await
    };
    let (older, newer) = tokio::join!(world.handle(&older), newer);
    assert_eq!(deployments(&older.unwrap()).len(), 1);
    assert_eq!(newer.revision.as_str(), world.repo.head());
    assert!(world.repo.text("staging/app.yaml").contains(b.as_str()));
}
