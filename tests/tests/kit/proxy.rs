//! The registry that misbehaves.

use std::time::{Duration, Instant};

use testkit::http;
use testkit::registry::{Image, Registry, digest_of, push, resolve};
use testkit::registry_proxy::{Fault, RegistryProxy};

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_passes_on_or_spoils_what_the_registry_says() {
    let registry = Registry::start(&[]).await.unwrap();
    let proxy = RegistryProxy::start(&registry.url()).unwrap();
    let digest = push(&proxy.url(), "app", &["main"], &Image::of("1", "https://example.com")).await.unwrap();
    assert_eq!(registry.resolve("app", "main").await.unwrap().as_ref(), Some(&digest), "uploads go through it");
    assert_eq!(resolve(&proxy.url(), "app", "main").await.unwrap().as_ref(), Some(&digest));
    let manifest = || get(&proxy, "/v2/app/manifests/main");
    let (status, told, body) = manifest().await.unwrap();
    assert_eq!((status, told.as_deref(), digest_of(&body)), (200, Some(digest.as_str()), digest.clone()));

    proxy.next(1, &Fault::OtherBody);
    let (_, told, body) = manifest().await.unwrap();
    assert_eq!(told.as_ref(), Some(&digest));
    assert_ne!(digest_of(&body), digest);
    proxy.next(1, &Fault::OtherDigest);
    let (_, told, body) = manifest().await.unwrap();
    assert_ne!(told.as_ref(), Some(&digest));
    assert_eq!(digest_of(&body), digest);
    proxy.next(1, &Fault::NoDigest);
    assert_eq!(manifest().await.unwrap().1, None);
    proxy.next(1, &Fault::Cut);
    assert!(manifest().await.is_err());
    proxy.next(2, &Fault::Status(500));
    assert_eq!((manifest().await.unwrap().0, manifest().await.unwrap().0), (500, 500));
    proxy.next(1, &Fault::Slow(Duration::from_millis(200)));
    let started = Instant::now();
    manifest().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));

    proxy.always(Fault::TooManyRequests(3));
    proxy.only("/manifests/");
    assert_eq!(manifest().await.unwrap().0, 429);
    assert_eq!(get(&proxy, "/v2/").await.unwrap().0, 200);
    proxy.heal();
    assert_eq!(manifest().await.unwrap().0, 200);
    assert!(proxy.requests().contains(&"HEAD /v2/app/manifests/main".to_owned()));
}

async fn get(proxy: &RegistryProxy, path: &str) -> reqwest::Result<(u16, Option<String>, Vec<u8>)> {
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let answer = http::client().get(format!("{}{path}", proxy.url())).header("Accept", manifest).send().await?;
    let told = answer.headers().get("docker-content-digest").map(|value| value.to_str().unwrap().to_owned());
    Ok((answer.status().as_u16(), told, answer.bytes().await?.to_vec()))
}
