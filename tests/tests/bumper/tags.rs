//! Images that are built elsewhere: which of their tags are followed, and that an older one does not come over a newer.

use proto::{Digest, Event};

use crate::{source, world::*};

/// The world's configuration with these keys of the app, and each image deployed as it comes.
fn apart(keys: &str) -> String {
    CONFIG.replace("deploy: [main]", &format!("deploy: [main]\n    release: apart\n    {keys}"))
}

/// Pushes an image that names no commit under this tag, and tells of it.
async fn push(world: &World, tag: &str) -> (Digest, Event) {
    let digest = world.push("frontend", None, &[tag]).await;
    let event = world.pushed("frontend", tag, Some(&digest));
    (digest, event)
}

async fn bumped(world: &World, tag: &str) {
    let (digest, event) = push(world, tag).await;
    let deployed = world.bump(&event).await;
    let text = world.repo.text("staging/app.yaml");
    assert!(text.contains(&format!("{}:{tag}@{digest} ", world.image("frontend"))), "{tag}: {text}");
    world.healthy(&deployed).await;
}

async fn left(world: &World, tag: &str, words: &str) {
    let before = world.repo.count();
    let (_, event) = push(world, tag).await;
    let why = world.ignored(&event).await;
    assert!(why.contains(words), "{tag}: {why}");
    assert_eq!(world.repo.count(), before, "{tag}");
}

#[tokio::test]
async fn versions_of_a_range_are_deployed_and_only_upwards() {
    let world = World::with(&apart("tags: { semver: '>=1.2, <2' }")).await;
    left(&world, "1.1.9", "the tag `1.1.9` is not in `>=1.2, <2` (`apps.shop.tags.semver`)").await;
    left(&world, "main", "the tag `main` is no whole version to be in `>=1.2, <2` (`apps.shop.tags.semver`)").await;
    // What stands there is no version, so nothing is older than it.
    bumped(&world, "v1.3.0").await;
    left(&world, "1.2.3", "staging is left as it is: frontend 1.2.3 is older than v1.3.0, which is deployed").await;
    left(&world, "1.4.0-rc.1", "is a prerelease that `>=1.2, <2` does not ask for").await;
    left(&world, "2.0.0", "is not in `>=1.2, <2`").await;
    bumped(&world, "1.10.0").await;
    left(&world, "1.9.0", "1.9.0 is older than 1.10.0").await;
    // The same tag pushed anew is what it stands for now.
    bumped(&world, "1.10.0").await;
    // What a person wrote counts as well.
    let text = world.repo.text("staging/app.yaml").replace(":1.10.0@", ":1.11.0@");
    world.repo.write(&[("staging/app.yaml", &text)]);
    left(&world, "1.10.1", "1.10.1 is older than 1.11.0").await;
}

#[tokio::test]
async fn an_image_that_names_its_commit_stands_under_its_version_all_the_same() {
    let world = World::with(&apart("tags: { semver: '*' }")).await;
    let a = commit('a');
    let digest = world.push("frontend", Some(&a), &["1.3.0"]).await;
    let deployed = world.bump(&world.pushed("frontend", "1.3.0", None)).await;
    let released = &deployed.release[&"frontend".parse().unwrap()];
    assert_eq!((released.tag.as_deref(), &released.digest, &released.commit), (Some("1.3.0"), &digest, &Some(a)));
    left(&world, "1.2.0", "1.2.0 is older than 1.3.0").await;
    // It goes on under it, and the next version is held against it there as well.
    let promoted = world.bump(&verdict(&deployed, true)).await;
    assert_eq!(promoted.release[&"frontend".parse().unwrap()].tag.as_deref(), Some("1.3.0"));
}

#[tokio::test]
async fn of_builds_of_one_version_that_have_no_order_the_source_says_which_is_newer() {
    let world = World::with(&apart("tags: { semver: '*' }")).await;
    let line = source::line(&world.work().await, 4).await;
    let build = async |n: usize, tag: &str| {
        world.push("frontend", Some(&line[n]), &[tag]).await;
        world.pushed("frontend", tag, None)
    };
    world.healthy(&world.bump(&build(2, "1.3.0_b").await).await).await;
    let why = world.ignored(&build(1, "1.3.0_a").await).await;
    let older = format!("{} is older than {}", line[1].short(), line[2].short());
    assert!(why.contains(&format!("{older}, which is deployed")), "{why}");
    // What has no build's part at all has no order among them either.
    let why = world.ignored(&build(1, "1.3.0").await).await;
    assert!(why.contains(&older), "{why}");
    // Nor does it come over what a person wrote.
    build(3, "1.3.0_c").await;
    let text = world.repo.text("staging/app.yaml");
    let (name, _) = text.split_once(":1.3.0_b@sha256:").unwrap();
    let rest = &text[name.len() + ":1.3.0_b@sha256:".len() + 64..];
    world.repo.write(&[("staging/app.yaml", &format!("{name}:1.3.0_c{rest}"))]);
    let why = world.ignored(&build(2, "1.3.0_d").await).await;
    let older = format!("{} is older than {}", line[2].short(), line[3].short());
    assert!(why.contains(&format!("{older}, which the manifest asks for")), "{why}");
    // A version says more than the source.
    world.bump(&build(0, "1.4.0_a").await).await;
}

