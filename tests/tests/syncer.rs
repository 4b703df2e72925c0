//! The syncer against an Argo CD that behaves and misbehaves as the real one does, and against programs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stage;
#[path = "syncer/story.rs"]
mod story;

use std::time::Duration;

use proto::{Data, SyncFinished};
use runtime::{Failure, Worker};
use stage::{Stage, bumped, deployment, ignored, only, permanent, shop, transient};
use syncer::{Patience, Syncer};
use testkit::{
    argocd::{Behaviour, Health, SyncEnd},
    wait,
};

use story::{SOON, Story, of, quick};

#[tokio::test]
async fn the_application_is_brought_to_the_exact_revision() {
    let story = Story::begin(Behaviour::default()).await;
    let finished = story.sync('a').await;
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(finished.message, "successfully synced (all tasks run)");
    assert_eq!(story.argo.synced(), [("shop".to_owned(), of('a'))]);
    let app = story.application();
    assert_eq!(app["status"]["sync"]["revision"], of('a'));
    assert_eq!(app["status"]["operationState"]["operation"]["initiatedBy"]["username"], "windlass");
    assert_eq!(app["metadata"]["annotations"]["argocd.argoproj.io/refresh"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_second_run_finds_the_first_ones_sync() {
    let story = Story::begin(Behaviour::default()).await;
    let event = bumped(deployment('a'));
    for _ in 0..2 {
        let Data::SyncFinished(finished) = only(&story.syncer.handle(&event).await.unwrap()) else { panic!() };
        assert!(finished.succeeded, "{finished:?}");
    }
    assert_eq!(story.argo.synced().len(), 1, "nothing is synced twice");
}

#[tokio::test]
async fn a_run_that_died_amid_the_sync_is_taken_up_where_it_was() {
    let story = Story::begin(Behaviour::sync_ends(SyncEnd::Never)).await;
    let event = bumped(deployment('a'));
    let running = || async { story.application()["status"]["operationState"]["phase"] == "Running" };
    tokio::select! {
        _ = story.syncer.handle(&event) => panic!("it cannot have ended"),
        found = wait::until_true(SOON, "the operation", async || running().await) => found.unwrap(),
    }
    story.argo.behave("argocd", "shop", Behaviour::default());
    let Data::SyncFinished(finished) = only(&story.syncer.handle(&event).await.unwrap()) else { panic!() };
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced().len(), 1);
}

#[tokio::test]
async fn what_a_failed_sync_says_is_passed_on() {
    let end = SyncEnd::Failed("spec.selector: field is immutable".into());
    let story = Story::begin(Behaviour::sync_ends(end)).await;
    let event = bumped(deployment('a'));
    for _ in 0..2 {
        let Data::SyncFinished(finished) = only(&story.syncer.handle(&event).await.unwrap()) else { panic!() };
        let words = "Failed: spec.selector: field is immutable; Deployment/shop";
        assert!(!finished.succeeded && finished.message.starts_with(words), "{finished:?}");
    }
    assert_eq!(story.patches(), 1, "the second run finds how the first one ended");
}

#[tokio::test]
async fn what_argo_cd_itself_cannot_do_is_no_verdict_and_asked_for_again() {
    let end = SyncEnd::Error("ComparisonError: repo-server is away".into());
    let story = Story::begin(Behaviour::sync_ends(end)).await;
    let event = bumped(deployment('a'));
    for _ in 0..2 {
        let why = transient(story.syncer.handle(&event).await.unwrap_err());
        assert!(why.contains("Application `shop`: Error: ComparisonError: repo-server is away"), "{why}");
    }
    assert_eq!(story.patches(), 2);
    story.argo.behave("argocd", "shop", Behaviour::default());
    let Data::SyncFinished(finished) = only(&story.syncer.handle(&event).await.unwrap()) else { panic!() };
    assert!(finished.succeeded, "{finished:?}");
}

#[tokio::test]
async fn old_health_is_not_taken_for_new() {
    let behaviour = Behaviour { health: Health::Degraded, stale: Duration::from_millis(2500), ..Behaviour::default() };
    let story = Story::begin(behaviour).await;
    let finished = story.sync('a').await;
    assert!(!finished.succeeded && finished.message.starts_with("synced but Degraded: "), "{finished:?}");
}

#[tokio::test]
async fn a_while_of_degraded_is_not_the_end() {
    let story = Story::begin_with(Behaviour::becomes(Health::Degraded), Patience { degraded: SOON, ..quick() }).await;
    let recover = async {
        let degraded = || async { story.application()["status"]["health"]["status"] == "Degraded" };
        wait::until_true(SOON, "it to be degraded", async || degraded().await).await.unwrap();
        story.argo.set_health("argocd", "shop", Health::Healthy).unwrap();
    };
    let (finished, ()) = tokio::join!(story.sync('a'), recover);
    assert!(finished.succeeded, "{finished:?}");
}

#[tokio::test]
async fn what_never_becomes_healthy_ends_at_the_deadline() {
    let patience = Patience { health: Duration::from_secs(2), ..quick() };
    let story = Story::begin_with(Behaviour::becomes(Health::Progressing), patience).await;
    let finished = story.sync('a').await;
    assert_eq!(finished.message, "synced but not healthy within 2 s: its health is Progressing");
    let patience = Patience { operation: Duration::from_millis(300), ..quick() };
    let story = Story::begin_with(Behaviour::sync_ends(SyncEnd::Never), patience).await;
    let finished = story.sync('a').await;
    assert!(!finished.succeeded && finished.message.contains("still runs"), "{finished:?}");
}

#[tokio::test]
async fn a_missing_application_is_named() {
    let story = Story::begin(Behaviour::default()).await;
    story.argo.delete("argocd", "shop");
    // Nothing was applied, so no revision is blamed; the letter is replayed once the Application is there.
    let words = permanent(story.handle('a').await.unwrap_err());
    for word in ["no Argo CD Application `shop`", "namespace `argocd`", "sync.argocd"] {
        assert!(words.contains(word), "{words}");
    }
}

#[tokio::test]
async fn one_that_is_deleted_amid_the_sync_is_told() {
    let story = Story::begin(Behaviour::sync_ends(SyncEnd::Never)).await;
    let delete = async {
        story.until_running().await;
        story.argo.delete("argocd", "shop");
    };
    let (ended, ()) = tokio::join!(story.handle('a'), delete);
    let words = permanent(ended.unwrap_err());
    assert!(words.contains("`shop` was deleted"), "{words}");
}

#[tokio::test]
async fn somebody_elses_operation_is_waited_for_and_costs_no_attempt() {
    let story = Story::begin(Behaviour::default()).await;
    story.argo.start_foreign_operation("argocd", "shop", &of('e')).unwrap();
    let event = bumped(deployment('a'));
    let Err(Failure::NotYet { reason, .. }) = story.syncer.handle(&event).await else { panic!("it did not wait") };
    assert!(reason.contains("`shop` is in another operation") && reason.contains(&of('e')), "{reason}");
    assert_eq!(story.patches(), 0, "nothing was written");
    story.argo.finish_foreign_operation("argocd", "shop");
    wait::until_true(SOON, "it to end", async || !story.argo.synced().is_empty()).await.unwrap();
    let finished = story.sync('a').await;
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced(), [("shop".to_owned(), of('e')), ("shop".to_owned(), of('a'))]);
}

#[tokio::test]
async fn somebody_elses_operation_for_the_same_revision_is_as_good() {
    let story = Story::begin(Behaviour::default()).await;
    story.argo.start_foreign_operation("argocd", "shop", &of('a')).unwrap();
    let finish = async {
        story.until_running().await;
        story.argo.finish_foreign_operation("argocd", "shop");
    };
    let (finished, ()) = tokio::join!(story.sync('a'), finish);
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced().len(), 1);
}

