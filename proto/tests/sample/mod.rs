//! One chain of events, from a push to a rollback, each with every field it can have.
#![allow(unreachable_pub)]

use std::collections::BTreeMap;

use proto::{
    ApprovalAnswered, ApprovalGranted, ApprovalRejected, ApprovalRequested, BumpReason, Change, CheckReport, Data,
    DeliveryParked, Deployment, Event, EventId, EventIgnored, EventType, Finding, FixSettled, HealthReported,
    HoldChanged, ImageBuilt, ImageFailed, ImagePushed, Lane, ManifestBumped, PullRequestReceived, PushReceived,
    QuarantineReleased, Release, ReleaseWaiting, ReleasedImage, RollbackRequested, ScanFinished, ScanReport, Severity,
    StepReport, SyncFinished, TestsFinished, Timestamp, Verdict, WebhookReceived, WorkerName,
};

const COMMIT: &str = "6113728f27ae82c7b1a177c8d03f9e96e0adf246";
const BEFORE: &str = "9c8d7e6f5a4b3c2d1e0f9c8d7e6f5a4b3c2d1e0f";
const REVISION: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567";
const DIGEST: &str = "sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498";
const IMAGE: &str = "ghcr.io/acme/shop-frontend";

/// Every type's sample, in the order of [`EventType::ALL`].
pub fn all() -> Vec<Event> {
    let source = "github".parse().unwrap();
    let id = EventId::of_webhook(&source, b"the digest of the signed bytes");
    let mut first = Event::first(id, "/webhooks/github".to_owned(), "push".to_owned(), time(), webhook());
    first.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned());
    first.replay = 1;
    let rest = [
        ("normalizer", "main", push().into()),
        ("normalizer", "7@6113728f27ae82c7b1a177c8d03f9e96e0adf246", pull_request().into()),
        ("builder", COMMIT, tests().into()),
        ("scanner", COMMIT, scans().into()),
        ("builder", "frontend", built().into()),
        ("builder", "frontend", failed().into()),
        (
            "normalizer",
            "frontend:main@sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498",
            pushed().into(),
        ),
        ("bumper", "staging", Data::from(ManifestBumped { deployment: deployment(BumpReason::Deploy) })),
        ("syncer", "staging", synced().into()),
        ("prober", "staging", health().into()),
        ("bumper", "production", waiting().into()),
        ("bumper", "production", approval(id).into()),
        ("operator", "production", granted(id).into()),
        ("operator", "production", rejected(id).into()),
        ("bumper", "production", answered(id).into()),
        ("operator", "production", hold().into()),
        ("operator", "production", rollback().into()),
        ("operator", DIGEST, released().into()),
        ("bumper", COMMIT, settled().into()),
        ("normalizer", "normalizer", ignored().into()),
        ("recorder", "bumper", parked(id).into()),
    ];
    let mut events = vec![first.clone()];
    for (worker, subject, data) in rest {
        events.push(first.outcome(format!("/workers/{worker}"), subject.to_owned(), time(), data));
    }
    events
}

fn time() -> Timestamp {
    "2026-11-23T06:19:00.123456Z".parse().unwrap()
}

