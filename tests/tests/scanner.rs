//! The scanner over real repositories and real programs: what passes, what does not, and what is no verdict at all.
//!
//! The scanners here are scripts in the scanned commit that write reports in the documented forms; the presets'
//! own command lines are run against programs of their names.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stage;
mod yard;

use proto::{Data, Lane, ScanFinished, Severity};
use runtime::{Failure, Worker};
use scanner::Scanner;

use stage::{ignored, only, permanent, transient};
use yard::{Yard, gone, tested};

/// Reports every line with `eval` in Python files, as SARIF; status 1 when there is one, as bandit does.
const EVALS: &str = r#"#!/bin/sh
found=$(grep -rn 'eval(' --include='*.py' . | cut -d: -f1,2 | sed 's|^\./||')
results=$(for at in $found; do
  printf '{"ruleId":"eval","level":"error","message":{"text":"eval of input"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"%s"},"region":{"startLine":%s}}}]},' "${at%:*}" "${at#*:}"
done)
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"evals"}},"results":[%s]}]}' "${results%,}" > "$1"
test -z "$found"
"#;

const EVALS_SCAN: &str = "{ tool: evals, run: [./evals, '{output}'], format: sarif, exit_codes: [0, 1]";

async fn scan(yard: &Yard, commit: &str) -> ScanFinished {
    match only(&attempt(yard, commit).await.unwrap()) {
        Data::ScanFinished(scan) => scan,
        other => panic!("expected scan.finished, got {other:?}"),
    }
}

async fn attempt(yard: &Yard, commit: &str) -> Result<runtime::Outcomes, Failure> {
    let attempt = Scanner::new(&yard.stage.context).unwrap().handle(&tested(commit, true)).await;
    assert_eq!(yard.stage.workspaces(), 0);
    attempt
}

#[tokio::test]
async fn the_exact_commit_is_scanned_and_findings_decide() {
    let yard = Yard::open(&format!("    scan: [{EVALS_SCAN} }}]"), "").await;
    let bad = yard.commit(&[("evals", EVALS), ("app/run.py", "x = 1\neval(input())\n")]).await;
    let good = yard.commit(&[("app/run.py", "x = 1\n")]).await;
    let red = scan(&yard, &bad).await;
    assert!(!red.passed && red.change.commit.as_str() == bad);
    let report = &red.scans[0];
    assert_eq!((report.tool.as_str(), report.passed, report.fail_on), ("evals", false, Severity::High));
    let finding = &report.findings[0];
    assert_eq!((finding.id.as_str(), finding.severity), ("eval", Severity::High));
    assert_eq!((finding.location.as_str(), finding.title.as_str()), ("app/run.py:2", "eval of input"));
    let green = scan(&yard, &good).await;
    assert!(green.passed && green.scans[0].findings.is_empty());
}

#[tokio::test]
async fn a_known_finding_is_borne_until_its_day() {
    let ignore = |until: &str| {
        format!(
            "    scan: [{EVALS_SCAN}, ignore: [{{ id: eval, location: run.py, reason: trusted input, until: {until} }}] }}]"
        )
    };
    let files = [("evals", EVALS), ("run.py", "eval(x)\n")];
    let yard = Yard::open(&ignore("2999-12-31"), "").await;
    let borne = scan(&yard, &yard.commit(&files).await).await;
    assert!(borne.passed);
    assert_eq!(borne.scans[0].findings[0].ignored.as_deref(), Some("trusted input"));
    let yard = Yard::open(&ignore("2020-01-01"), "").await;
    let over = scan(&yard, &yard.commit(&files).await).await;
    assert!(!over.passed);
    let title = &over.scans[0].findings[0].title;
    assert_eq!(title, "eval of input (ignored until 2020-01-01: trusted input)");
}

#[tokio::test]
async fn every_scanner_runs_and_one_that_fails_is_enough() {
    let app = format!("    scan: [{EVALS_SCAN} }}, {{ tool: quiet, run: [cat, quiet.json], format: trivy }}]");
    let yard = Yard::open(&app, "").await;
    let quiet = r#"{"SchemaVersion":2,"ArtifactName":".","ArtifactType":"filesystem"}"#;
    let commit = yard.commit(&[("evals", EVALS), ("a.py", "eval(x)\n"), ("quiet.json", quiet)]).await;
    let finished = scan(&yard, &commit).await;
    let passed: Vec<_> = finished.scans.iter().map(|scan| (scan.tool.as_str(), scan.passed)).collect();
    assert_eq!((passed, finished.passed), (vec![("evals", false), ("quiet", true)], false));
}