#[tokio::test]
async fn of_builds_without_an_order_the_last_push_counts_in_whichever_order_they_are_handled() {
    let world = World::with(&apart("tags: { semver: '*' }")).await;
    let (_, early) = push(&world, "1.3.0_b").await;
    let (_, late) = push(&world, "1.3.0_a").await;
    let (_, version) = push(&world, "1.2.0").await;
    world.context.ledger.record(&[&early, &late, &version].map(Event::to_message)).await.unwrap();
    let why = world.ignored(&early).await;
    assert!(why.contains("staging is left to `1.3.0_a`, which was pushed after `1.3.0_b`"), "{why}");
    world.bump(&late).await;
}

#[tokio::test]
async fn what_is_unhealthy_is_taken_back_to_the_older_version() {
    let world = World::with(&apart("tags: { semver: '*' }")).await;
    for image in ["frontend", "backend"] {
        world.push(image, None, &["v0"]).await;
    }
    let old = world.push("frontend", None, &["1.3.0"]).await;
    let good = world.bump(&world.pushed("frontend", "1.3.0", None)).await;
    world.handle(&verdict(&good, true)).await.unwrap();
    world.push("frontend", None, &["1.4.0"]).await;
    let bad = world.bump(&world.pushed("frontend", "1.4.0", None)).await;
    let back = world.bump(&verdict(&bad, false)).await;
    assert_eq!(digests(&back)["frontend"], old);
    assert!(world.repo.text("staging/app.yaml").contains(":1.3.0@"));
}

#[tokio::test]
async fn what_is_promoted_does_not_come_over_a_newer_version_either() {
    let world = World::with(&apart("tags: { semver: '*' }")).await;
    let (_, event) = push(&world, "1.3.0").await;
    let staging = world.bump(&event).await;
    // A person's word in production.
    let text = world.repo.text("production/app.yaml");
    let image = world.image("frontend");
    world.repo.write(&[("production/app.yaml", &text.replace(&format!("{image}:v0"), &format!("{image}:1.4.0")))]);
    let why = world.ignored(&verdict(&staging, true)).await;
    assert!(why.contains("production is left as it is: frontend 1.3.0 is older than 1.4.0"), "{why}");
    assert!(world.repo.text("production/app.yaml").contains(":1.4.0"));
    let (_, event) = push(&world, "1.5.0").await;
    let staging = world.bump(&event).await;
    world.bump(&verdict(&staging, true)).await;
    assert!(world.repo.text("production/app.yaml").contains(":1.5.0@"));
}

#[tokio::test]
async fn a_number_in_the_tag_may_say_which_is_newer() {
    let rule = r"tags: { regex: '^main-[0-9a-f]+-(?<build>[0-9]+)$', order: numerical }";
    let world = World::with(&apart(rule)).await;
    bumped(&world, "main-bbb-9").await;
    bumped(&world, "main-aaa-10").await;
    left(&world, "main-ccc-9", "frontend main-ccc-9 is older than main-aaa-10, which is deployed").await;
    left(&world, "main-ccc", "the tag `main-ccc` does not match `^main-").await;
}

#[tokio::test]
async fn without_an_order_the_last_push_counts_in_whichever_order_they_are_handled() {
    let world = World::with(&apart("tags: { glob: 'release-*' }")).await;
    left(&world, "main", "the tag `main` does not match `release-*` (`apps.shop.tags.glob`)").await;
    bumped(&world, "release-9").await;
    bumped(&world, "release-1").await;
    let (_, early) = push(&world, "release-2").await;
    let (_, late) = push(&world, "release-3").await;
    // Of another component, and of no such tag.
    let other = world.pushed("backend", "release-4", None);
    let beside = world.pushed("frontend", "nightly", None);
    let events = [&early, &late, &other, &beside].map(Event::to_message);
    world.context.ledger.record(&events).await.unwrap();
    let deployed = world.bump(&late).await;
    let why = world.ignored(&early).await;
    assert!(why.contains("staging is left to `release-3`, which was pushed after `release-2`"), "{why}");
    assert!(world.repo.text("staging/app.yaml").contains(":release-3@"));
    // Somebody asked for it.
    world.healthy(&deployed).await;
    world.bump(&Event { replay: 1, ..early }).await;
}