fn webhook() -> WebhookReceived {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    WebhookReceived {
        webhook_source: "github".parse().unwrap(),
        kind: "github".to_owned(),
        content_type: "application/json".to_owned(),
        headers: BTreeMap::from([
            header("xgithubevent", "push"),
            header("xgithubdelivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ]),
        proof: Some("file:/run/secrets/github-webhook".to_owned()),
        body: format!("{{\"ref\": \"refs/heads/main\",  \"after\": \"{COMMIT}\"}}").into(),
    }
}

fn settled() -> FixSettled {
    FixSettled {
        app: "shop".parse().unwrap(),
        commit: COMMIT.parse().unwrap(),
        note: Some("Pay by card".to_owned()),
        by: "Windlass".to_owned(),
        reason: "9c8d7e6f5a4b of a deploy branch has it".to_owned(),
    }
}

fn rollback() -> RollbackRequested {
    RollbackRequested {
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        to: Some(COMMIT.to_owned()),
        by: "mona".to_owned(),
        reason: "checkout is slow".to_owned(),
    }
}

fn released() -> QuarantineReleased {
    QuarantineReleased {
        app: "shop".parse().unwrap(),
        digest: DIGEST.parse().unwrap(),
        by: "mona".to_owned(),
        reason: "the database was to blame, and is mended".to_owned(),
    }
}

fn change() -> Change {
    Change {
        app: "shop".parse().unwrap(),
        branch: "main".parse().unwrap(),
        commit: COMMIT.parse().unwrap(),
        lane: Lane::Deploy,
        author: Some("Mona Lisa".to_owned()),
        title: Some("Pay by card".to_owned()),
    }
}

fn push() -> PushReceived {
    PushReceived { change: change(), before: Some(BEFORE.parse().unwrap()), forced: false }
}

fn pull_request() -> PullRequestReceived {
    PullRequestReceived {
        change: Change { branch: "feature/card".parse().unwrap(), lane: Lane::Check, ..change() },
        number: 7,
        action: "synchronize".to_owned(),
        base: "main".parse().unwrap(),
        from_fork: true,
        merged: false,
    }
}

fn tests() -> TestsFinished {
    let step = |name: &str, verdict, exit_code, output_tail: &str| StepReport {
        name: name.to_owned(),
        verdict,
        exit_code,
        duration_ms: 1830,
        output_tail: output_tail.to_owned(),
        log: Some(format!("{COMMIT}/{name}.log")),
    };
    let steps = vec![
        step("lint", Verdict::Passed, Some(0), ""),
        step("unit", Verdict::Failed, Some(1), "FAIL src/card.test.ts"),
        step("types", Verdict::Skipped, None, ""),
    ];
    TestsFinished { change: change(), passed: false, steps }
}

fn scans() -> ScanFinished {
    let finding = |id: &str, severity, ignored: Option<&str>| Finding {
        id: id.to_owned(),
        severity,
        location: "left-pad@1.3.0".to_owned(),
        title: "Pads without end".to_owned(),
        ignored: ignored.map(str::to_owned),
    };
    let report = ScanReport {
        tool: "trivy".to_owned(),
        passed: false,
        skipped: None,
        fail_on: Severity::High,
        counts: BTreeMap::from([("critical".to_owned(), 1)]),
        findings: vec![
            finding("CVE-2026-1234", Severity::Critical, None),
            finding("CVE-2026-1", Severity::Low, Some("not reachable")),
        ],
        omitted: 3,
        duration_ms: 9120,
    };
    let left_out = ScanReport {
        tool: "snyk".to_owned(),
        passed: false,
        skipped: Some("left out: `apps.shop.fast_path.skip` has `scan:snyk`".to_owned()),
        fail_on: Severity::High,
        counts: BTreeMap::new(),
        findings: Vec::new(),
        omitted: 0,
        duration_ms: 0,
    };
    ScanFinished { change: change(), passed: false, scans: vec![report, left_out] }
}

fn built() -> ImageBuilt {
    ImageBuilt {
        change: change(),
        component: "frontend".parse().unwrap(),
        image: IMAGE.parse().unwrap(),
        tags: vec![COMMIT.to_owned(), "main".to_owned()],
        digest: DIGEST.parse().unwrap(),
        reused: true,
        unchanged_since: Some(BEFORE.parse().unwrap()),
    }
}

fn failed() -> ImageFailed {
    ImageFailed {
        change: change(),
        component: "frontend".parse().unwrap(),
        reason: "`buildah build` ended with status 1".to_owned(),
        output_tail: "STEP 3/4: RUN false".to_owned(),
        log: Some(format!("{COMMIT}/frontend.log")),
    }
}

fn pushed() -> ImagePushed {
    ImagePushed {
        app: "shop".parse().unwrap(),
        component: "frontend".parse().unwrap(),
        image: IMAGE.parse().unwrap(),
        tag: Some("main".to_owned()),
        digest: Some(DIGEST.parse().unwrap()),
    }
}

fn release() -> Release {
    let released = ReleasedImage {
        image: IMAGE.parse().unwrap(),
        tag: Some("main".to_owned()),
        digest: DIGEST.parse().unwrap(),
        commit: Some(COMMIT.parse().unwrap()),
    };
    Release::from([("frontend".parse().unwrap(), released)])
}

fn deployment(reason: BumpReason) -> Deployment {
    Deployment {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        repository: "https://github.com/acme/shop-gitops.git".to_owned(),
        branch: "main".parse().unwrap(),
        path: "staging".to_owned(),
        revision: REVISION.parse().unwrap(),
        release: release(),
        commit: Some(COMMIT.parse().unwrap()),
        changed: vec!["frontend".parse().unwrap()],
        reason,
        previous: BTreeMap::from([("frontend".parse().unwrap(), format!("{IMAGE}:main"))]),
        note: Some("Pay by card".to_owned()),
    }
}

fn synced() -> SyncFinished {
    SyncFinished {
        deployment: deployment(BumpReason::Promotion),
        succeeded: true,
        message: "successfully synced (all tasks run)".to_owned(),
        duration_ms: 12_400,
    }
}

fn health() -> HealthReported {
    let check = CheckReport {
        name: "https://staging.shop.example/health".to_owned(),
        verdict: Verdict::TimedOut,
        evidence: "status 503 after 41 ms, wanted 200".to_owned(),
        attempts: 30,
        duration_ms: 300_000,
    };
    HealthReported {
        deployment: deployment(BumpReason::Rollback),
        healthy: false,
        summary: "1 of 1 checks did not pass".to_owned(),
        checks: vec![check],
    }
}

fn waiting() -> ReleaseWaiting {
    ReleaseWaiting {
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: release(),
        reason: BumpReason::Promotion,
        lane: Lane::Deploy,
        waits_for: "the merge of https://github.com/acme/shop-gitops/pull/41".to_owned(),
        pull_request: Some("https://github.com/acme/shop-gitops/pull/41".to_owned()),
        tell: true,
    }
}

fn approval(approval: EventId) -> ApprovalRequested {
    ApprovalRequested {
        approval,
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: release(),
        running: release(),
        approvers: 2,
        authors: ["Ada <ada@example.org>".to_owned()].into(),
        evidence: Some("staging: every check passed".to_owned()),
        note: Some("Sell more".to_owned()),
        expires_at: Some(time()),
    }
}

fn granted(approval: EventId) -> ApprovalGranted {
    ApprovalGranted {
        approval,
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        by: "grace".to_owned(),
        comment: Some("looks good".to_owned()),
    }
}

fn rejected(approval: EventId) -> ApprovalRejected {
    ApprovalRejected {
        approval,
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        by: "grace".to_owned(),
        comment: Some("not before the sale".to_owned()),
    }
}

fn answered(approval: EventId) -> ApprovalAnswered {
    ApprovalAnswered {
        approval,
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        by: "grace".to_owned(),
        granted: true,
        counts: true,
        says: "it waits for 1 more approval".to_owned(),
        comment: Some("looks good".to_owned()),
    }
}

fn hold() -> HoldChanged {
    HoldChanged {
        app: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        held: true,
        by: "grace".to_owned(),
        reason: "a fix by hand is tried".to_owned(),
    }
}

fn ignored() -> EventIgnored {
    EventIgnored {
        app: Some("shop".parse().unwrap()),
        worker: WorkerName::Normalizer,
        reason: "`refs/tags/v1` is no branch".to_owned(),
    }
}

fn parked(event: EventId) -> DeliveryParked {
    DeliveryParked {
        app: Some("shop".parse().unwrap()),
        worker: WorkerName::Bumper,
        event: Some(event),
        event_type: Some(EventType::ImagePushed),
        reason: "pushing to the GitOps repository: authentication failed".to_owned(),
        attempts: 8,
        dead_letter: "01936f3e-0000-7000-8000-000000000000".to_owned(),
    }
}
