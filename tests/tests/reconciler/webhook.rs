//! Which webhook is meant, and who may ask about it.

use reconciler::{Mode, Report};

use crate::world::{Over, World};

async fn refused(world: &World) -> String {
    format!("{:#}", world.try_sweep(Mode::default()).await.unwrap_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_that_sends_to_the_source_is_found() {
    let mut world = World::open(Over::Files).await;
    world.github.hook("repos/acme/shop", "https://elsewhere.example/hooks", "x");
    world.github.hook("repos/acme/other", &format!("http://127.0.0.1:{}/webhooks/github", world.port()), "x");
    world.outage(2);
    world.receive().await;
    assert_eq!(world.sweep().await.came, 2);
    world.github.hook("repos/acme/shop", "https://windlass.example/webhooks/github", "x");
    // Where it was found is asked for again after a while only; a reconciler that starts asks at once.
    let mut reports = reconciler::Reconciler::new(&world.context).unwrap().once(None, Mode::default()).await;
    let error = format!("{:#}", reports.pop().unwrap().1.unwrap_err());
    assert!(error.contains("several webhooks of repos/acme/shop") && error.contains("give each its `id`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_named_needs_no_finding() {
    // The first webhook that the fake makes.
    let mut world = World::with(Over::Files, "orgs/acme", "hooks: [{ organisation: acme, id: 292430182 }]").await;
    world.github.hook("orgs/acme", "https://windlass.example/webhooks/github", "x");
    world.outage(2);
    world.receive().await;
    assert_eq!(world.sweep().await.came, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_what_to_mend() {
    let world = World::with(Over::Files, "repos/acme/other", "hooks: [{ repository: acme/shop }]").await;
    let error = refused(&world).await;
    assert!(error.contains("no webhook of repos/acme/shop sends to /webhooks/github"), "{error}");
    assert!(error.contains("`sources.github.reconcile.hooks`"), "{error}");
    let world = World::with(Over::Files, "repos/acme/shop", "hooks: [{ repository: acme/shop, id: 7 }]").await;
    let error = refused(&world).await;
    assert!(error.contains("(404)") && error.contains("may read and write webhooks"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_anew_when_it_was_taken_back() {
    let mut world = World::open(Over::Files).await;
    world.outage(2);
    world.receive().await;
    world.github.revoke_tokens();
    let error = refused(&world).await;
    assert!(error.contains("it does not know who we are") && !error.contains("ghp_"), "{error}");
    world.folder.write("token", &world.github.token()).unwrap();
    assert_eq!(world.sweep().await.came, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_sweep_one_does() {
    let mut world = World::open(Over::Files).await;
    world.outage(20);
    world.receive().await;
    world.github.hang_after(3);
    let first = reconciler::Reconciler::new(&world.context).unwrap();
    let first = tokio::spawn(async move { first.once(None, Mode::default()).await });
    let hangs = async || world.github.hangs();
    testkit::wait::until_true(crate::world::SOON, "the first to hang", hangs).await.unwrap();
    let second = reconciler::Reconciler::new(&world.context).unwrap().once(None, Mode::default()).await;
    assert!(matches!(second.as_slice(), [(_, Ok(None))]), "{second:?}");
    world.github.go_on();
    let first = first.await.unwrap();
    assert!(matches!(first.as_slice(), [(_, Ok(Some(Report::Hook(report))))] if report.came == 20), "{first:?}");
}
