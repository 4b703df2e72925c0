//! Components that are not built at every commit: an earlier image stands for the new commit as well.

use proto::{CommitSha, Digest, Event};

use crate::world::*;

/// Both components may keep their images.
fn config() -> String {
    CONFIG
        .replace("shop-frontend\" }", "shop-frontend\", paths: [front] }")
        .replace("shop-backend\" }", "shop-backend\", paths: [back] }")
}

/// Points another tag to an image, as the builder does.
async fn tag(world: &World, component: &str, digest: &Digest, tag: &str) {
    world.context.registries.tag(&world.image(component), digest, tag).await.unwrap();
}

/// What the builder tells of an image that was kept.
fn kept(world: &World, component: &str, commit: &CommitSha, digest: &Digest, since: &CommitSha) -> Event {
    let mut event = world.built(component, commit, digest);
    if let proto::Data::ImageBuilt(built) = &mut event.data {
        (built.reused, built.unchanged_since) = (true, Some(since.clone()));
    }
    event
}

#[tokio::test]
async fn the_branch_s_images_are_deployed_once_a_commit_has_them_all() {
    let world = World::with(&config()).await;
    let (a, b) = (commit('a'), commit('b'));
    let (frontend, _) = world.push_both(&a).await;
    let deployed = world.bump(&world.built("frontend", &a, &frontend)).await;
    assert_eq!(deployed.changed.len(), 2);
    world.healthy(&deployed).await;

    // The backend is new, and the frontend is not yet known to be the same.
    let backend = world.push("backend", Some(&b), &[b.as_str(), "main"]).await;
    let why = world.ignored(&world.pushed("backend", "main", Some(&backend))).await;
    let wanted = format!("all that `main` stands for, which is backend {}, frontend {}", b.short(), a.short());
    assert!(why.contains(&wanted), "{why}");
    tag(&world, "frontend", &frontend, b.as_str()).await;
    let deployed = world.bump(&world.pushed("backend", "main", Some(&backend))).await;
    assert_eq!(deployed.changed.iter().map(proto::ComponentName::as_str).collect::<Vec<_>>(), ["backend"]);
    let release = |name: &str| deployed.release[&name.parse().unwrap()].clone();
    // Each says what it was built from, and that is what answers there.
    assert_eq!((release("backend").commit, release("frontend").commit), (Some(b.clone()), Some(a.clone())));
    assert_eq!((release("backend").digest, release("frontend").digest), (backend, frontend.clone()));
    let text = world.repo.text("staging/app.yaml");
    assert!(text.contains(&value(&world.image("frontend"), &a, &frontend)), "{text}");
    assert!(world.ignored(&kept(&world, "frontend", &b, &frontend, &a)).await.contains("already asks for it"));
}

#[tokio::test]
async fn a_kept_image_does_not_bring_its_old_commit_back() {
    let world = World::with(&config()).await;
    let (a, b) = (commit('a'), commit('b'));
    let (frontend, _) = world.push_both(&a).await;
    let deployed = world.bump(&world.built("frontend", &a, &frontend)).await;
    world.healthy(&deployed).await;
    // A hotfix begins with the frontend that `main` has, under a tag of its own; its backend is being built.
    tag(&world, "frontend", &frontend, "hotfix-x").await;
    let why = world.ignored(&world.pushed("frontend", "hotfix-x", Some(&frontend))).await;
    assert!(why.contains("waits for the image of backend under `hotfix-x`"), "{why}");
    tag(&world, "frontend", &frontend, b.as_str()).await;
    let backend = world.push("backend", Some(&b), &[b.as_str(), "hotfix-x"]).await;
    let deployed = world.bump(&world.pushed("frontend", "hotfix-x", Some(&frontend))).await;
    assert_eq!(digests(&deployed)["backend"], backend);
    world.healthy(&deployed).await;
    // What `main` stands for is asked for in full, whichever of its images is told of.
    let deployed = world.bump(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(deployed.release.values().all(|released| released.commit.as_ref() == Some(&a)));
}

#[tokio::test]
async fn a_component_without_paths_must_be_of_the_commit_itself() {
    let world = World::with(&CONFIG.replace("shop-frontend\" }", "shop-frontend\", paths: [front] }")).await;
    let (a, b) = (commit('a'), commit('b'));
    let (_, backend) = world.push_both(&a).await;
    let frontend = world.push("frontend", Some(&b), &[b.as_str(), "main"]).await;
    tag(&world, "backend", &backend, b.as_str()).await;
    let why = world.ignored(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains("waits until one commit has all"), "{why}");
    let backend = world.push("backend", Some(&b), &[b.as_str(), "main"]).await;
    assert_eq!(world.bump(&world.pushed("backend", "main", Some(&backend))).await.changed.len(), 2);
}

#[tokio::test]
async fn apart_only_what_is_new_is_deployed() {
    let world = World::with(&config().replace("deploy: [main]", "deploy: [main]\n    release: apart")).await;
    let (a, b) = (commit('a'), commit('b'));
    let frontend = world.push("frontend", Some(&a), &[a.as_str(), "main"]).await;
    let why = world.ignored(&kept(&world, "frontend", &b, &frontend, &a)).await;
    assert!(why.contains(&format!("frontend is what it was at {}", a.short())), "{why}");
    assert_eq!(world.bump(&world.built("frontend", &a, &frontend)).await.changed.len(), 1);
}
