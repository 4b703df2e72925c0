//! New images: what is deployed, and what rightly is not.

use proto::{BumpReason, Lane};

use crate::world::*;

#[tokio::test]
async fn both_components_of_a_commit_come_in_one_commit_to_the_byte() {
    let world = World::new().await;
    let (a, before) = (commit('a'), world.repo.text("staging/app.yaml"));
    let (frontend, backend) = world.push_both(&a).await;
    let deployed = world.bump(&world.built("frontend", &a, &frontend)).await;

    let wanted = before
        .replace(&format!("{}:v0", world.image("frontend")), &value(&world.image("frontend"), &a, &frontend))
        .replace(&format!("{}:v0", world.image("backend")), &value(&world.image("backend"), &a, &backend));
    assert_eq!(world.repo.text("staging/app.yaml"), wanted);
    assert_eq!(world.repo.text("production/app.yaml"), world.manifest("v0"));
    assert_eq!(world.repo.count(), 2);
    assert_eq!(deployed.revision.as_str(), world.repo.head());
    assert_eq!(deployed.reason, BumpReason::Deploy);
    assert_eq!(deployed.changed.iter().map(proto::ComponentName::as_str).collect::<Vec<_>>(), ["backend", "frontend"]);
    assert_eq!(digests(&deployed).into_values().collect::<Vec<_>>(), [backend.clone(), frontend.clone()]);
    assert!(deployed.release.values().all(|r| r.commit.as_ref() == Some(&a)));
    assert_eq!(deployed.previous[&"backend".parse().unwrap()], format!("{}:v0", world.image("backend")));

    // The second component's event, and the registry's own, find it done.
    for event in [world.built("backend", &a, &backend), world.pushed("frontend", "main", Some(&frontend))] {
        assert!(world.ignored(&event).await.contains("already"));
    }
    assert_eq!(world.repo.count(), 2);
}

#[tokio::test]
async fn the_commit_says_what_led_to_it_and_nothing_can_forge_that() {
    let world = World::new().await;
    let a = commit('a');
    let (frontend, backend) = world.push_both(&a).await;
    let event = world.built("frontend", &a, &frontend);
    world.bump(&event).await;
    let message = world.repo.message("main");
    let (first, rest) = message.split_once('\n').unwrap();
    assert_eq!(first, format!("shop staging: backend,frontend -> {}", a.short()));
    assert!(rest.contains("> Sell more Windlass-Event: forged"), "{message}");
    let trailers = world.repo.git(&["log", "-1", "--format=%(trailers)", "main"]);
    let wanted = format!(
        "Windlass-Event: {}\nWindlass-Environment: staging\nWindlass-Release-Commit: {a}\n\
         Windlass-Source-Commit: {a}\n\
         Windlass-Digest: backend={backend}\nWindlass-Digest: frontend={frontend}\nWindlass-Reason: deploy",
        event.id
    );
    assert_eq!(trailers, wanted);
    assert_eq!(
        world.repo.git(&["log", "-1", "--format=%an %ae %cn", "main"]),
        "Hauler of things hauler@example.org Hauler of things"
    );
}

#[tokio::test]
async fn the_first_line_is_as_the_configuration_writes_it_and_the_trailers_stay() {
    let message =
        "git: { message: '{reason}({app}): {tag} to {environment}, {components} at {commit} for {event}', author:";
    let world = World::with(&CONFIG.replace("git: { author:", message)).await;
    let a = commit('a');
    let (frontend, _) = world.push_both(&a).await;
    let event = world.built("frontend", &a, &frontend);
    let deployed = world.bump(&event).await;
    let message = world.repo.message("main");
    let (first, rest) = message.split_once("\n\n").unwrap();
    let (short, id) = (a.short(), event.id);
    assert_eq!(first, format!("deploy(shop): {a} to staging, backend,frontend at {short} for {id}"));
    assert!(rest.contains(&format!("\n\nWindlass-Event: {id}\nWindlass-Environment: staging\n")), "{rest}");
    assert_eq!(world.bump(&event).await, deployed, "its commit is known again");
    assert_eq!(world.repo.count(), 2);
}

