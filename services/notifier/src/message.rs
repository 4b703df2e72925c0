//! What is worth telling of an event, and how it reads. Pure: an event goes in, a message comes out.

mod proposal;

use proto::{
    AppName, ApprovalAnswered, ApprovalRequested, BumpReason, Change, CheckReport, Data, DeliveryParked, Deployment,
    EnvironmentName, Event, EventId, FixSettled, HealthReported, HoldChanged, ImageFailed, Lane, ManifestBumped,
    ScanFinished, SyncFinished, TestsFinished, Verdict, WorkerName,
};
use runtime::config::Topic;
use serde_json::{Value, json};
use url::Url;

use crate::{
    buttons::Asks,
    text::{block, code, escape, link, start},
};

/// The most characters of a section's text.
const SECTION: usize = 3000;
/// The most characters of one line taken over from elsewhere.
const LINE: usize = 300;
/// How many things of a kind are listed; the rest are counted.
const LISTED: usize = 15;

/// Something to tell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    pub(crate) topic: Topic,
    pub(crate) app: Option<AppName>,
    pub(crate) environment: Option<EnvironmentName>,
    headline: String,
    lines: Vec<String>,
    evidence: String,
    footer: String,
    /// The console's page of what it is about.
    page: String,
    /// What its buttons answer, if it asks.
    asks: Option<Asks>,
}

