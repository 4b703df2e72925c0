//! The Git server and the registry.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use anyhow::ensure;
use testkit::githttp::GitServer;
use testkit::http::Server;
use testkit::registry::{Endpoint, Image, Registry};
use testkit::{http, wait};

#[tokio::test(flavor = "multi_thread")]
async fn git_is_cloned_from_and_pushed_to_over_http() {
    let git = GitServer::start().unwrap();
    let url = git.create("acme/app").await.unwrap();
    let work = git.work("acme/app").await.unwrap();
    let first = work.change("a/b.txt", "one\n", "Add a file\n\nReviewed-by: nobody").await.unwrap();
    assert_eq!(git.file("acme/app", "main", "a/b.txt").await.unwrap(), "one\n");

    let clone = testkit::folder::Folder::new("clone").unwrap();
    run(&clone, &["clone", "--quiet", &url, "."]).await.unwrap();
    // Over a megabyte, so that Git sends it in chunks; and text, so that it compresses requests.
    clone.write("large", &"All work and no play. ".repeat(80_000)).unwrap();
    run(&clone, &["add", "."]).await.unwrap();
    run(&clone, &["commit", "--quiet", "-m", "Add much"]).await.unwrap();
    run(&clone, &["-c", "http.postBuffer=1000", "-c", "core.compression=0", "push", "--quiet"]).await.unwrap();
    let log = git.log("acme/app", "main").await.unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!((log[1].sha.as_str(), log[1].author.as_str()), (first.as_str(), "Dana Developer <dana@example.com>"));
    assert_eq!(log[1].message, "Add a file\n\nReviewed-by: nobody");
    assert!(git.requests().iter().any(|request| request.starts_with("POST /acme/app.git/git-receive-pack")));
    run(&clone, &["fetch", "--quiet", "origin", &first]).await.unwrap();

    work.branch("hotfix/1").await.unwrap();
    work.change("c", "c", "Fix").await.unwrap();
    work.tag("v1").await.unwrap();
    assert_eq!(git.branches("acme/app").await.unwrap(), ["hotfix/1", "main"]);
    work.delete_branch("hotfix/1").await.unwrap();
    assert_eq!(git.branches("acme/app").await.unwrap(), ["main"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn git_refuses_as_it_is_told() {
    let git = GitServer::start().unwrap();
    let url = git.create("app").await.unwrap();
    git.work("app").await.unwrap().change("a", "a", "A").await.unwrap();
    let clone = testkit::folder::Folder::new("clone").unwrap();
    run(&clone, &["clone", "--quiet", &url, "."]).await.unwrap();
    clone.write("b", "b").unwrap();
    run(&clone, &["add", "."]).await.unwrap();
    run(&clone, &["commit", "--quiet", "-m", "B"]).await.unwrap();
    git.reject_pushes("app", "the branch is protected").unwrap();
    let error = run(&clone, &["push"]).await.unwrap_err().to_string();
    assert!(error.contains("the branch is protected") && error.contains("remote rejected"), "{error}");
    git.accept_pushes("app").unwrap();
    git.fail_next(1, 503);
    let error = run(&clone, &["push"]).await.unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    git.require("bot", "s3cret");
    assert!(run(&clone, &["push"]).await.is_err());
    let open = url.replace("http://", "http://bot:s3cret@");
    run(&clone, &["push", "--quiet", &open, "HEAD:main"]).await.unwrap();
    assert!(run(&clone, &["ls-remote", &git.url("none").replace("//", "//bot:s3cret@")]).await.is_err());
}

async fn run(folder: &testkit::folder::Folder, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = std::process::Command::new("git");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
    command.args(["-c", "user.name=Dana", "-c", "user.email=dana@example.com"]);
    command.arg("-C").arg(folder.path()).args(arguments);
    testkit::process::run(command).await
}

type Seen = Mutex<Vec<(String, serde_json::Value)>>;

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_keeps_images_and_tells_of_them() {
    let seen: Arc<Seen> = Arc::default();
    let shared = web::Data::from(Arc::clone(&seen));
    let hook = Server::start(move |app| {
        app.app_data(shared.clone()).route("/hook", web::post().to(note));
    })
    .unwrap();
    let headers = vec![("Authorization".to_owned(), "Bearer t0ken".to_owned())];
    let mut registry = Registry::start(&[Endpoint { url: format!("{}/hook", hook.url()), headers }]).await.unwrap();

    let image = Image::of("0123abc", "https://github.com/acme/app");
    let digest = registry.push("acme/app", &["main", "0123abc"], &image).await.unwrap();
    assert_eq!(registry.resolve("acme/app", "main").await.unwrap().as_deref(), Some(digest.as_str()));
    assert_eq!(registry.resolve("acme/app", "none").await.unwrap(), None);
    wait::until(Duration::from_secs(20), "a notification of the tag", async || {
        let seen = seen.lock().unwrap().clone();
        let told = seen.iter().any(|(proof, body)| {
            let mut events = body["events"].as_array().into_iter().flatten();
            proof == "Bearer t0ken"
                && events.any(|event| {
                    event["action"] == "push"
                        && event["target"]["tag"] == "main"
                        && event["target"]["digest"] == *digest
                })
        });
        ensure!(told, "so far: {seen:?}");
        Ok(())
    })
    .await
    .unwrap();

    registry.stop().await.unwrap();
    assert!(registry.resolve("acme/app", "main").await.is_err());
    registry.start_again().await.unwrap();
    assert_eq!(registry.tags("acme/app").await.unwrap(), ["0123abc", "main"]);
    let config = format!("{}/v2/acme/app/manifests/{digest}", registry.url());
    let manifest: serde_json::Value = http::client()
        .get(config)
        .header("Accept", "application/vnd.oci.image.manifest.v1+json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap();
    let config = format!("{}/v2/acme/app/blobs/{config}", registry.url());
    let config: serde_json::Value = http::client().get(config).send().await.unwrap().json().await.unwrap();
    assert_eq!(config["config"]["Labels"]["org.opencontainers.image.revision"], "0123abc");
    registry.delete("acme/app", &digest).await.unwrap();
    assert_eq!(registry.resolve("acme/app", "main").await.unwrap(), None);
    let folder = registry.folder().to_owned();
    drop(registry);
    assert!(!folder.exists());
}

async fn note(request: HttpRequest, body: web::Json<serde_json::Value>, seen: web::Data<Seen>) -> HttpResponse {
    let proof = request.headers().get("Authorization").map(|value| value.to_str().unwrap().to_owned());
    seen.lock().unwrap().push((proof.unwrap_or_default(), body.into_inner()));
    HttpResponse::Ok().finish()
}
