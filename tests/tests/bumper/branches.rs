//! Environments on branches of their own in one GitOps repository, beside another app.

use proto::{BumpReason, Deployment, Event, ImagePushed};
use runtime::Worker;
use serde_json::json;

use crate::world::*;

const STAGING: &str = "refs/heads/staging";
const PRODUCTION: &str = "refs/heads/env/production";

/// Staging and production have the same file, each on its branch; the blog is beside the shop on both of them, and on `main`.
fn config() -> String {
    let shop = CONFIG
        .replace("path: staging,", "path: app.yaml, branch: staging,")
        .replace("path: production/app.yaml,", "path: app.yaml, branch: env/production,");
    let blog = "  blog:\n    repository: acme/blog\n    deploy: [main]\n    components: { web: { image: \"REGISTRY/acme/blog\" } }\n    \
                gitops: { repository: \"GITOPS\" }\n    environments:\n      \
                eu: { path: blog/eu.yaml, branch: staging, sync: { command: [\"true\"] } }\n      \
                us: { path: blog/us.yaml, branch: staging, sync: { command: [\"true\"] } }\n      \
                asia: { path: blog/eu.yaml, branch: env/production, sync: { command: [\"true\"] } }\n      \
                lab: { path: blog/eu.yaml, sync: { command: [\"true\"] } }\n";
    shop.replace("git: {", &format!("{blog}git: {{"))
}

async fn world() -> World {
    let world = World::with(&config()).await;
    let blog = format!("spec:\n  containers:\n    - image: {}/acme/blog:v0\n", world.host);
    let both =
        |text: &str| [("app.yaml", text.to_owned()), ("blog/eu.yaml", blog.clone()), ("blog/us.yaml", blog.clone())];
    for (branch, text) in [("main", "none\n"), ("staging", "# Staging.\n"), ("env/production", "# Production.\n")] {
        let files = both(&format!("{text}{}", world.manifest("v0")));
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        world.repo.write_to(branch, &files);
    }
    world
}

fn at(world: &World, branch: &str) -> String {
    world.repo.git(&["rev-parse", branch])
}

fn text(world: &World, branch: &str) -> String {
    String::from_utf8(world.repo.show(branch, "app.yaml")).unwrap()
}

/// The blog's new image.
async fn written(world: &World) -> Event {
    let digest = push_image(&world.host, "acme/blog", &json!({}), &["main"]).await;
    let (app, component) = ("blog".parse().unwrap(), "web".parse().unwrap());
    let image = format!("{}/acme/blog", world.host).parse().unwrap();
    event(ImagePushed { app, component, image, tag: Some("main".to_owned()), digest: Some(digest) })
}

/// It is what the branch's head says.
fn stands(world: &World, deployment: &Deployment, branch: &str, digit: char) {
    assert_eq!(format!("refs/heads/{}", deployment.branch), branch);
    assert_eq!(deployment.revision.as_str(), at(world, branch));
    assert_eq!(text(world, branch).matches(commit(digit).as_str()).count(), 2, "{}", text(world, branch));
}

#[tokio::test]
async fn what_is_deployed_promoted_and_taken_back_goes_to_the_environments_own_branch() {
    let world = world().await;
    let (main, before) = (at(&world, "main"), at(&world, PRODUCTION));
    let staging = world.deploy(&commit('a')).await;
    stands(&world, &staging, STAGING, 'a');
    assert_eq!((at(&world, PRODUCTION), text(&world, STAGING).starts_with("# Staging.\n")), (before, true));

    let first = deployments(&world.healthy(&staging).await).remove(0);
    stands(&world, &first, PRODUCTION, 'a');
    assert_eq!(
        (at(&world, STAGING), text(&world, PRODUCTION).starts_with("# Production.\n")),
        (staging.revision.to_string(), true)
    );
    world.healthy(&first).await;

    let staging = world.deploy(&commit('b')).await;
    let bad = deployments(&world.healthy(&staging).await).remove(0);
    stands(&world, &bad, PRODUCTION, 'b');
    // A verdict over what was asked for before counts no more: the order is that of the environment's branch.
    assert!(world.ignored(&verdict(&first, false)).await.contains("since"), "late");
    let back = world.bump(&verdict(&bad, false)).await;
    stands(&world, &back, PRODUCTION, 'a');
    assert_eq!((back.reason, &back.release), (BumpReason::Rollback, &first.release));
    stands(&world, &staging, STAGING, 'b');
    assert_eq!(at(&world, "main"), main, "nobody writes there");
    // Both branches are in one clone.
    assert_eq!(std::fs::read_dir(world.folder.join("data/gitops")).unwrap().count(), 1);
}

