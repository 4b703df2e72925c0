//! Five hundred bumps to one repository while others push to it: none is lost, and what it costs beside the way they are
//! made by hand.

use std::{
    fmt::Write as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bumper::Bumper;
use futures_util::future::join_all;
use proto::{Digest, Event, ImagePushed};
use runtime::{Failure, Outcomes, Worker};
use testkit::folder::Folder;

use crate::{gitops::Repo, world::*};

const APPS: usize = 50;
const ENVIRONMENTS: usize = 10;
const PUBLISHERS: usize = 8;
/// So many of them are made by hand beside, at most: each costs as much as the next.
const BY_HAND: usize = 100;
/// So long is tried by hand, at most: where several publishers each need longer than [`OTHERS_PUSH`] from clone to push,
/// somebody else is always first and they never come to an end.
const PATIENCE: Duration = Duration::from_mins(1);
const OTHERS_PUSH: Duration = Duration::from_millis(200);

fn path(app: usize, environment: usize) -> String {
    format!("a{app}/e{environment}.yaml")
}

/// Apps of one component and environments that all come first, in one GitOps repository on this disk.
fn config(gitops: &Path) -> String {
    let mut apps = String::new();
    for app in 0..APPS {
        let gitops = gitops.display();
        write!(
            apps,
            "  a{app}:\n    repository: acme/a{app}\n    deploy: [main]\n    components: {{ web: {{ image: \"REGISTRY/acme/a{app}\" }} }}\n    \
             gitops: {{ repository: \"file://{gitops}\" }}\n    environments:\n"
        )
        .unwrap();
        for environment in 0..ENVIRONMENTS {
            let path = path(app, environment);
            writeln!(apps, "      e{environment}: {{ path: {path}, sync: {{ command: [\"true\"] }} }}").unwrap();
        }
    }
    format!("apps:\n{apps}{}", &CONFIG[CONFIG.find("git: {").unwrap()..])
}

/// A repository with a file for every bump, whose server counts pushes.
fn write_files(world: &World) {
    let mut files = Vec::new();
    for app in 0..APPS {
        let text =
            format!("# By hand.\nspec:\n  containers:\n    - name: web\n      image: {}/acme/a{app}:v0\n", world.host);
        files.extend((0..ENVIRONMENTS).map(|environment| (path(app, environment), text.clone())));
    }
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.repo.write(&files);
    world.repo.hook("post-receive", "cat >/dev/null; echo push >> pushes");
}

fn pushes(repo: &Repo) -> usize {
    std::fs::read_to_string(repo.path.join("pushes")).unwrap_or_default().lines().count()
}

/// Somebody else, who pushes now and then until all is done; how often.
async fn others(repo: &Repo, done: &AtomicBool) -> usize {
    let mut count = 0;
    while !done.load(Ordering::Relaxed) {
        while repo.try_write("theirs.txt", &count.to_string()).is_none() {}
        count += 1;
        tokio::time::sleep(OTHERS_PUSH).await;
    }
    count
}

/// Each publisher has one app's image told of after the other.
async fn publish(bumper: &Bumper, events: &[Event]) {
    let publisher = async |first: usize| {
        for event in events.iter().skip(first).step_by(PUBLISHERS) {
            let outcomes = handle(bumper, event).await;
            assert_eq!(deployments(&outcomes).len(), ENVIRONMENTS, "{}", reasons(&outcomes));
        }
    };
    join_all((0..PUBLISHERS).map(publisher)).await;
}

/// As the harness does: on a slow machine others may be first again and again, and that is tried once more.
async fn handle(bumper: &Bumper, event: &Event) -> Outcomes {
    for _ in 0..60 {
        match bumper.handle(event).await {
            Ok(outcomes) => return outcomes,
            Err(Failure::Transient(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("others were first sixty times over");
}

async fn push_images(world: &World) -> Vec<Event> {
    let mut events = Vec::new();
    for app in 0..APPS {
        let repository = format!("acme/a{app}");
        let digest = push_image(&world.host, &repository, &serde_json::json!({}), &["main"]).await;
        let (tag, image) = (Some("main".to_owned()), format!("{}/{repository}", world.host));
        let (app, component) = (format!("a{app}").parse().unwrap(), "web".parse().unwrap());
        events.push(event(ImagePushed { app, component, image: image.parse().unwrap(), tag, digest: Some(digest) }));
    }
    events
}

/// What our bumps took, and in how many pushes.
async fn ours(world: &World) -> (Duration, usize) {
    write_files(world);
    let events = push_images(world).await;
    let bumper = world.another_bumper(&config(&world.repo.path), "many").await;
    let (begun, done) = (world.repo.count(), AtomicBool::new(false));
    let bumps = async {
        let start = Instant::now();
        publish(&bumper, &events).await;
        done.store(true, Ordering::Relaxed);
        start.elapsed()
    };
    let (took, theirs) = tokio::join!(bumps, others(&world.repo, &done));
    for (app, event) in events.iter().enumerate() {
        let proto::Data::ImagePushed(ImagePushed { digest: Some(digest), .. }) = &event.data else { panic!() };
        for environment in 0..ENVIRONMENTS {
            let text = world.repo.text(&path(app, environment));
            assert!(text.contains(digest.as_str()) && text.starts_with("# By hand.\n"), "{text}");
        }
    }
    assert_eq!(world.repo.text("theirs.txt"), (theirs - 1).to_string());
    assert_eq!(world.repo.count(), begun + APPS * ENVIRONMENTS + theirs);
    assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", "main"]), "0");
    (took, pushes(&world.repo))
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_bumps_of_eight_publishers_lose_nothing_and_share_pushes() {
    let (_, pushes) = ours(&World::new().await).await;
    let bumps = APPS * ENVIRONMENTS;
    assert!(pushes <= bumps / 2, "{bumps} bumps took {pushes} pushes");
}

/// Clones, edits, commits and pushes for one bump, and again from the clone on when others were first, until `end`; how many
/// pushes it tried, and whether the last came through.
fn by_hand(repo: &Path, scratch: &Path, path: &str, digest: &Digest, end: Instant) -> (usize, bool) {
    let script = "set -e; export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x\n\
                  rm -rf \"$2\"; git clone -q \"file://$1\" \"$2\"\n\
                  sed -i \"s|^\\( *image: [^ ]*\\):.*|\\1@$4|\" \"$2/$3\"; git -C \"$2\" commit -qam \"Bump $3\"\n\
                  if git -C \"$2\" push -q 2>/dev/null; then echo pushed; fi";
    for tries in 1.. {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(repo).arg(scratch).args([path, digest.as_str()]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let pushed = output.stdout == b"pushed\n";
        if pushed || Instant::now() >= end {
            return (tries, pushed);
        }
    }
    unreachable!()
}

/// What was made by hand.
#[derive(Default)]
struct Hands {
    bumps: AtomicUsize,
    tries: AtomicUsize,
}

/// Some of the same bumps, each by hand, by so many publishers, until all are made or [`PATIENCE`] is at its end; alone,
/// or while somebody else pushes.
async fn by_hands(world: &World, publishers: usize, alone: bool) -> (Duration, Arc<Hands>) {
    write_files(world);
    let (folder, made) = (Arc::new(Folder::new("hands").unwrap()), Arc::new(Hands::default()));
    let (begun, done) = (world.repo.count(), AtomicBool::new(alone));
    let start = Instant::now();
    let publisher = |first: usize| {
        let (repo, folder, made) = (world.repo.path.clone(), Arc::clone(&folder), Arc::clone(&made));
        tokio::task::spawn_blocking(move || {
            let digest = format!("sha256:{}", "d".repeat(64)).parse().unwrap();
            for bump in (first..BY_HAND).step_by(publishers).take_while(|_| start.elapsed() < PATIENCE) {
                let path = path(bump / ENVIRONMENTS, bump % ENVIRONMENTS);
                let (tries, pushed) =
                    by_hand(&repo, &folder.join(&first.to_string()), &path, &digest, start + PATIENCE);
                made.tries.fetch_add(tries, Ordering::Relaxed);
                made.bumps.fetch_add(usize::from(pushed), Ordering::Relaxed);
            }
        })
    };
    let bumps = async {
        for publisher in join_all((0..publishers).map(publisher)).await {
            publisher.unwrap();
        }
        done.store(true, Ordering::Relaxed);
        start.elapsed()
    };
    let (took, theirs) = tokio::join!(bumps, others(&world.repo, &done));
    assert_eq!(world.repo.count(), begun + made.bumps.load(Ordering::Relaxed) + theirs);
    (took, made)
}

/// `./scripts/bench bumps`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, which takes minutes"]
async fn beside_clone_sed_commit_push() {
    println!("bumps on this disk, while another pushes every {OTHERS_PUSH:?}; milliseconds a bump");
    let (took, pushes) = ours(&World::new().await).await;
    let each = |took: Duration, bumps: usize| took.as_secs_f64() * 1000.0 / f64::from(u32::try_from(bumps).unwrap());
    let (bumps, by_us) = (APPS * ENVIRONMENTS, each(took, APPS * ENVIRONMENTS));
    println!("  Windlass, {PUBLISHERS} publishers        {bumps:>4} bumps, {pushes:>4} pushes        {by_us:>8.1} ms");
    for (who, publishers, alone) in
        [("1, nobody else pushes", 1, true), ("1 publisher", 1, false), ("8 publishers", PUBLISHERS, false)]
    {
        let (took, made) = by_hands(&World::new().await, publishers, alone).await;
        let (bumps, tries) = (made.bumps.load(Ordering::Relaxed), made.tries.load(Ordering::Relaxed));
        let by_hand = each(took, bumps);
        let times = by_hand / by_us;
        println!(
            "  by hand, {who:<22}{bumps:>4} bumps, {tries:>4} pushes tried  {by_hand:>8.1} ms, {times:>7.1} times as long (aim 25)"
        );
    }
}
