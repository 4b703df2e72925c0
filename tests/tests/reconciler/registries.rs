//! Registries of other kinds: lists in pages, and such as know no HEAD.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use proto::ImageName;
use runtime::{config, network::Guard, oci::Registries};
use testkit::http::Server;

const MANIFEST: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}"#;
const DIGEST: &str = "sha256:e2c6f6b1b4a9f2d9f9d6c0b2f6f0a6d9e1f2a3b4c5d6e7f8091a2b3c4d5e6f70";

/// How the registry behaves, and what it was asked.
#[derive(Default)]
struct Manners {
    heads: bool,
    next: Option<String>,
    asked: Vec<String>,
}

async fn answer(request: HttpRequest, manners: web::Data<Mutex<Manners>>) -> HttpResponse {
    let mut manners = manners.lock().unwrap();
    manners.asked.push(format!("{} {}", request.method(), request.uri()));
    let mut found = HttpResponse::Ok();
    found.insert_header(("docker-distribution-api-version", "registry/2.0"));
    match (request.method() == Method::HEAD, request.uri().to_string().as_str()) {
        (_, "/v2/acme/web/tags/list?n=1000") => {
            let next = manners.next.clone().unwrap_or_default();
            found.insert_header(("Link", format!("<{next}>; rel=\"next\""))).body(r#"{"tags":["a","b"]}"#)
        }
        (_, "/v2/acme/web/tags/list?n=1000&last=b") => found.body(r#"{"name":"acme/web","tags":["c"]}"#),
        (_, "/v2/acme/none/tags/list?n=1000") => found.body(r#"{"name":"acme/none","tags":null}"#),
        (true, "/v2/acme/web/manifests/main") if manners.heads => {
            found.insert_header(("Docker-Content-Digest", DIGEST)).finish()
        }
        (true, _) => HttpResponse::MethodNotAllowed().finish(),
        (false, "/v2/acme/web/manifests/main") => {
            found.content_type("application/vnd.oci.image.manifest.v1+json").body(MANIFEST)
        }
        _ => HttpResponse::NotFound().json(serde_json::json!({ "errors": [{ "code": "MANIFEST_UNKNOWN" }] })),
    }
}

struct Place {
    manners: Arc<Mutex<Manners>>,
    registries: Registries,
    server: Server,
}

impl Place {
    fn open(heads: bool, next: &str) -> Self {
        let manners = Arc::new(Mutex::new(Manners { heads, next: Some(next.to_owned()), asked: Vec::new() }));
        let shared = web::Data::from(Arc::clone(&manners));
        let server = Server::start(move |app| {
            app.app_data(shared.clone()).default_service(web::to(answer));
        })
        .unwrap();
        let plain = config::Registry { plain_http: true, ..config::Registry::default() };
        let guard = Guard::new(&config::Network { allow: vec!["127.0.0.0/8".to_owned().try_into().unwrap()] });
        let registries = Registries::new(&BTreeMap::from([(server.address(), plain)]), &guard).unwrap();
        Self { manners, registries, server }
    }

    fn image(&self, repository: &str) -> ImageName {
        ImageName::new(format!("{}/{repository}", self.server.address())).unwrap()
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_never_at_another_server() {
    let place = Place::open(true, "/v2/acme/web/tags/list?n=1000&last=b");
    assert_eq!(place.registries.tags(&place.image("acme/web")).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(place.registries.tags(&place.image("acme/none")).await.unwrap(), Vec::<String>::new());
    assert_eq!(place.registries.tags(&place.image("acme/unknown")).await.unwrap(), Vec::<String>::new());
    let place = Place::open(true, "http://127.0.0.1:1/v2/acme/web/tags/list?last=b");
    let error = place.registries.tags(&place.image("acme/web")).await.unwrap_err().to_string();
    assert!(error.contains("goes on at another server"), "{error}");
}

#[tokio::test]
async fn a_list_without_end_ends() {
    let place = Place::open(true, "/v2/acme/web/tags/list?n=1000");
    let error = place.registries.tags(&place.image("acme/web")).await.unwrap_err().to_string();
    assert!(error.contains("more than 100000 tags"), "{error}");
}

#[tokio::test]
async fn what_a_tag_stands_for_is_asked_without_what_it_is_where_that_can_be() {
    let place = Place::open(true, "");
    let digest = place.registries.peek(&place.image("acme/web"), "main").await.unwrap();
    assert_eq!(digest.unwrap().as_str(), DIGEST);
    assert_eq!(place.manners.lock().unwrap().asked, ["HEAD /v2/acme/web/manifests/main"]);
    assert_eq!(place.registries.peek(&place.image("acme/web"), "none").await.unwrap(), None);
    let place = Place::open(false, "");
    let digest = place.registries.peek(&place.image("acme/web"), "main").await.unwrap();
    assert_eq!(digest.unwrap().as_str(), testkit::registry::digest_of(MANIFEST.as_bytes()));
}