#[tokio::test]
async fn an_operation_that_comes_over_ours_supersedes_it() {
    let story = Story::begin(Behaviour::becomes(Health::Progressing)).await;
    let overtake = async {
        wait::until_true(SOON, "our sync", async || !story.argo.synced().is_empty()).await.unwrap();
        story.argo.start_foreign_operation("argocd", "shop", &of('e')).unwrap();
    };
    let (ended, ()) = tokio::join!(story.handle('a'), overtake);
    let reason = ignored(&ended.unwrap());
    assert!(reason.contains(&of('a')) && reason.contains(&format!("superseded by revision {}", of('e'))), "{reason}");
}

#[tokio::test]
async fn a_branch_that_moved_on_for_other_environments_does_no_harm() {
    let story = Story::begin(Behaviour::default()).await;
    story.argo.set_head("argocd", "shop", &of('f'));
    let finished = story.sync('a').await;
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced(), [("shop".to_owned(), of('a'))]);
}

#[tokio::test]
async fn what_was_asked_for_later_goes_first() {
    let story = Story::begin(Behaviour::default()).await;
    let (older, newer) = (bumped(deployment('a')), bumped(deployment('b')));
    story.stage.record(&older).await;
    story.stage.record(&newer).await;
    let reason = ignored(&story.syncer.handle(&older).await.unwrap());
    assert!(reason.contains(&format!("superseded by revision {}", of('b'))), "{reason}");
    assert!(story.argo.synced().is_empty());
    let Data::SyncFinished(finished) = only(&story.syncer.handle(&newer).await.unwrap()) else { panic!() };
    assert!(finished.succeeded);
}

