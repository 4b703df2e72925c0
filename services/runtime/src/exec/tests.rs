#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use super::*;

fn sh(script: &str) -> Program {
    Program::new(["/bin/sh", "-c", script]).timeout(Duration::from_secs(20))
}

fn is_alive(pid: &str) -> bool {
    // A zombie is dead, but for its parent to notice.
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    state.is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

async fn until_dead(pid: &str) {
    for _ in 0..500 {
        if !is_alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {pid} is still alive");
}

async fn until_written(path: &Path) -> String {
    for _ in 0..500 {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("nothing was written to {}", path.display());
}

#[tokio::test]
async fn both_outputs_status_and_log_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a/b/step.log");
    let finished = sh("echo one; echo two >&2; exit 3").log(log.clone()).run().await.unwrap();
    assert_eq!(finished.ended, Ended::Exited(3));
    assert_eq!(finished.exit_code(), Some(3));
    let mut lines: Vec<_> = finished.tail.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two"]);
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn arguments_reach_the_program_as_they_are() {
    let odd = "$(id); `id` 'x' \"y\" * \\ -rf";
    let finished = Program::new(["printf", "%s", odd]).keep_stdout(1000).run().await.unwrap();
    assert_eq!(finished.stdout, odd.as_bytes());
    assert_eq!(finished.tail, "");
}

#[tokio::test]
async fn the_environment_is_clean() {
    // The test runner's own environment stands for a worker's: cargo put a dozen variables into it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let finished =
        Program::new(["env"]).env("GIVEN", "1").env("HOME", "/nowhere").keep_stdout(10_000).run().await.unwrap();
    let text = String::from_utf8(finished.stdout).unwrap();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["GIVEN", "HOME", "LANG", "PATH", "TMPDIR"]);
    assert!(text.contains("HOME=/nowhere"));
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // Parent and child ignore SIGTERM, so that only SIGKILL to the whole group helps.
    let script = format!(
        "trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 1; done' & echo $! > {}; wait; wait",
        pids.display()
    );
    let finished = sh(&script).timeout(Duration::from_millis(300)).run().await.unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
    until_dead(&until_written(&pids).await).await;
}

#[tokio::test]
async fn a_program_that_heeds_sigterm_may_say_goodbye() {
    let finished = sh("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
        .timeout(Duration::from_millis(300))
        .run()
        .await
        .unwrap();
    assert_eq!(finished.ended, Ended::TimedOut);
    assert!(finished.tail.contains("bye"), "{}", finished.tail);
}

#[tokio::test]
async fn dropping_the_run_kills_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 600 & echo $! > {}; wait", pids.display());
    let run = tokio::spawn(sh(&script).run());
    let child = until_written(&pids).await;
    assert!(is_alive(&child));
    run.abort();
    until_dead(&child).await;
}

#[tokio::test]
async fn a_child_left_behind_does_not_hold_the_run() {
    let started = Instant::now();
    let finished = sh("sleep 600 & echo $!").run().await.unwrap();
    assert_eq!(finished.ended, Ended::Exited(0));
    assert!(started.elapsed() < Duration::from_mins(1));
    assert!(is_alive(&finished.tail), "without being told so, what it left is left");
    let left = rustix::process::Pid::from_raw(finished.tail.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    let finished = sh("sleep 600 & echo $!").leave_nothing().run().await.unwrap();
    until_dead(&finished.tail).await;
}

#[tokio::test]
async fn secrets_are_masked_in_tail_and_log_however_they_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let secret = Secret::from("hunter22-token".to_owned());
    let script = "printf 'a hunter22'; sleep 0.2; printf -- '-token b\\n'; printf hunter22-token >&2; printf %s hunter22-token | base64";
    let finished = sh(script).mask(vec![secret]).log(log.clone()).run().await.unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    for text in [&finished.tail, &log] {
        assert!(text.contains("a *** b") && !text.contains("hunter22") && !text.contains("aHVudGVyMjIt"), "{text}");
    }
}

#[tokio::test]
async fn output_without_measure_or_encoding_is_borne() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = "head -c 3000000 /dev/zero | tr '\\0' x; echo; printf '\\377\\376ok\\n'";
    let finished = sh(script).log(log.clone()).run().await.unwrap();
    assert!(finished.tail.len() <= 8 * 1024, "{}", finished.tail.len());
    assert!(finished.tail.ends_with("ok"));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("bytes more]") && log.len() < 100_000);
    let finished = sh("seq 1 100000").run().await.unwrap();
    assert_eq!(finished.tail.lines().count(), 60);
    assert!(finished.tail.ends_with("\n100000"));
}

#[tokio::test]
async fn kept_output_is_bounded_and_says_so() {
    let finished = sh("head -c 100000 /dev/zero").keep_stdout(1000).run().await.unwrap();
    assert_eq!((finished.stdout.len(), finished.stdout_cut), (1000, true));
}

#[tokio::test]
async fn what_is_given_is_read() {
    let text = vec![b'x'; 200_000];
    let finished = Program::new(["cat"]).stdin(text.clone()).keep_stdout(1 << 20).run().await.unwrap();
    assert_eq!((finished.stdout, finished.ended), (text, Ended::Exited(0)));
}

#[tokio::test]
async fn what_cannot_be_started_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = Program::new(["no-such-program-here"]).run().await.unwrap_err();
    assert!(matches!(&error, ExecError::NotFound { program } if program == "no-such-program-here"), "{error}");
    assert!(error.to_string().contains("install it") && !error.is_transient());
    let error = Program::new(["./absent"]).dir(folder.path()).run().await.unwrap_err();
    assert!(matches!(error, ExecError::NotFound { .. }), "{error}");
    let error = sh("true").dir(&folder.path().join("none")).run().await.unwrap_err();
    assert!(matches!(error, ExecError::NoFolder { .. }), "{error}");
    std::fs::write(folder.path().join("plain"), "x").unwrap();
    let error = Program::new(["./plain"]).dir(folder.path()).run().await.unwrap_err();
    assert!(matches!(error, ExecError::Start { .. }), "{error}");
}

#[tokio::test]
async fn a_signal_from_elsewhere_is_told_from_ours() {
    let finished = sh("kill -9 $$").run().await.unwrap();
    assert_eq!(finished.ended, Ended::Signalled(9));
}