impl Message {
    /// What the event is worth telling, if anything.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        let told = match &event.data {
            Data::PushReceived(data) if data.change.lane == Lane::Hotfix => Some(of_fix(&data.change)),
            Data::TestsFinished(data) if !data.passed => Some(of_tests(data)),
            Data::ScanFinished(data) if !data.passed => Some(of_scans(data)),
            Data::ImageFailed(data) => Some(of_image(data)),
            Data::ManifestBumped(data) => Some(of_bump(data)),
            Data::SyncFinished(data) if !data.succeeded => Some(of_sync(data)),
            Data::HealthReported(data) => of_health(data),
            Data::ApprovalRequested(data) => Some(of_approval(data, event.correlation)),
            Data::ApprovalAnswered(data) => Some(of_answer(data)),
            Data::ReleaseWaiting(data) => proposal::of(data),
            Data::HoldChanged(data) => Some(of_hold(data)),
            Data::FixSettled(data) => Some(of_settled(data)),
            Data::DeliveryParked(data) => of_parked(data),
            _ => None,
        };
        let footer = format!("event {}", code(&event.id.to_string()));
        told.map(|message| Self { footer, page: page(event), ..message })
    }

    /// As Slack's incoming webhooks take it: with a link to the console, where it has an address; and with buttons where
    /// it asks for something, if the route is to have them.
    pub(crate) fn payload(&self, with_buttons: bool, console: Option<&Url>) -> Value {
        let section = |text: &str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
        let mut text = format!("*{}*", self.headline);
        for line in &self.lines {
            // Lines are whole or left out: half a line could be half a link or half an escape.
            if text.chars().count() + line.chars().count() + 3 > SECTION {
                text.push_str("\n…");
                break;
            }
            text = format!("{text}\n{line}");
        }
        let mut blocks = vec![section(&text)];
        if !self.evidence.trim().is_empty() {
            blocks.push(section(&block(&self.evidence, SECTION)));
        }
        blocks.extend(self.asks.as_ref().filter(|_| with_buttons).map(Asks::block));
        let page = console.and_then(|console| console.join(&self.page).ok());
        let way = page.map(|page| format!(" · {}", link(&page, "see it in the console"))).unwrap_or_default();
        let footer = format!("{}{way}", self.footer);
        blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": footer }] }));
        json!({ "text": self.headline, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
    }

    fn about_change(emoji: &str, what: &str, change: &Change) -> Self {
        let Change { app, branch, commit, .. } = change;
        let (branch, commit) = (code(branch.as_str()), code(commit.short()));
        let mut lines = Vec::new();
        if let Some(title) = &change.title {
            let author = change.author.as_ref().map(|author| format!(", by {}", start(author, LINE)));
            lines.push(format!("_{}_{}", start(title, LINE), author.unwrap_or_default()));
        }
        let headline = format!("{emoji} {app}: {what} for {commit} on {branch}");
        Self { app: Some(app.clone()), lines, ..Self::new(Topic::Failed, headline) }
    }

    fn about_environment(topic: Topic, headline: String, app: &AppName, environment: &EnvironmentName) -> Self {
        Self { app: Some(app.clone()), environment: Some(environment.clone()), ..Self::new(topic, headline) }
    }

    fn about_deployment(topic: Topic, headline: String, deployment: &Deployment) -> Self {
        let Deployment { app, environment, .. } = deployment;
        Self { lines: release(deployment), ..Self::about_environment(topic, headline, app, environment) }
    }

    fn new(topic: Topic, headline: String) -> Self {
        Self {
            topic,
            app: None,
            environment: None,
            headline,
            lines: Vec::new(),
            evidence: String::new(),
            footer: String::new(),
            page: String::new(),
            asks: None,
        }
    }
}

/// Where the console shows what an event is about: its place in its chain; what waits for people, where they answer it;
/// what was given up, where they send it again.
fn page(event: &Event) -> String {
    match &event.data {
        Data::ApprovalRequested(ApprovalRequested { approval, .. })
        | Data::ApprovalAnswered(ApprovalAnswered { approval, counts: true, .. }) => format!("/approvals/{approval}"),
        // Only what is an id becomes part of an address.
        Data::DeliveryParked(DeliveryParked { dead_letter, .. }) if dead_letter.parse::<EventId>().is_ok() => {
            format!("/dead/{dead_letter}")
        }
        _ => format!("/events/{}", event.id),
    }
}

/// It goes before what others wait for, so they hear of it before it goes anywhere.
fn of_fix(change: &Change) -> Message {
    let Change { app, branch, commit, .. } = change;
    let mut message = Message::about_change(":fire_engine:", "", change);
    message.topic = Topic::Deployed;
    message.headline = format!(
        ":fire_engine: {app}: a fix takes the fast path: {} on {}",
        code(commit.short()),
        code(branch.as_str())
    );
    message
        .lines
        .push("it goes before whatever waits, and is owed to the deploy branches once it is deployed".to_owned());
    message
}

fn of_tests(data: &TestsFinished) -> Message {
    let mut message = Message::about_change(":x:", "tests failed", &data.change);
    let red = data.steps.iter().filter(|step| !step.verdict.passed() && step.verdict != Verdict::Skipped);
    for step in red {
        let how = match (step.verdict, step.exit_code) {
            (Verdict::TimedOut, _) => "did not end in time".to_owned(),
            (_, Some(code)) => format!("exited with status {code}"),
            _ => "failed".to_owned(),
        };
        message.lines.push(format!("step {} {how}", code(&clipped(&step.name))));
        message.evidence.clone_from(&step.output_tail);
    }
    message
}

fn of_scans(data: &ScanFinished) -> Message {
    let mut message = Message::about_change(":x:", "scan failed", &data.change);
    for scan in data.scans.iter().filter(|scan| !scan.passed && scan.skipped.is_none()) {
        let counts: Vec<_> =
            scan.counts.iter().filter(|(_, n)| **n > 0).map(|(s, n)| format!("{n} {}", escape(s))).collect();
        message.lines.push(format!("{}: {}", code(&clipped(&scan.tool)), counts.join(", ")));
        let grave: Vec<_> =
            scan.findings.iter().filter(|f| f.ignored.is_none() && f.severity >= scan.fail_on).collect();
        for finding in grave.iter().take(LISTED) {
            let (id, location) = (code(&clipped(&finding.id)), start(&finding.location, LINE));
            message.lines.push(format!("• {id} {location}: {}", start(&finding.title, LINE)));
        }
        if grave.len() > LISTED {
            message.lines.push(format!("… and {} more", grave.len() - LISTED));
        }
    }
    message
}

fn of_image(data: &ImageFailed) -> Message {
    let what = format!("the image of {} could not be built", code(data.component.as_str()));
    let mut message = Message::about_change(":x:", &what, &data.change);
    message.lines.push(start(&data.reason, LINE));
    message.evidence.clone_from(&data.output_tail);
    message
}

/// Exactly what is to go there, what it replaces, what speaks for it, and how to answer.
fn of_approval(data: &ApprovalRequested, chain: EventId) -> Message {
    let ApprovalRequested { app, environment, approval, .. } = data;
    let headline = format!(":raised_hand: {app}: {environment} waits for {}", people(data.approvers));
    let mut message = Message::about_environment(Topic::Approval, headline, app, environment);
    for (name, image) in &data.release {
        let short = |image: &proto::ReleasedImage| {
            image.commit.as_ref().map_or_else(|| image.digest.short().to_owned(), |commit| commit.short().to_owned())
        };
        let before = data.running.get(name).filter(|before| before.digest != image.digest);
        let before = before.map(|before| format!(", instead of {}", code(&short(before)))).unwrap_or_default();
        let (what, digest) = (code(&short(image)), code(image.digest.as_str()));
        message.lines.push(format!("{}: {what}{before}, {digest}", code(name.as_str())));
    }
    message.lines.extend(data.note.as_ref().map(|note| format!("_{}_", start(note, LINE))));
    message.lines.extend(data.evidence.as_ref().map(|evidence| start(evidence, LINE)));
    let authors = data.authors.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    if !authors.is_empty() {
        message.lines.push(format!("not by {}, who wrote it", start(&authors, LINE)));
    }
    message.lines.extend(data.expires_at.map(|at| format!("until {}", at.strftime("%F %H:%M UTC"))));
    let (yes, no) = (format!("windlass approve {approval}"), format!("windlass reject {approval}"));
    message.lines.push(format!("{} or {}", code(&yes), code(&no)));
    message.asks = Some(Asks::new(data, chain));
    message
}

fn people(count: u32) -> String {
    if count == 1 { "an approval".to_owned() } else { format!("{count} approvals") }
}

/// What became of an answer, for who gave it and for all who were asked.
fn of_answer(data: &ApprovalAnswered) -> Message {
    let ApprovalAnswered { app, environment, granted, counts, says, comment, .. } = data;
    let by = start(&data.by, LINE);
    let headline = match (counts, granted) {
        (true, true) => format!(":thumbsup: {app}: {by} approved a release for {environment}"),
        (true, false) => format!(":no_entry: {app}: {environment} does not get a release: {by} rejected it"),
        (false, true) => format!(":warning: {app}: {by}'s approval for {environment} does not count"),
        (false, false) => format!(":warning: {app}: {by}'s rejection for {environment} does not count"),
    };
    let mut message = Message::about_environment(Topic::Approval, headline, app, environment);
    // A rejection that counts says so in its headline.
    message.lines.extend((*granted || !*counts).then(|| start(says, LINE)));
    message.lines.extend(comment.as_ref().map(|comment| format!("_{}_", start(comment, LINE))));
    message
}

fn of_hold(data: &HoldChanged) -> Message {
    let (emoji, what) = if data.held { (":pause_button:", "holds") } else { (":arrow_forward:", "lets go") };
    let headline = format!("{emoji} {}: {} {what} {}", data.app, escape(&data.by), data.environment);
    let mut message = Message::about_environment(Topic::Approval, headline, &data.app, &data.environment);
    message.lines.push(start(&data.reason, LINE));
    message
}

fn of_settled(data: &FixSettled) -> Message {
    let FixSettled { app, commit, note, by, reason } = data;
    let lines = note.iter().map(|note| format!("_{}_", start(note, LINE)));
    let headline = format!(":handshake: {app}: the fix {} is owed no more", code(commit.short()));
    Message {
        app: Some(app.clone()),
        lines: lines.chain([format!("{}: {}", escape(by), start(reason, LINE))]).collect(),
        ..Message::new(Topic::Deployed, headline)
    }
}

fn of_bump(data: &ManifestBumped) -> Message {
    let Deployment { app, environment, .. } = &data.deployment;
    let (topic, headline) = match data.deployment.reason {
        BumpReason::Deploy => (Topic::Deploying, format!(":rocket: {app}: deploying to {environment}")),
        BumpReason::Promotion => (Topic::Deploying, format!(":rocket: {app}: promoting to {environment}")),
        BumpReason::Rollback => (Topic::RolledBack, format!(":rewind: {app}: rolling {environment} back")),
    };
    Message::about_deployment(topic, headline, &data.deployment)
}

fn of_sync(data: &SyncFinished) -> Message {
    let Deployment { app, environment, .. } = &data.deployment;
    let headline = format!(":x: {app}: {environment} could not be synced");
    let mut message = Message::about_deployment(Topic::Failed, headline, &data.deployment);
    message.evidence.clone_from(&data.message);
    message
}

fn of_health(data: &HealthReported) -> Option<Message> {
    let Deployment { app, environment, reason, .. } = &data.deployment;
    if data.healthy {
        let back = if *reason == BumpReason::Rollback { " again, after the rollback" } else { "" };
        let headline = format!(":white_check_mark: {app}: {environment} is healthy{back}");
        let mut message = Message::about_deployment(Topic::Deployed, headline, &data.deployment);
        message.lines.push(start(&data.summary, LINE));
        return Some(message);
    }
    if data.checks.iter().all(|check| check.name == "sync") {
        // The failed sync was told when it failed; this verdict says nothing more.
        return None;
    }
    let headline = format!(":x: {app}: {environment} is unhealthy");
    let mut message = Message::about_deployment(Topic::Failed, headline, &data.deployment);
    let bad: Vec<_> = data.checks.iter().filter(|c| !c.verdict.passed() && c.verdict != Verdict::Skipped).collect();
    message.lines.extend(bad.iter().take(LISTED).map(|check| failed_check(check)));
    message.evidence = bad.first().map(|check| check.evidence.clone()).unwrap_or_default();
    Some(message)
}

fn failed_check(check: &CheckReport) -> String {
    let how = if check.verdict == Verdict::TimedOut { "not in time" } else { "failed" };
    let first = check.evidence.lines().next().unwrap_or_default();
    format!("{} {how}: {}", code(&clipped(&check.name)), start(first, LINE))
}

/// A dead letter of the notifier itself is not told: telling it would most likely make another.
fn of_parked(data: &DeliveryParked) -> Option<Message> {
    if data.worker == WorkerName::Notifier {
        return None;
    }
    let what = data.event_type.map_or("a message nobody can read".to_owned(), |kind| code(kind.as_str()));
    let app = data.app.as_ref().map(|app| format!("{app}: ")).unwrap_or_default();
    let (worker, letter) = (data.worker, &data.dead_letter);
    let tried = if data.attempts == 1 { "once".to_owned() } else { format!("{} times", data.attempts) };
    Some(Message {
        app: data.app.clone(),
        lines: vec![
            format!("tried {tried}"),
            format!("look: {}", code(&format!("windlass dead show {letter}"))),
            format!("again, once it is mended: {}", code(&format!("windlass dead replay {letter}"))),
        ],
        evidence: data.reason.clone(),
        ..Message::new(Topic::Failed, format!(":skull: {app}the {worker} gave up on {what}"))
    })
}

/// The changed components with what they now run and ran before, and why.
fn release(deployment: &Deployment) -> Vec<String> {
    let changed = |component| deployment.changed.is_empty() || deployment.changed.contains(component);
    let mut lines = Vec::new();
    for (component, released) in deployment.release.iter().filter(|(c, _)| changed(c)).take(LISTED) {
        let digest = code(released.digest.short());
        let what =
            released.commit.as_ref().map_or(digest.clone(), |commit| format!("{} ({digest})", code(commit.short())));
        lines.push(format!("• {component} {what}"));
    }
    if let Some(note) = &deployment.note {
        lines.push(format!("_{}_", start(note, LINE)));
    }
    lines.push(format!("revision {}", code(deployment.revision.short())));
    lines
}

fn clipped(text: &str) -> String {
    text.chars().take(LINE).collect()
}

#[cfg(test)]
mod tests;