#[tokio::test]
async fn of_two_that_were_pushed_together_the_last_is_synced_whatever_order_they_are_told_in() {
    let story = Story::begin(Behaviour::default()).await;
    let (before, mut after) = (deployment('a'), deployment('b'));
    let web = after.release.values_mut().next().unwrap();
    web.digest = format!("sha256:{}", of('e') + &of('e')[..24]).parse().unwrap();
    after.previous.insert("web".parse().unwrap(), format!("ghcr.io/acme/web@{}", stage::DIGEST));
    // The one that was built upon the other is told first.
    let (after, before) = (bumped(after), bumped(before));
    story.stage.record(&after).await;
    story.stage.record(&before).await;
    assert!(ignored(&story.syncer.handle(&before).await.unwrap()).contains(&of('b')));
    let Data::SyncFinished(finished) = only(&story.syncer.handle(&after).await.unwrap()) else { panic!() };
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced(), [("shop".to_owned(), of('b'))]);
}

#[tokio::test]
async fn a_stuck_rollout_gives_way_to_its_mending() {
    let story = Story::begin_with(Behaviour::becomes(Health::Progressing), Patience { health: SOON, ..quick() }).await;
    let mend = async {
        wait::until_true(SOON, "the bad sync", async || !story.argo.synced().is_empty()).await.unwrap();
        story.argo.behave("argocd", "shop", Behaviour::default());
        let newer = bumped(deployment('b'));
        story.stage.record(&newer).await;
        story.syncer.handle(&newer).await.unwrap()
    };
    let (stuck, mended) = tokio::join!(story.handle('a'), mend);
    assert!(ignored(&stuck.unwrap()).contains(&of('b')));
    assert!(matches!(only(&mended), Data::SyncFinished(SyncFinished { succeeded: true, .. })));
    let synced: Vec<_> = story.argo.synced().into_iter().map(|(_, revision)| revision).collect();
    assert_eq!(synced, [of('a'), of('b')]);
}

#[tokio::test]
async fn a_lost_race_for_the_write_is_run_again_on_what_is_there() {
    let story = Story::begin(Behaviour::default()).await;
    // A controller that writes status between each read and write of ours, until we have lost twice.
    let disturb = async {
        let mut health = [Health::Degraded, Health::Healthy].into_iter().cycle();
        while story.patches() < 3 {
            story.argo.set_health("argocd", "shop", health.next().unwrap()).unwrap();
            tokio::task::yield_now().await;
        }
        // A third write before any operation has begun: the first two were lost.
        assert!(story.application()["status"]["operationState"].is_null());
    };
    let (finished, ()) = tokio::join!(story.sync('a'), disturb);
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced().len(), 1);
}