#[tokio::test]
async fn what_a_died_run_had_committed_is_found_on_the_environments_branch() {
    let world = world().await;
    let staging = world.deploy(&commit('a')).await;
    let healthy = verdict(&staging, true);
    let dead = deployments(&world.dies(&healthy).await);
    let told = deployments(&world.handle(&healthy).await.unwrap());
    assert_eq!((told.len(), &told), (1, &dead));
    stands(&world, &told[0], PRODUCTION, 'a');
    assert_eq!(world.repo.git(&["rev-list", "--count", PRODUCTION]), "2");
}

#[tokio::test]
async fn commits_of_one_branch_share_a_push_and_those_of_another_have_their_own() {
    let world = world().await;
    world.repo.hook("post-receive", "cat >> pushes");
    let heads = [STAGING, PRODUCTION, "refs/heads/main"].map(|branch| at(&world, branch));
    let bumps = deployments(&world.handle(&written(&world).await).await.unwrap());
    assert_eq!(bumps.len(), 4);
    let pushes = std::fs::read_to_string(world.repo.path.join("pushes")).unwrap();
    let mut refs: Vec<_> = pushes.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
    refs.sort_unstable();
    assert_eq!(refs, [PRODUCTION, "refs/heads/main", STAGING], "{pushes}");
    for ((branch, begun), commits) in
        [STAGING, PRODUCTION, "refs/heads/main"].into_iter().zip(heads).zip(["2", "1", "1"])
    {
        assert_eq!(world.repo.git(&["rev-list", "--count", &format!("{begun}..{branch}")]), commits, "{branch}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_that_write_to_several_branches_at_once_lose_nothing_be_the_clone_made_anew_meanwhile() {
    let world = world().await;
    let clone = || std::fs::read_dir(world.folder.join("data/gitops")).unwrap().next().unwrap().unwrap().path();
    for digit in ['1', '2', '3', '4'] {
        let staging = world.deploy(&commit(digit)).await;
        let (promotes, blog) = (verdict(&staging, true), written(&world).await);
        match digit {
            '2' => std::fs::remove_dir_all(clone()).unwrap(),
            '3' => std::fs::remove_dir_all(clone().join("objects")).unwrap(),
            _ => {}
        }
        let (shop, blog) = tokio::join!(world.handle(&promotes), world.bumper.handle(&blog));
        let shop = deployments(&shop.unwrap()).remove(0);
        assert_eq!((shop.environment.as_str(), deployments(&blog.unwrap()).len()), ("production", 4));
        assert_eq!(text(&world, PRODUCTION).matches(commit(digit).as_str()).count(), 2);
        world.healthy(&shop).await;
    }
    // The first commit of each, one for each image of the shop's, and the blog's.
    for (branch, commits) in [(STAGING, "13"), (PRODUCTION, "9"), ("refs/heads/main", "6")] {
        assert_eq!(world.repo.git(&["rev-list", "--count", branch]), commits, "{branch}");
        assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", branch]), "0", "{branch}");
    }
}

#[tokio::test]
async fn a_branch_that_is_not_there_is_named_and_keeps_no_other_from_its_own() {
    let world = world().await;
    let (before, staging) = (at(&world, PRODUCTION), world.deploy(&commit('a')).await);
    world.repo.git(&["update-ref", "-d", PRODUCTION]);
    let why = world.refused(&verdict(&staging, true)).await;
    assert!(why.contains("@env/production: ") && why.contains("couldn't find remote ref"), "{why}");
    let blog = written(&world).await;
    let (asia, why) = world.waits(&blog).await;
    assert!(why.contains("@env/production: "), "{why}");
    for (branch, path) in [(STAGING, "blog/eu.yaml"), (STAGING, "blog/us.yaml"), ("refs/heads/main", "blog/eu.yaml")] {
        assert!(String::from_utf8(world.repo.show(branch, path)).unwrap().contains("@sha256:"), "{branch} {path}");
    }
    world.repo.git(&["update-ref", PRODUCTION, &before]);
    stands(&world, &deployments(&world.healthy(&staging).await)[0], PRODUCTION, 'a');
    let asia = world.bump(&asia).await;
    assert_eq!((asia.environment.as_str(), asia.branch.as_str()), ("asia", "env/production"));
}