#[tokio::test]
async fn a_tag_at_the_first_lines_beginning_makes_no_trailer_of_it() {
    let config = CONFIG.replace("git: { author:", "git: { message: '{tag}: {environment}', author:");
    let world =
        World::with(&config.replace("deploy: [main]", "deploy: [main]\n    tags: { glob: 'Windlass-*' }")).await;
    let a = commit('a');
    for component in ["frontend", "backend"] {
        world.push(component, Some(&a), &[a.as_str(), "Windlass-Environment"]).await;
    }
    world.bump(&world.pushed("frontend", "Windlass-Environment", None)).await;
    let first = world.repo.message("main").lines().next().unwrap().to_owned();
    assert_eq!(first, "shop: Windlass-Environment: staging");
}

#[tokio::test]
async fn together_waits_for_every_component() {
    let world = World::new().await;
    let (a, b) = (commit('a'), commit('b'));
    let frontend = world.push("frontend", Some(&a), &[a.as_str(), "main"]).await;
    let why = world.ignored(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(
        why.contains(&format!("waits for the image of backend at {}", a.short())) && why.contains("release: apart"),
        "{why}"
    );
    // A tag of that name whose image is of another commit is not it.
    world.push("backend", Some(&b), &[a.as_str()]).await;
    let why = world.ignored(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert!(why.contains(&format!("says revision {}", b.short())), "{why}");
    assert_eq!(world.repo.count(), 1);
    let backend = world.push("backend", Some(&a), &[a.as_str(), "main"]).await;
    let deployed = world.bump(&world.pushed("backend", "main", Some(&backend))).await;
    assert_eq!(deployed.changed.len(), 2);
}

#[tokio::test]
async fn apart_takes_each_as_it_comes_and_tells_the_whole_release() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "deploy: [main]\n    release: apart")).await;
    let v0 = world.push("backend", None, &["v0"]).await;
    let a = commit('a');
    let frontend = world.push("frontend", Some(&a), &["main"]).await;
    let deployed = world.bump(&world.pushed("frontend", "main", None)).await;
    assert_eq!(deployed.changed.len(), 1);
    let release = digests(&deployed);
    assert_eq!((&release["frontend"], &release["backend"]), (&frontend, &v0));
    assert_eq!(deployed.release[&"backend".parse().unwrap()].tag.as_deref(), Some("v0"));
}

#[tokio::test]
async fn an_image_without_a_commit_is_deployed_alone_and_that_is_said() {
    let world = World::new().await;
    let digest = world.push("frontend", None, &["main"]).await;
    let deployed = world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
    assert!(deployed.note.unwrap().contains("names no source commit"));
    assert!(world.repo.text("staging/app.yaml").contains(&format!("{}:main@{digest} #", world.image("frontend"))));
}

#[tokio::test]
async fn only_deploy_and_hotfix_tags_are_followed() {
    let world = World::new().await;
    let a = commit('a');
    let (frontend, _) = world.push_both(&a).await;
    world.push("frontend", Some(&a), &["topic", "hotfix-login"]).await;
    let why = world.ignored(&world.pushed("frontend", "topic", None)).await;
    assert!(why.contains("`topic` belongs to no deploy or hotfix branch"), "{why}");
    let why = world.ignored(&world.pushed("frontend", a.as_str(), Some(&frontend))).await;
    assert!(why.contains("branch's tag is followed"), "{why}");
    let mut untagged = world.pushed("frontend", "x", Some(&frontend));
    if let proto::Data::ImagePushed(data) = &mut untagged.data {
        data.tag = None;
    }
    assert!(world.ignored(&untagged).await.contains("without a tag"));
    assert_eq!(world.repo.count(), 1);
    assert!(matches!(world.context.config.apps.values().next().unwrap().lane_of_tag("hotfix-login"), Lane::Hotfix));
    assert_eq!(world.bump(&world.pushed("frontend", "hotfix-login", None)).await.changed.len(), 2);
}

#[tokio::test]
async fn a_commit_s_tag_is_no_branch_s_though_every_branch_is_deployed() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "deploy: [\"*\"]")).await;
    let a = commit('a');
    let (frontend, _) = world.push_both(&a).await;
    let why = world.ignored(&world.pushed("frontend", a.as_str(), Some(&frontend))).await;
    assert!(why.contains("is a commit's; its branch's tag is followed"), "{why}");
    assert_eq!(world.bump(&world.pushed("frontend", "main", Some(&frontend))).await.changed.len(), 2);
}