#[tokio::test]
async fn an_api_that_answers_500_is_tried_again_later_and_nothing_is_done_twice() {
    let story = Story::begin(Behaviour::default()).await;
    let event = bumped(deployment('a'));
    story.argo.fail_next(1, 500);
    let words = transient(story.syncer.handle(&event).await.unwrap_err());
    assert!(words.contains("get applications.argoproj.io in namespace argocd") && words.contains("500"), "{words}");
    // A burst while the operation runs: it is waited out, for the operation goes on.
    story.argo.behave("argocd", "shop", Behaviour::sync_ends(SyncEnd::Never));
    let burst = async {
        story.until_running().await;
        story.argo.fail_next(2, 503);
        story.argo.cut_watches();
        story.until_asked(6).await;
        story.argo.behave("argocd", "shop", Behaviour::default());
    };
    let (ended, ()) = tokio::join!(story.syncer.handle(&event), burst);
    let Data::SyncFinished(finished) = only(&ended.unwrap()) else { panic!() };
    assert!(finished.succeeded, "{finished:?}");
    assert_eq!(story.argo.synced().len(), 1);
}

#[tokio::test]
async fn too_many_requests_cost_no_attempt() {
    let story = Story::begin(Behaviour::default()).await;
    story.argo.fail_next(1, 429);
    assert!(matches!(story.handle('a').await, Err(Failure::NotYet { .. })));
}

#[tokio::test]
async fn who_may_not_is_told_what_to_grant() {
    let story = Story::begin(Behaviour::default()).await;
    story.argo.fail_next(1, 403);
    let words = permanent(story.handle('a').await.unwrap_err());
    assert!(words.contains("grant the verb `get` on `applications.argoproj.io` in namespace `argocd`"), "{words}");
    story.argo.fail_next(1, 401);
    assert!(permanent(story.handle('a').await.unwrap_err()).contains("credentials"));
}

#[tokio::test]
async fn cut_and_forgotten_watches_are_begun_anew() {
    let story = Story::begin(Behaviour::sync_ends(SyncEnd::Never)).await;
    let trouble = async {
        story.until_running().await;
        story.argo.forget_history();
        story.argo.cut_watches();
        story.until_asked(4).await;
        story.argo.behave("argocd", "shop", Behaviour::default());
    };
    let (finished, ()) = tokio::join!(story.sync('a'), trouble);
    assert!(finished.succeeded, "{finished:?}");
}

#[tokio::test]
async fn without_a_cluster_the_key_to_mend_is_named() {
    let config = format!("kubernetes: {{ kubeconfig: /no/such/file }}\n{}", shop("sync: { argocd: shop }"));
    let stage = Stage::open(&config).await;
    let words = permanent(Syncer::new(&stage.context).unwrap().handle(&bumped(deployment('a'))).await.unwrap_err());
    assert!(words.contains("`kubernetes.kubeconfig`: /no/such/file"), "{words}");
}

/// A stage whose staging is synced by this program, and a deployment of a real repository of manifests.
async fn by_program(argv: &str) -> (Stage, testkit::folder::Folder, proto::Deployment) {
    let folder = testkit::folder::Folder::new("gitops").unwrap();
    let script = "#!/bin/sh\ncat message\nprintenv | grep ^WINDLASS_ | sort\nexit $1\n";
    let (url, commit) = stage::repository(&folder, "gitops", &[("deploy", script), ("message", "hello\n")]);
    let mut deployment = deployment('a');
    (deployment.repository, deployment.revision) = (url, commit.parse().unwrap());
    (Stage::open(&shop(&format!("sync: {{ command: {argv} }}"))).await, folder, deployment)
}

