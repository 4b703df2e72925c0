//! Test steps: what is run, where, and what becomes of steps that fail, hang or are not there.

use builder::Builder;
use proto::{Data, Lane, StepReport, TestsFinished, Verdict};
use runtime::Worker;

use crate::{
    stage::{ignored, only, permanent, transient},
    yard::{Yard, gone, pushed, written},
};

/// A commit that nobody has.
const ABSENT: &str = "00000000000000000000000000000000000000aa";

async fn test(yard: &Yard, commit: &str) -> TestsFinished {
    let builder = Builder::new(&yard.stage.context).unwrap();
    match only(&builder.handle(&pushed(commit)).await.unwrap()) {
        Data::TestsFinished(tests) => tests,
        other => panic!("expected tests.finished, got {other:?}"),
    }
}

fn verdicts(tests: &TestsFinished) -> Vec<(&str, Verdict)> {
    tests.steps.iter().map(|step| (step.name.as_str(), step.verdict)).collect()
}

fn step<'a>(tests: &'a TestsFinished, name: &str) -> &'a StepReport {
    tests.steps.iter().find(|step| step.name == name).unwrap()
}

#[tokio::test]
async fn the_exact_commit_is_tested_step_by_step_until_one_fails() {
    let app = r#"
    test:
      - { name: version, run: [./check, "$(id)", "; exit 1"], env: { GREETING: hello } }
      - { name: in a folder, run: [pwd], dir: sub }
      - { name: red, run: [sh, -c, "echo looks bad; exit 7"] }
      - { name: never, run: [touch, never] }"#;
    let yard = Yard::open(app, "").await;
    let script = "#!/bin/sh\ncat version; echo \"$GREETING $1 $2 $WINDLASS_APP $WINDLASS_BRANCH $WINDLASS_COMMIT\"\n";
    let first = yard.commit(&[("check", script), ("version", "one\n"), ("sub/x", "")]).await;
    yard.commit(&[("version", "two\n")]).await;
    let tests = test(&yard, &first).await;
    assert!(!tests.passed);
    let (passed, failed) = (Verdict::Passed, Verdict::Failed);
    assert_eq!(
        verdicts(&tests),
        [("version", passed), ("in a folder", passed), ("red", failed), ("never", Verdict::Skipped)]
    );
    let log = step(&tests, "version").log.clone().unwrap();
    assert_eq!(log, format!("shop/{}/version.log", &first[..12]));
    assert_eq!(yard.log(&log), format!("one\nhello $(id) ; exit 1 shop main {first}\n"));
    let folder = yard.log(step(&tests, "in a folder").log.as_ref().unwrap());
    assert!(folder.trim().ends_with("/sub"), "{folder}");
    let red = step(&tests, "red");
    assert_eq!((red.exit_code, red.output_tail.as_str()), (Some(7), "looks bad"));
    assert_eq!(yard.stage.workspaces(), 0);
    // Done again, as after a crash: the same verdict, and a log of this run alone.
    assert_eq!(verdicts(&test(&yard, &first).await), verdicts(&tests));
    assert_eq!(yard.log(&log).lines().count(), 2);
}