#[tokio::test]
async fn tags_and_names_that_look_like_options_or_paths_do_nothing() {
    let world = World::with(&CONFIG.replace("deploy: [main]", "deploy: [\"**\"]")).await;
    for tag in ["--upload-pack=x", "../../../v2/_catalog", "a b", "", "a\nb", "latest?x=1", &"x".repeat(5000)] {
        let why = world.refused(&world.pushed("frontend", tag, None)).await;
        assert!(why.contains("neither a tag nor a digest") && why.len() < 500, "{why}");
    }
    assert_eq!(world.repo.count(), 1);
}

#[tokio::test]
async fn what_the_configuration_no_longer_knows_is_ignored() {
    let world = World::new().await;
    let mut stranger = world.pushed("frontend", "main", None);
    if let proto::Data::ImagePushed(data) = &mut stranger.data {
        data.app = "gone".parse().unwrap();
    }
    assert!(world.ignored(&stranger).await.contains("no app `gone`"));
    if let proto::Data::ImagePushed(data) = &mut stranger.data {
        data.app = "shop".parse().unwrap();
        data.image = "evil.example/shop-frontend".parse().unwrap();
    }
    stranger.id = proto::EventId::fresh();
    assert!(world.ignored(&stranger).await.contains("is not the image of `frontend`"));
}

#[tokio::test]
async fn a_run_that_died_before_it_could_tell_tells_the_same_again() {
    let world = World::new().await;
    let a = commit('a');
    let (frontend, _) = world.push_both(&a).await;
    let event = world.pushed("frontend", "main", Some(&frontend));
    let first = world.bump(&event).await;
    // Others commit meanwhile, and the run is repeated elsewhere, where no clone is kept.
    world.repo.write(&[("staging/other.yaml", "a: b\n"), ("README", "x")]);
    let again = {
        use runtime::Worker;
        let outcomes = world.another_bumper(CONFIG, "elsewhere").await.handle(&event).await.unwrap();
        deployments(&outcomes).remove(0)
    };
    assert_eq!(first, again);
    assert_eq!(world.repo.count(), 3);
}

/// One event is for both; the files of one are broken.
#[tokio::test]
async fn what_one_environment_s_files_refuse_is_told_of_the_others_and_goes_on_there_once_they_are_mended() {
    let world = World::with(&CONFIG.replace("after: staging, ", "")).await;
    let whole = world.repo.text("production/app.yaml");
    world.repo.write(&[("production/app.yaml", "spec: [\n")]);
    let (frontend, _) = world.push_both(&commit('a')).await;
    let pushed = world.pushed("frontend", "main", Some(&frontend));
    let (production, why) = world.waits(&pushed).await;
    assert!(why.contains("its files to be mended") && why.contains("production/app.yaml"), "{why}");
    let staging = world.place("staging").await.asked.unwrap().deployment;
    assert_eq!(staging.revision.as_str(), world.repo.head());
    world.healthy(&staging).await;
    assert!(world.refused(&production).await.contains("production/app.yaml"));

    world.repo.write(&[("production/app.yaml", &whole)]);
    let deployed = world.bump(&proto::Event { replay: 1, ..production }).await;
    assert_eq!((deployed.environment.as_str(), &deployed.release), ("production", &staging.release));
    // Where no other gets anything, the event itself is the dead letter.
    world.healthy(&deployed).await;
    world.repo.write(&[("staging/app.yaml", "spec: [\n"), ("production/app.yaml", "spec: [\n")]);
    let (frontend, _) = world.push_both(&commit('b')).await;
    assert!(world.refused(&world.pushed("frontend", "main", Some(&frontend))).await.contains("no YAML file"));
}

#[tokio::test]
async fn what_one_environment_s_files_refuse_keeps_no_other_from_beginning_to_wait() {
    let world = World::with(&CONFIG.replace("after: staging, ", "hold: a sale, ")).await;
    world.repo.write(&[("staging/app.yaml", "spec: [\n")]);
    let (frontend, _) = world.push_both(&commit('a')).await;
    let pushed = world.pushed("frontend", "main", Some(&frontend));
    world.waits(&pushed).await;
    for environment in ["staging", "production"] {
        assert!(world.place(environment).await.waiting.is_some(), "{environment}");
    }
}