#[tokio::test]
async fn the_nearest_rule_counts_for_each_environment_and_component() {
    let config = apart("tags: { glob: 'v*' }")
        .replace("shop-backend\" }", "shop-backend\", tags: { regex: '^backend-' } }")
        .replace(
            "      production: {",
            "      dev: { path: dev, tags: { glob: main }, sync: { command: [\"true\"] } }\n      production: {",
        );
    let world = World::with(&config).await;
    world.repo.write(&[("dev/app.yaml", &world.manifest("v0"))]);
    for (component, tag, environment) in [
        ("frontend", "v1", "staging"),
        ("frontend", "main", "dev"),
        ("backend", "main", "dev"),
        ("backend", "backend-1", "staging"),
    ] {
        world.push(component, None, &[tag]).await;
        let outcomes = world.handle(&world.pushed(component, tag, None)).await.unwrap();
        let bumps = deployments(&outcomes);
        assert_eq!(bumps.iter().map(|d| d.environment.as_str()).collect::<Vec<_>>(), [environment], "{outcomes:?}");
        // The other environment says why it did not get it.
        let why = reasons(&outcomes);
        assert!(why.contains(&format!("the tag `{tag}` does not match")), "{why}");
        world.healthy(&bumps[0]).await;
    }
    world.push("backend", None, &["v1"]).await;
    let why = world.ignored(&world.pushed("backend", "v1", None)).await;
    let keys = ["`apps.shop.components.backend.tags.regex`", "`apps.shop.environments.dev.tags.glob`"];
    assert!(keys.iter().all(|key| why.contains(key)), "{why}");
}

#[tokio::test]
async fn one_environment_may_follow_tags_and_another_branches() {
    let dev = "      dev: { path: dev, sync: { command: [\"true\"] } }\n      production: {";
    let config = CONFIG
        .replace("{ path: staging,", "{ path: staging, tags: { semver: '*' },")
        .replace("      production: {", dev);
    let world = World::with(&config).await;
    world.repo.write(&[("dev/app.yaml", &world.manifest("v0"))]);
    let a = commit('a');
    world.push_both(&a).await;
    assert_eq!(world.bump(&world.pushed("frontend", "main", None)).await.environment.as_str(), "dev");
    for image in ["frontend", "backend"] {
        world.push(image, Some(&a), &["1.0.0"]).await;
    }
    let deployed = world.bump(&world.pushed("backend", "1.0.0", None)).await;
    assert_eq!((deployed.environment.as_str(), deployed.changed.len()), ("staging", 2));
}

#[tokio::test]
async fn together_a_tag_is_waited_for_until_every_component_has_it() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "tags: { glob: stable }")).await;
    let (a, b) = (commit('a'), commit('b'));
    world.push("frontend", Some(&a), &["stable"]).await;
    let why = world.ignored(&world.pushed("frontend", "stable", None)).await;
    assert!(why.contains("waits for the image of backend under `stable`") && why.contains("release: apart"), "{why}");
    world.push("backend", Some(&a), &["stable"]).await;
    let deployed = world.bump(&world.pushed("backend", "stable", None)).await;
    assert!(deployed.changed.len() == 2 && deployed.release.values().all(|r| r.tag.as_deref() == Some("stable")));
    world.healthy(&deployed).await;
    // The tag moves on, one image after the other.
    world.push("frontend", Some(&b), &["stable"]).await;
    let why = world.ignored(&world.pushed("frontend", "stable", None)).await;
    let wanted =
        format!("waits for the image of backend at {}: under `stable` it is still of {}", b.short(), a.short());
    assert!(why.contains(&wanted), "{why}");
    world.push("backend", Some(&b), &["stable"]).await;
    assert_eq!(world.bump(&world.pushed("backend", "stable", None)).await.changed.len(), 2);
}

#[tokio::test]
async fn what_our_own_builder_built_is_held_to_the_rule_too() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "deploy: [main]\n    tags: { semver: '*' }")).await;
    let a = commit('a');
    let (frontend, _) = world.push_both(&a).await;
    assert!(
        world.ignored(&world.built("frontend", &a, &frontend)).await.contains("the tag `main` is no whole version")
    );
}

#[tokio::test]
async fn a_component_is_deployed_from_its_own_branches_alone() {
    let world = World::with(&CONFIG.replace("shop-backend\" }", "shop-backend\", branches: [main] }")).await;
    let a = commit('a');
    for image in ["frontend", "backend"] {
        world.push(image, Some(&a), &["hotfix-x"]).await;
    }
    let why = world.ignored(&world.pushed("backend", "hotfix-x", None)).await;
    assert!(why.contains("`apps.shop.components.backend.branches`"), "{why}");
    // Nor is it waited for.
    let deployed = world.bump(&world.pushed("frontend", "hotfix-x", None)).await;
    assert_eq!(deployed.changed.iter().map(proto::ComponentName::as_str).collect::<Vec<_>>(), ["frontend"]);
}
