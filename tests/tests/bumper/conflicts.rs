//! Others who push, servers that refuse, clones that break: nothing is lost, and history stays a line.

use std::fmt::Write as _;

use runtime::{Failure, Worker};

use crate::world::*;

#[tokio::test]
async fn a_push_in_between_means_that_the_edit_is_made_again() {
    let world = World::new().await;
    let theirs = world.repo.write(&[("staging/app.yaml", &format!("# theirs\n{}", world.manifest("v0")))]);
    world.repo.git(&["update-ref", "refs/heads/main", &format!("{theirs}^")]);
    // The server lets somebody else in between our look and our push, once.
    let race = format!("[ -e ran ] && exit 0; touch ran; git update-ref refs/heads/main {theirs}");
    world.repo.hook("update", &race);
    let a = commit('a');
    let deployed = world.deploy(&a).await;
    let text = world.repo.text("staging/app.yaml");
    assert!(text.starts_with("# theirs\n") && text.contains(a.as_str()), "{text}");
    assert_eq!(world.repo.git(&["rev-parse", "main^"]), theirs);
    assert_eq!(deployed.revision.as_str(), world.repo.head());
}

#[tokio::test]
async fn who_always_comes_second_tries_again_later() {
    let world = World::new().await;
    world.push_both(&commit('a')).await;
    // Every push finds that another came first.
    world.repo.hook(
        "update",
        "new=$(GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x \
         git commit-tree main^{tree} -p main -m theirs) && git update-ref refs/heads/main $new",
    );
    let failure = world.handle(&world.pushed("frontend", "main", None)).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Transient(why) if why.to_string().contains("others pushed first")),
        "{failure:?}"
    );
    assert_eq!(world.repo.text("staging/app.yaml"), world.manifest("v0"));
}

fn many(count: usize) -> String {
    let mut environments = String::new();
    for n in 0..count {
        writeln!(environments, "      e{n}: {{ path: e/{n}.yaml, sync: {{ command: [\"true\"] }} }}").unwrap();
    }
    let (head, rest) = CONFIG.split_once("      staging:").unwrap();
    let (_, tail) = rest.split_once("git: {").unwrap();
    format!("{head}{environments}git: {{{tail}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_bumps_and_another_writer_lose_nothing() {
    let world = World::with(&many(1)).await;
    // A hundred apps would be a hundred configurations: here every bump is an event of its own, which sets its own
    // file through a configuration of its own environment.
    let paths: Vec<_> = (0..100).map(|n| format!("e/{n}.yaml")).collect();
    let text = world.manifest("v0");
    world.repo.write(&paths.iter().map(|path| (path.as_str(), text.as_str())).collect::<Vec<_>>());
    let (begun, a) = (world.repo.count(), commit('a'));
    let (frontend, _) = world.push_both(&a).await;
    let bumper = world.another_bumper(&many(100), "many").await;
    let event = world.pushed("frontend", "main", Some(&frontend));
    let other = async {
        for n in 0..20 {
            while world.repo.try_write("theirs.txt", &n.to_string()).is_none() {}
            tokio::task::yield_now().await;
        }
    };
    let (outcomes, ()) = tokio::join!(bumper.handle(&event), other);
    let bumps = deployments(&outcomes.unwrap());
    assert_eq!(bumps.len(), 100);
    for (path, bump) in paths.iter().zip(0..) {
        assert!(world.repo.text(path).contains(a.as_str()), "{path} {bump}");
    }
    assert_eq!(world.repo.text("theirs.txt"), "19");
    assert_eq!(world.repo.count(), begun + 100 + 20);
    assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", "main"]), "0");
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted_and_the_others_go_on() {
    let world = World::new().await;
    world.repo.hook("pre-receive", "echo 'production is frozen until Monday'; exit 1");
    world.push_both(&commit('a')).await;
    let why = world.refused(&world.pushed("frontend", "main", None)).await;
    assert!(why.contains("production is frozen until Monday") && why.contains("hook declined"), "{why}");
    assert_eq!(world.repo.count(), 1);
    // One environment's rule does not hold up another's bump.
    let world = World::with(&many(3)).await;
    let text = world.manifest("v0");
    world.repo.write(&[("e/0.yaml", &text), ("e/1.yaml", &text), ("e/2.yaml", &text)]);
    world
        .repo
        .hook("pre-receive", "read old new ref; git diff --name-only $old $new | grep -q e/1.yaml && exit 1; exit 0");
    world.push_both(&commit('a')).await;
    let (_, why) = world.waits(&world.pushed("frontend", "main", None)).await;
    assert!(why.contains("hook declined"), "{why}");
    let done = |n: usize| world.repo.text(&format!("e/{n}.yaml")).contains(commit('a').as_str());
    assert_eq!([done(0), done(1), done(2)], [true, false, true]);
}

#[tokio::test]
async fn a_damaged_clone_is_made_anew() {
    let world = World::new().await;
    let first = world.deploy(&commit('a')).await;
    world.healthy(&first).await;
    let clones = world.folder.join("data/gitops");
    let clone = std::fs::read_dir(&clones).unwrap().next().unwrap().unwrap().path();
    let damages: [(&str, &dyn Fn()); 6] = [
        ("HEAD", &|| std::fs::write(clone.join("HEAD"), "nonsense").unwrap()),
        ("objects", &|| std::fs::remove_dir_all(clone.join("objects")).unwrap()),
        ("empty objects", &|| empty_all(&clone.join("objects"))),
        ("a lock left behind", &|| lock_all(&clone)),
        ("everything", &|| std::fs::remove_dir_all(&clone).unwrap()),
        ("a file in its place", &|| {
            std::fs::remove_dir_all(&clone).unwrap();
            std::fs::write(&clone, "not a clone").unwrap();
        }),
    ];
    for ((what, damage), digit) in damages.into_iter().zip('1'..) {
        damage();
        let deployed = world.deploy(&commit(digit)).await;
        assert_eq!(deployed.revision.as_str(), world.repo.head(), "{what}");
        assert_eq!(deployed.changed.len(), 2, "{what}");
        world.healthy(&deployed).await;
    }
}

fn empty_all(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            empty_all(&entry.path());
        } else {
            std::fs::remove_file(entry.path()).unwrap();
            std::fs::write(entry.path(), "").unwrap();
        }
    }
}

