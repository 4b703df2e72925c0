//! An event in one line, for people.

use proto::{BumpReason, Change, Data, Deployment, Event, Release, ScanReport, Verdict, WebhookReceived};

/// What happened, in a line.
pub fn line(event: &Event) -> String {
    match &event.data {
        Data::WebhookReceived(d) => webhook(d, &event.subject, d.body.len() as u64),
        Data::PushReceived(d) => format!("{}: {}", change(&d.change), d.change.title.as_deref().unwrap_or("")),
        Data::PullRequestReceived(d) => format!("#{} {} into {}: {}", d.number, d.action, d.base, change(&d.change)),
        Data::TestsFinished(d) => {
            let failed = d.steps.iter().find(|s| !matches!(s.verdict, Verdict::Passed | Verdict::Skipped));
            let named = |is: bool| d.steps.iter().filter(move |s| s.verdict.passed() == is).map(|s| s.name.as_str());
            let (steps, left_out) = (named(true).collect::<Vec<_>>().join(", "), left_out(named(false)));
            match failed {
                Some(step) => format!("{}: {} {}", change(&d.change), step.name, verdict(step.verdict)),
                None => format!("{}: passed ({steps}){left_out}", change(&d.change)),
            }
        }
        Data::ScanFinished(d) => {
            let run = |s: &&ScanReport| s.skipped.is_none();
            let failed: Vec<_> = d.scans.iter().filter(run).filter(|s| !s.passed).map(|s| s.tool.as_str()).collect();
            let how = if d.passed { "passed".to_owned() } else { format!("failed: {}", failed.join(", ")) };
            let left_out = left_out(d.scans.iter().filter(|s| !run(s)).map(|s| s.tool.as_str()));
            format!("{}: {how}{left_out}", change(&d.change))
        }
        Data::ImageBuilt(d) => {
            let (component, digest, commit) = (&d.component, d.digest.short(), d.change.commit.short());
            match &d.unchanged_since {
                Some(since) => format!("{component} stays {digest} at {commit}, unchanged since {}", since.short()),
                None if d.reused => format!("{component} was there {digest} from {commit}"),
                None => format!("{component} built {digest} from {commit}"),
            }
        }
        Data::ImageFailed(d) => format!("{} from {}: {}", d.component, d.change.commit.short(), d.reason),
        Data::ImagePushed(d) => {
            let digest = d.digest.as_ref().map_or("", |digest| digest.short());
            format!("{} {} {digest}", d.component, d.tag.as_deref().unwrap_or("without tag"))
        }
        Data::ManifestBumped(d) => {
            let why = match d.deployment.reason {
                BumpReason::Deploy => "deploys",
                BumpReason::Promotion => "promotes",
                BumpReason::Rollback => "rolls back to",
            };
            format!("{} {why} {}", d.deployment.environment, deployed(&d.deployment))
        }
        Data::SyncFinished(d) => {
            let how = if d.succeeded { "synced" } else { "not synced" };
            format!(
                "{} {how} to {}: {}",
                d.deployment.environment,
                d.deployment.revision.short(),
                first_line(&d.message)
            )
        }
        Data::HealthReported(d) => {
            let how = if d.healthy { "is healthy" } else { "is UNHEALTHY" };
            format!("{} {how} with {}: {}", d.deployment.environment, deployed(&d.deployment), first_line(&d.summary))
        }
        Data::ReleaseWaiting(d) => format!("{} for {} waits for {}", release(&d.release), d.environment, d.waits_for),
        Data::ApprovalRequested(d) => {
            format!("{} asks for {} approval(s): {}; {}", d.environment, d.approvers, release(&d.release), d.approval)
        }
        Data::ApprovalGranted(d) => format!("{} approves {} for {}", d.by, d.approval, d.environment),
        Data::ApprovalRejected(d) => format!("{} rejects {} for {}", d.by, d.approval, d.environment),
        Data::ApprovalAnswered(d) => {
            let word = if d.granted { "approval" } else { "rejection" };
            let counts = if d.counts { "counts" } else { "does not count" };
            format!("{}'s {word} for {} {counts}: {}", d.by, d.environment, first_line(&d.says))
        }
        Data::HoldChanged(d) => {
            let what = if d.held { "holds" } else { "lets go" };
            format!("{} {what} {}: {}", d.by, d.environment, first_line(&d.reason))
        }
        Data::RollbackRequested(d) => {
            let to = d.to.as_deref().unwrap_or("what was last healthy");
            format!("{} asks to take {} back to {to}: {}", d.by, d.environment, first_line(&d.reason))
        }
        Data::QuarantineReleased(d) => {
            format!("{} releases {}: {}", d.by, d.digest.short(), first_line(&d.reason))
        }
        Data::FixSettled(d) => format!("{} settles {}: {}", d.by, d.commit.short(), first_line(&d.reason)),
        Data::EventIgnored(d) => format!("{}: {}", d.worker, first_line(&d.reason)),
        Data::DeliveryParked(d) => format!("{} gave up: {}", d.worker, first_line(&d.reason)),
    }
}

/// A webhook about this, of so many bytes: of one in a list they are not at hand.
pub(crate) fn webhook(webhook: &WebhookReceived, subject: &str, bytes: u64) -> String {
    format!("{} sent {subject} ({bytes} bytes)", webhook.webhook_source)
}

/// What the fast path left out, which nobody knows to be well.
fn left_out<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { String::new() } else { format!("; left out: {}", names.join(", ")) }
}

fn change(change: &Change) -> String {
    format!("{}@{}", change.branch, change.commit.short())
}

/// What a deployment changed.
pub fn deployed(deployment: &Deployment) -> String {
    let changed = deployment.release.iter().filter(|(name, _)| deployment.changed.contains(name));
    release(&changed.map(|(name, image)| (name.clone(), image.clone())).collect())
}

/// Components and their source commits, or digests where they name none.
pub fn release(release: &Release) -> String {
    let image = |(name, image): (&proto::ComponentName, &proto::ReleasedImage)| {
        format!("{name} {}", image.commit.as_ref().map_or_else(|| image.digest.short(), |commit| commit.short()))
    };
    release.iter().map(image).collect::<Vec<_>>().join(", ")
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::TimedOut => "timed out",
        Verdict::Skipped => "was skipped",
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}