#[tokio::test]
async fn what_the_fast_path_leaves_out_is_skipped_and_no_pass() {
    let scans = format!("    scan: [{EVALS_SCAN} }}, {{ tool: quiet, run: [cat, quiet.json], format: trivy }}]");
    let app = format!("{scans}\n    hotfix: ['hotfix/*']\n    fast_path: {{ skip: ['scan:evals'] }}");
    let yard = Yard::open(&app, "").await;
    let quiet = r#"{"SchemaVersion":2,"ArtifactName":".","ArtifactType":"filesystem"}"#;
    let commit = yard.commit(&[("evals", EVALS), ("a.py", "eval(x)\n"), ("quiet.json", quiet)]).await;
    let scanner = Scanner::new(&yard.stage.context).unwrap();
    let of_lane = async |lane: Lane| {
        let mut event = tested(&commit, true);
        if let Data::TestsFinished(tests) = &mut event.data {
            tests.change.lane = lane;
        }
        match only(&scanner.handle(&event).await.unwrap()) {
            Data::ScanFinished(finished) => finished,
            other => panic!("expected scan.finished, got {other:?}"),
        }
    };
    let fix = of_lane(Lane::Hotfix).await;
    let seen: Vec<_> =
        fix.scans.iter().map(|scan| (scan.tool.as_str(), scan.passed, scan.skipped.as_deref())).collect();
    let why = Some("left out: `apps.shop.fast_path.skip` has `scan:evals`");
    assert_eq!((seen, fix.passed), (vec![("evals", false, why), ("quiet", true, None)], true));
    // The same commit on a deploy branch is scanned in full.
    let whole = of_lane(Lane::Deploy).await;
    assert!(!whole.passed && whole.scans.iter().all(|scan| scan.skipped.is_none()));
}

#[tokio::test]
async fn a_scanner_that_crashes_or_writes_garbage_is_no_pass() {
    let good = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}"#;
    let write = |text: &str| format!("printf '%s' '{text}' > \"$1\"");
    let unsuccessful = good.replace("\"results\"", r#""invocations":[{"executionSuccessful":false}],"results""#);
    let cases = [
        ("exit 2".to_owned(), "exited with status 2"),
        (format!("{}; echo out of memory >&2; exit 137", write(good)), "out of memory"),
        (format!("{}; kill -9 $$", write(good)), "was killed by signal 9"),
        (format!("{}; sleep 600", write(good)), "did not end within 2s"),
        ("exit 0".to_owned(), "left no report"),
        (": > \"$1\"".to_owned(), "it is empty"),
        (write("Traceback (most recent call last):"), "it is no SARIF log"),
        (write(&good[..good.len() - 2]), "it is no SARIF log"),
        (write(&unsuccessful), "not successful"),
        (write("{\"version\":\"2.1.0\",\"runs\":[]}"), "holds no run"),
        ("ln -s /etc/passwd \"$1\"".to_owned(), "is no file"),
    ];
    let app = "    scan: [{ tool: mine, run: [./scan, '{output}'], format: sarif, timeout: 2s }]";
    let yard = Yard::open(app, "").await;
    for (script, wanted) in cases {
        let commit = yard.commit(&[("scan", &format!("#!/bin/sh\n{script}\n"))]).await;
        let why = transient(attempt(&yard, &commit).await.unwrap_err());
        assert!(why.contains("the scanner `mine`") || why.contains("what the scanner `mine`"), "{why}");
        assert!(why.contains(wanted), "{script}: {why}");
    }
    // The same script, well behaved: it was not the yard that failed.
    let commit = yard.commit(&[("scan", &format!("#!/bin/sh\n{}\n", write(good)))]).await;
    assert!(scan(&yard, &commit).await.passed);
}