#[tokio::test]
async fn a_program_is_given_the_checkout_and_told_what_it_is() {
    for (argv, succeeded) in [("[./deploy, '0']", true), ("[./deploy, '4']", false)] {
        let (stage, _gitops, deployment) = by_program(argv).await;
        let revision = deployment.revision.clone();
        let outcomes = Syncer::new(&stage.context).unwrap().handle(&bumped(deployment)).await.unwrap();
        let Data::SyncFinished(finished) = only(&outcomes) else { panic!() };
        assert_eq!(finished.succeeded, succeeded, "{finished:?}");
        let (digest, commit) = (stage::DIGEST, of('c'));
        for line in [
            "hello".to_owned(),
            "WINDLASS_APP=shop".to_owned(),
            "WINDLASS_ENVIRONMENT=staging".to_owned(),
            format!("WINDLASS_REVISION={revision}"),
            "WINDLASS_PATH=staging".to_owned(),
            format!("WINDLASS_IMAGE_WEB=ghcr.io/acme/web@{digest}"),
            format!("WINDLASS_COMMIT_WEB={commit}"),
        ] {
            assert!(finished.message.lines().any(|seen| seen == line), "no `{line}` in {}", finished.message);
        }
        assert!(finished.message.contains("WINDLASS_CHECKOUT=/"), "{}", finished.message);
        let status = if succeeded { "exited with status 0" } else { "exited with status 4" };
        assert!(finished.message.starts_with(&format!("`./deploy` {status}")), "{}", finished.message);
        assert_eq!(stage.workspaces(), 0, "the checkout is removed");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_mistake_of_the_configuration() {
    let (stage, _gitops, deployment) = by_program("[no-such-program-here]").await;
    let words = permanent(Syncer::new(&stage.context).unwrap().handle(&bumped(deployment)).await.unwrap_err());
    assert!(words.contains("apps.shop.environments.staging.sync.command"), "{words}");
    assert!(words.contains("no-such-program-here"), "{words}");
}

#[tokio::test]
async fn one_environment_is_synced_once_at_a_time() {
    let folder = testkit::folder::Folder::new("turns").unwrap();
    let script = "mkdir \"$0\" || exit 9; sleep 0.3; rmdir \"$0\"";
    let lock = folder.join("lock");
    let (stage, _gitops, deployment) = by_program(&format!("[sh, -c, '{script}', '{}']", lock.display())).await;
    let syncer = Syncer::new(&stage.context).unwrap();
    let events = [(); 3].map(|()| bumped(deployment.clone()));
    let [a, b, c] = &events;
    let ended = tokio::join!(syncer.handle(a), syncer.handle(b), syncer.handle(c));
    for outcomes in [ended.0, ended.1, ended.2] {
        let Data::SyncFinished(finished) = only(&outcomes.unwrap()) else { panic!() };
        assert!(finished.succeeded, "two at once: {finished:?}");
    }
}

#[tokio::test]
async fn what_is_superseded_does_not_wait_for_its_turn() {
    let never = Behaviour::sync_ends(SyncEnd::Never);
    let story = Story::begin_with(never, Patience { operation: SOON, ..quick() }).await;
    let (running, waiting, newest) = (bumped(deployment('a')), bumped(deployment('b')), bumped(deployment('c')));
    let supersede = async {
        story.until_running().await;
        let waits = story.syncer.handle(&waiting);
        let ask = story.stage.record(&newest);
        tokio::join!(waits, ask).0.unwrap()
    };
    tokio::select! {
        ended = story.syncer.handle(&running) => panic!("{ended:?}"),
        superseded = supersede => assert!(ignored(&superseded).contains(&of('c')), "{superseded:?}"),
    }
}

#[tokio::test]
async fn an_environment_nobody_configured_is_left_alone() {
    let stage = Stage::open("apps: {}").await;
    let reason = ignored(&Syncer::new(&stage.context).unwrap().handle(&bumped(deployment('a'))).await.unwrap());
    assert!(reason.contains("apps.shop.environments.staging"), "{reason}");
}