fn lock_all(clone: &std::path::Path) {
    let refs = clone.join("refs/windlass");
    for kind in ["heads", "batch"] {
        std::fs::create_dir_all(refs.join(kind)).unwrap();
        std::fs::write(refs.join(kind).join("main.lock"), "").unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let world = World::with(&CONFIG.replace("\"GITOPS\"", "\"http://127.0.0.1:1/gitops.git\"")).await;
    world.push_both(&commit('a')).await;
    let failure = world.handle(&world.pushed("frontend", "main", None)).await.unwrap_err();
    assert!(matches!(&failure, Failure::Transient(why) if why.to_string().contains("127.0.0.1:1")), "{failure:?}");
}

#[tokio::test]
async fn a_git_server_that_fails_or_refuses_is_told_apart() {
    let world = World::new().await;
    world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", None);
    world.git.fail_next(1, 503);
    let failure = world.handle(&event).await.unwrap_err();
    assert!(matches!(&failure, Failure::Transient(why) if why.to_string().contains("503")), "{failure:?}");
    world.git.require("me", "hunter2");
    let why = world.refused(&event).await;
    assert!(why.contains("git.credentials") && why.contains(&world.repo.url), "{why}");
    let secret = world.folder.write("password", "hunter2\n").unwrap();
    let credentials = format!(
        "git: {{ credentials: [{{ url: \"{}\", username: me, password: \"file:{}\" }}],",
        world.repo.url.rsplit_once('/').unwrap().0,
        secret.display()
    );
    let bumper = world.another_bumper(&CONFIG.replace("git: {", &credentials), "credentials").await;
    assert_eq!(deployments(&bumper.handle(&event).await.unwrap()).len(), 1);
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_found_again() {
    let world = World::new().await;
    // The server dies once it has taken the push and before it says so.
    world.repo.hook("post-receive", "[ -e ran ] && exit 0; touch ran; kill -9 $PPID");
    world.push_both(&commit('a')).await;
    let event = world.pushed("frontend", "main", None);
    let outcomes = match world.handle(&event).await {
        Err(Failure::Transient(_)) => world.handle(&event).await.unwrap(),
        other => other.unwrap(),
    };
    assert!(world.repo.path.join("ran").exists());
    assert_eq!(deployments(&outcomes)[0].revision.as_str(), world.repo.head());
    assert_eq!(deployments(&outcomes)[0].changed.len(), 2);
    assert_eq!(world.repo.count(), 2);
}