#[tokio::test]
async fn a_scanner_that_is_not_installed_is_named() {
    let yard = Yard::open("    scan: [{ tool: mine, run: [no-such-scanner-here], format: sarif }]", "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let missing = permanent(attempt(&yard, &commit).await.unwrap_err());
    assert!(missing.contains("`no-such-scanner-here`") && missing.contains("install it"), "{missing}");
}

#[tokio::test]
async fn a_scanner_that_hangs_is_ended_with_its_children() {
    let app = "    scan: [{ tool: mine, run: [./scan], format: snyk, timeout: 1s }]";
    let yard = Yard::open(app, "").await;
    let commit = yard.commit(&[("scan", "#!/bin/sh\nsleep 600 & echo $! > \"$HOME/pid\"\nwait\n")]).await;
    transient(attempt(&yard, &commit).await.unwrap_err());
    gone(&std::fs::read_to_string(yard.data("homes/shop/pid")).unwrap()).await;
}

#[tokio::test]
async fn secrets_reach_the_scanner_and_no_report() {
    let folder = testkit::folder::Folder::new("secret").unwrap();
    let secret = folder.write("token", "hunter22-of-the-scan\n").unwrap();
    let app = format!(
        "    scan: [{{ tool: mine, run: [./scan], format: snyk, exit_codes: [1], secrets: {{ SNYK_TOKEN: 'file:{}' }} }}]",
        secret.display()
    );
    let yard = Yard::open(&app, "").await;
    let leaky = r#"#!/bin/sh
printf '{"ok":false,"vulnerabilities":[{"id":"A","severity":"low","title":"found with %s","name":"%s","version":"1"}]}' "$SNYK_TOKEN" "$SNYK_TOKEN"
echo "token $SNYK_TOKEN" >&2
exit 1
"#;
    let commit = yard.commit(&[("scan", leaky)]).await;
    let finished = scan(&yard, &commit).await;
    assert!(finished.passed, "one of low severity passes");
    let finding = &finished.scans[0].findings[0];
    assert_eq!((finding.title.as_str(), finding.location.as_str()), ("found with ***", "***@1"));
    assert_eq!(yard.log(&format!("shop/{}/scan-mine.log", &commit[..12])), "token ***\n");
    let crash = yard.commit(&[("scan", "#!/bin/sh\necho $SNYK_TOKEN; echo $SNYK_TOKEN >&2; exit 2\n")]).await;
    let why = transient(attempt(&yard, &crash).await.unwrap_err());
    assert!(why.contains("***") && !why.contains("hunter22"), "{why}");
}

#[tokio::test]
async fn what_is_not_to_be_scanned_is_not() {
    let yard = Yard::open("", "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let scanner = Scanner::new(&yard.stage.context).unwrap();
    let red = ignored(&scanner.handle(&tested(&commit, false)).await.unwrap());
    assert!(red.contains("its tests failed"), "{red}");
    // Without scanners the commit passes, and nobody asks for it.
    let asked = yard.git.requests().len();
    let none = scan(&yard, &commit).await;
    assert!(none.passed && none.scans.is_empty());
    assert_eq!(yard.git.requests().len(), asked);
}

#[tokio::test]
async fn a_scan_whose_report_nobody_can_read_is_refused_at_the_start() {
    let yard = Yard::open("    scan: [{ tool: mine, run: [./scan] }]", "").await;
    let why = Scanner::new(&yard.stage.context).err().unwrap().to_string();
    assert!(why.contains("`apps.shop.scan`: `mine`") && why.contains("`format`"), "{why}");
}

/// Programs of their names, which take the report's path where the true ones do and end as those do with findings.
#[tokio::test]
async fn presets_call_their_programs_as_they_are_called() {
    let programs = testkit::folder::Folder::new("programs").unwrap();
    let sarif = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}"#;
    let trivy = r#"{"SchemaVersion":2,"ArtifactName":".","ArtifactType":"filesystem"}"#;
    let snyk = r#"[{"ok":false,"vulnerabilities":[{"id":"A","severity":"low","title":"t","name":"n","version":"1"}]}]"#;
    // Each writes to what follows its option for that, or else prints, and ends as with findings.
    let program = |name: &str, option: &str, report: &str, status: u8| {
        let text = format!(
            "#!/bin/sh\nout=/dev/stdout\nwhile [ $# -gt 0 ]; do [ \"$1\" = {option} ] && out=$2; shift; done\nprintf '%s' '{report}' > \"$out\"\nexit {status}\n"
        );
        let path = programs.write(name, &text).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    program("trivy", "--output", trivy, 0);
    program("snyk", "--none", snyk, 1);
    program("dependency-check", "--out", sarif, 0);
    program("semgrep", "--output", sarif, 1);
    program("bandit", "--output", sarif, 1);
    let path = format!("env: {{ PATH: '{}:/usr/bin:/bin' }}", programs.path().display());
    let tools = ["trivy", "snyk", "dependency-check", "semgrep", "bandit"];
    let scans: Vec<_> = tools.iter().map(|tool| format!("{{ tool: {tool}, {path} }}")).collect();
    let yard = Yard::open(&format!("    scan: [{}]", scans.join(", ")), "").await;
    let commit = yard.commit(&[("x", "")]).await;
    let finished = scan(&yard, &commit).await;
    assert_eq!(finished.scans.iter().map(|scan| scan.tool.as_str()).collect::<Vec<_>>(), tools);
    assert!(finished.passed);
    // Status 2 is a failure to every one of them.
    for (tool, option, report) in
        [("snyk", "--none", snyk), ("bandit", "--output", sarif), ("semgrep", "--output", sarif)]
    {
        program(tool, option, report, 2);
        let why = transient(attempt(&yard, &commit).await.unwrap_err());
        assert!(why.contains(&format!("the scanner `{tool}` exited with status 2")), "{why}");
        program(tool, option, report, 1);
    }
}