#[tokio::test]
async fn what_the_fast_path_leaves_out_is_skipped_and_no_pass() {
    let app = r#"
    hotfix: ["hotfix/*"]
    fast_path: { skip: ["test:slow"] }
    test:
      - { name: slow, run: [sh, -c, "exit 1"] }
      - { name: quick, run: ["true"] }"#;
    let yard = Yard::open(app, "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let builder = Builder::new(&yard.stage.context).unwrap();
    let of_lane = async |lane: Lane| {
        let mut event = pushed(&commit);
        if let Data::PushReceived(push) = &mut event.data {
            push.change.lane = lane;
        }
        match only(&builder.handle(&event).await.unwrap()) {
            Data::TestsFinished(tests) => tests,
            other => panic!("expected tests.finished, got {other:?}"),
        }
    };
    let fix = of_lane(Lane::Hotfix).await;
    assert!(fix.passed);
    assert_eq!(verdicts(&fix), [("slow", Verdict::Skipped), ("quick", Verdict::Passed)]);
    assert_eq!(step(&fix, "slow").output_tail, "left out: `apps.shop.fast_path.skip` has `test:slow`");
    // The same commit on a deploy branch is tested in full; what fails there skips the rest for its own reason.
    let whole = of_lane(Lane::Deploy).await;
    assert!(!whole.passed);
    assert_eq!(verdicts(&whole), [("slow", Verdict::Failed), ("quick", Verdict::Skipped)]);
    assert_eq!(step(&whole, "quick").output_tail, "");
}

#[tokio::test]
async fn secrets_reach_the_step_and_nothing_else() {
    let secret = std::env::temp_dir().join(format!("windlass-test-secret-{}", std::process::id()));
    std::fs::write(&secret, "hunter22-of-the-test\n").unwrap();
    let app = format!(
        "    test: [{{ name: leak, run: [sh, -c, 'echo $TOKEN; printf %s $TOKEN | base64; env; test $TOKEN = other'], secrets: {{ TOKEN: 'file:{}' }} }}]",
        secret.display()
    );
    let yard = Yard::open(&app, "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let tests = test(&yard, &commit).await;
    std::fs::remove_file(&secret).unwrap();
    let leak = step(&tests, "leak");
    for text in [&leak.output_tail, &yard.log(leak.log.as_ref().unwrap())] {
        assert!(text.starts_with("***\n***") && text.contains("TOKEN=***"), "{text}");
        assert!(!text.contains("hunter22") && !text.contains("aHVudGVyMjI"), "{text}");
        // The test runner's environment stands for the worker's own, with its secrets.
        assert!(!text.contains("CARGO_"), "{text}");
    }
    let builder = Builder::new(&yard.stage.context).unwrap();
    let unread = permanent(builder.handle(&pushed(&commit)).await.unwrap_err());
    assert!(unread.contains("`apps.shop.test`: step `leak`, secret `TOKEN`"), "{unread}");
}

#[tokio::test]
async fn a_commit_that_does_not_exist_is_a_red_checkout() {
    let yard = Yard::open("", "").await;
    let there = yard.commit(&[("x", "")]).await;
    let tests = test(&yard, ABSENT).await;
    assert_eq!(verdicts(&tests), [("checkout", Verdict::Failed)]);
    assert!(tests.steps[0].output_tail.contains(&format!("there is no commit {ABSENT}")), "{tests:?}");
    // An app without steps passes, if the commit is there.
    let tests = test(&yard, &there).await;
    assert!(tests.passed && tests.steps.is_empty());
}

#[tokio::test]
async fn a_git_server_that_is_away_is_no_verdict() {
    let yard = Yard::open("", "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let builder = Builder::new(&yard.stage.context).unwrap();
    yard.git.fail_next(1, 503);
    let away = transient(builder.handle(&pushed(&commit)).await.unwrap_err());
    assert!(away.contains("503"), "{away}");
    yard.git.require("me", "hunter22");
    let refused = permanent(builder.handle(&pushed(&commit)).await.unwrap_err());
    assert!(refused.contains("git.credentials"), "{refused}");
    assert_eq!(yard.stage.workspaces(), 0);
}

#[tokio::test]
async fn a_step_that_hangs_is_ended_with_all_it_started() {
    // One child stays in its group and ignores SIGTERM, the other leaves it.
    let script = "trap '' TERM; (trap '' TERM; sleep 600) & echo $! > \"$HOME/pids\"; setsid sleep 600 & echo $! >> \"$HOME/pids\"; echo waiting; wait; wait";
    let app = format!("    test: [{{ name: hang, run: [sh, -c, '{}'], timeout: 1s }}]", script.replace('\'', "''"));
    let yard = Yard::open(&app, "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let tests = test(&yard, &commit).await;
    let hang = step(&tests, "hang");
    assert_eq!((hang.verdict, hang.exit_code), (Verdict::TimedOut, None));
    assert_eq!(hang.output_tail, "waiting\n[it did not end within 1s]");
    gone(&std::fs::read_to_string(yard.data("homes/shop/pids")).unwrap()).await;
    assert_eq!(yard.stage.workspaces(), 0);
}

#[tokio::test]
async fn a_run_that_is_cancelled_leaves_nothing() {
    let app = "    test: [{ name: long, run: [sh, -c, 'sleep 600 & echo $! > \"$HOME/pid\"; wait'] }]";
    let yard = Yard::open(app, "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let builder = Builder::new(&yard.stage.context).unwrap();
    let run = tokio::spawn(async move { builder.handle(&pushed(&commit)).await });
    let pid = written(yard.data("homes/shop/pid")).await;
    assert_ne!(yard.stage.workspaces(), 0);
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    gone(&pid).await;
    assert_eq!(yard.stage.workspaces(), 0);
}

#[tokio::test]
async fn what_a_killed_builder_left_is_removed_by_the_next() {
    let yard = Yard::open("", "").await;
    std::fs::create_dir_all(yard.data("workspaces/dead/sub")).unwrap();
    std::fs::write(yard.data("workspaces/dead.lock"), "").unwrap();
    let _builder = Builder::new(&yard.stage.context).unwrap();
    assert_eq!(yard.stage.workspaces(), 0);
}

#[tokio::test]
async fn a_program_missing_here_is_our_fault_and_one_missing_there_is_not() {
    let app = "    test: [{ name: ours, run: [no-such-tool-here, x] }]";
    let yard = Yard::open(app, "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let builder = Builder::new(&yard.stage.context).unwrap();
    let ours = permanent(builder.handle(&pushed(&commit)).await.unwrap_err());
    assert!(ours.contains("step `ours` of app `shop`") && ours.contains("`no-such-tool-here`"), "{ours}");

    let yard = Yard::open("    test: [{ name: theirs, run: [./absent] }]", "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let tests = test(&yard, &commit).await;
    assert_eq!(verdicts(&tests), [("theirs", Verdict::Failed)]);
}

#[tokio::test]
async fn a_step_does_not_run_outside_the_checkout() {
    let yard = Yard::open("    test: [{ name: out, run: [touch, escaped], dir: link }]", "").await;
    let outside = yard.stage.folder.make("outside").unwrap();
    std::os::unix::fs::symlink(&outside, yard.work.path().join("link")).unwrap();
    let commit = yard.work.commit("a link").await.unwrap();
    yard.work.push().await.unwrap();
    let tests = test(&yard, &commit).await;
    assert!(step(&tests, "out").output_tail.contains("leads out of the repository"), "{tests:?}");
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
}

#[tokio::test]
async fn a_newer_push_supersedes_what_has_not_started() {
    let yard = Yard::open("", "").await;
    let commits = [yard.commit(&[("x", "1")]).await, yard.commit(&[("x", "2")]).await];
    let builder = Builder::new(&yard.stage.context).unwrap();
    let [old, new] = [pushed(&commits[0]), pushed(&commits[1])];
    yard.stage.record(&old).await;
    assert!(matches!(only(&builder.handle(&old).await.unwrap()), Data::TestsFinished(_)), "it is the newest still");
    yard.stage.record(&new).await;
    let reason = ignored(&builder.handle(&old).await.unwrap());
    assert_eq!(reason, format!("superseded: {} was pushed to `main` after {}", &commits[1][..12], &commits[0][..12]));
    assert!(matches!(only(&builder.handle(&new).await.unwrap()), Data::TestsFinished(_)));
    // Somebody asked for this one.
    let replayed = proto::Event { replay: 1, ..old };
    assert!(matches!(only(&builder.handle(&replayed).await.unwrap()), Data::TestsFinished(_)));
    // That does not make it newer than what was pushed after it.
    yard.stage.record(&replayed).await;
    assert!(matches!(only(&builder.handle(&new).await.unwrap()), Data::TestsFinished(_)));
}
