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
    // What `main` stands for is asked for in full, whichever of its images is told of, once the fix is settled.
    let (waiting, why) = world.waits(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains(&format!("the fix {}", b.short())), "{why}");
    world.settle(&b).await;
    let deployed = world.bump(&waiting).await;
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

#[tokio::test]
async fn a_commit_that_is_made_whole_of_two_older_images_is_deployed() {
    let world = World::with(&config()).await;
    let (a, b, c) = (commit('a'), commit('b'), commit('c'));
    world.push_both(&a).await;
    let backend = world.push("backend", Some(&a), &[a.as_str(), "main"]).await;
    // The backend of `b` failed to build; `c` takes its change back, and so keeps the image that `a` has.
    let frontend = world.push("frontend", Some(&b), &[b.as_str(), "main"]).await;
    let why = world.ignored(&world.built("frontend", &b, &frontend)).await;
    assert!(why.contains("waits until one commit has all"), "{why}");
    tag(&world, "frontend", &frontend, c.as_str()).await;
    tag(&world, "backend", &backend, c.as_str()).await;
    let deployed = world.bump(&kept(&world, "backend", &c, &backend, &a)).await;
    assert_eq!(deployed.commit, Some(c.clone()));
    let commits: Vec<_> = deployed.release.values().map(|image| image.commit.clone().unwrap()).collect();
    assert_eq!(commits, [a, b]);
    assert!(world.ignored(&kept(&world, "frontend", &c, &frontend, &commits[1])).await.contains("already asks for it"));
}

#[tokio::test]
async fn the_release_s_commit_counts_and_not_that_of_an_image_it_kept() {
    let world = World::with(&config()).await;
    let line = crate::source::line(&world.work().await, 4).await;
    let (frontend, backend) = world.push_both(&line[0]).await;
    world.healthy(&world.bump(&world.built("frontend", &line[0], &frontend)).await).await;
    // The third commit changes the frontend alone, the fourth the backend alone.
    let newer = world.push("frontend", Some(&line[2]), &[line[2].as_str(), "main"]).await;
    tag(&world, "backend", &backend, line[2].as_str()).await;
    let deployed = world.bump(&world.built("frontend", &line[2], &newer)).await;
    assert_eq!(deployed.commit.as_ref(), Some(&line[2]));
    world.healthy(&deployed).await;
    // The second one's images come late.
    let late = world.push("frontend", Some(&line[1]), &[line[1].as_str(), "main"]).await;
    tag(&world, "backend", &backend, line[1].as_str()).await;
    let why = world.ignored(&world.built("frontend", &line[1], &late)).await;
    let wanted = format!("{} is older than {}, which is deployed", line[1].short(), line[2].short());
    assert!(why.contains(&wanted), "{why}");
    tag(&world, "frontend", &newer, "main").await;
    tag(&world, "frontend", &newer, line[3].as_str()).await;
    let backend = world.push("backend", Some(&line[3]), &[line[3].as_str(), "main"]).await;
    let deployed = world.bump(&world.built("backend", &line[3], &backend)).await;
    assert_eq!(
        (deployed.commit.as_ref(), deployed.note.as_deref()),
        (Some(&line[3]), Some("Sell more\nWindlass-Event: forged"))
    );
}

#[tokio::test]
async fn a_fix_that_kept_a_bad_image_says_how_to_have_it_built_anew() {
    let world = World::with(&config()).await;
    let (a, b, c) = (commit('a'), commit('b'), commit('c'));
    world.healthy(&world.deploy(&a).await).await;
    let bad = world.deploy(&b).await;
    // Before that has its verdict, the next commit mends the frontend and keeps the backend.
    let backend = digests(&bad)["backend"].clone();
    let frontend = world.push("frontend", Some(&c), &[c.as_str(), "main"]).await;
    tag(&world, "backend", &backend, c.as_str()).await;
    world.healthy(&world.bump(&verdict(&bad, false)).await).await;
    let scan = event(proto::ScanFinished { change: change(&c), passed: true, scans: Vec::new() });
    let scan = Event { subject: c.to_string(), ..scan };
    world.context.ledger.record(&[scan.to_message()]).await.unwrap();
    let why = world.ignored(&world.built("frontend", &c, &frontend)).await;
    assert!(why.contains("is quarantined"), "{why}");
    let wanted = format!("`windlass events replay {} --worker builder` has it built anew", scan.id);
    assert!(why.contains(&wanted) && why.contains(&format!("kept the image of backend from {}", b.short())), "{why}");
}

fn change(commit: &CommitSha) -> proto::Change {
    let (app, branch, commit) = ("shop".parse().unwrap(), "main".parse().unwrap(), commit.clone());
    proto::Change { app, branch, commit, lane: proto::Lane::Deploy, author: None, title: None }
}
