//! Whom it concerns: what a webhook says against what the config names. The one place where apps and components are
//! looked up, whatever the sender.
//!
//! Nothing is believed that the config can say instead: repositories are cloned and registries asked where the config
//! says, never where a body does.

use std::collections::BTreeSet;

use proto::{
    AppName, ApprovalGranted, ApprovalRejected, Branch, Change, CommitSha, Data, Digest, ImagePushed, Lane,
    PullRequestReceived, PushReceived, SourceName, WebhookReceived, button::ButtonValue,
};
use runtime::{
    Config, Outcomes,
    config::{App, Proof, Source},
};

use crate::{
    reasons::Reasons,
    said::{Answer, Image, PullRequest, Push, Said, title},
    shown, subject,
};

/// What becomes of what a webhook says.
pub(crate) fn hear(config: &Config, webhook: &WebhookReceived, said: Vec<Said>) -> Outcomes {
    let source = config.sources.get(&webhook.webhook_source);
    let mut hearing = Hearing {
        config,
        name: &webhook.webhook_source,
        source,
        hint: source.is_none_or(is_unsigned),
        outcomes: Outcomes::none(),
        subjects: BTreeSet::new(),
        reasons: Reasons::default(),
    };
    for said in said {
        let heard = match said {
            Said::Push(push) => hearing.push(push),
            Said::PullRequest(request) => hearing.pull_request(&request),
            Said::Image(image) => hearing.image(&image),
            Said::Answer(answer) => hearing.answer(answer),
            Said::Nothing(reason) => Err(reason),
        };
        if let Err(reason) = heard {
            hearing.reasons.add(reason);
        }
    }
    hearing.outcomes.with(hearing.reasons.into_outcomes())
}

/// Whether what it says hangs on nothing but a secret in the URL, which proxies write into their logs, or on nothing at
/// all. Of a source that is configured no longer nobody knows.
fn is_unsigned(source: &Source) -> bool {
    matches!(source.proof(), None | Some(Proof::Path))
}

struct Hearing<'a> {
    config: &'a Config,
    name: &'a SourceName,
    source: Option<&'a Source>,
    /// Whether digests count for nothing, so that the registry is asked what a tag stands for.
    hint: bool,
    outcomes: Outcomes,
    subjects: BTreeSet<(Option<AppName>, String)>,
    reasons: Reasons,
}

impl<'a> Hearing<'a> {
    fn push(&mut self, push: Push) -> Result<(), String> {
        let reference = shown(&push.reference);
        let branch = push.reference.strip_prefix("refs/heads/").ok_or_else(|| format!("`{reference}` is no branch"))?;
        let Some(after) = push.after.filter(|after| !after.is_zero()) else {
            return Err(format!("`{reference}` was deleted"));
        };
        let branch = Branch::new(branch)
            .map_err(|error| format!("`{reference}` is no branch to build: {}", shown(&error.to_string())))?;
        for (app, configured) in self.apps(&push.repository)? {
            let change = Change {
                app: app.clone(),
                lane: configured.lane(&branch),
                branch: branch.clone(),
                commit: after.clone(),
                author: push.author.as_deref().and_then(title),
                title: push.message.as_deref().and_then(title),
            };
            let before = push.before.clone().filter(|before| !before.is_zero());
            self.push_of(&after, PushReceived { change, before, forced: push.forced });
        }
        Ok(())
    }

    /// A branch that is pushed twice in one webhook needs two subjects, or the second would pass for the first.
    fn push_of(&mut self, after: &CommitSha, push: PushReceived) {
        let (app, branch) = (push.change.app.clone(), push.change.branch.to_string());
        let again = self.subjects.contains(&(Some(app), branch.clone()));
        self.event(if again { format!("{branch}@{after}") } else { branch }, push);
    }

    fn pull_request(&mut self, request: &PullRequest) -> Result<(), String> {
        let number = request.number;
        let branch = |name: &str| {
            Branch::new(name.strip_prefix("refs/heads/").unwrap_or(name))
                .map_err(|error| format!("pull request {number}: {}", shown(&error.to_string())))
        };
        let (head, base) = (branch(&request.branch)?, branch(&request.base)?);
        for (app, _) in self.apps(&request.repository)? {
            let change = Change {
                app: app.clone(),
                branch: head.clone(),
                commit: request.commit.clone(),
                // Whatever its branch is called: a fork may call one `main`.
                lane: Lane::Check,
                author: request.author.as_deref().and_then(title),
                title: request.title.as_deref().and_then(title),
            };
            let received = PullRequestReceived {
                change,
                number,
                action: request.action.clone(),
                base: base.clone(),
                from_fork: request.from_fork,
                merged: request.merged,
            };
            self.event(format!("{number}@{}", request.commit), received);
        }
        Ok(())
    }

    fn image(&mut self, image: &Image) -> Result<(), String> {
        let (tag, digest) = self.tag_and_digest(image)?;
        let registry = self.source.and_then(|source| source.registry.as_deref());
        let candidates: Vec<_> = image.names.iter().map(|name| name.image(registry)).collect();
        let found = candidates.iter().flatten().find_map(|image| self.config.component_of(image));
        let Some((app, component, configured)) = found else {
            let mut names: Vec<_> = candidates.iter().flatten().map(ToString::to_string).collect();
            names.dedup();
            return Err(match (names.is_empty(), candidates.into_iter().find_map(Result::err)) {
                (true, Some(why)) => why,
                (true, None) => "an image without a name".to_owned(),
                (false, _) => {
                    format!("no component has the image `{}`; see `apps.<app>.components`", names.join("` or `"))
                }
            });
        };
        self.check_source(app)?;
        if tag.is_none() && digest.is_none() {
            return Err(format!("`{}` was pushed with a digest alone, and nobody vouches for it", configured.image));
        }
        let (app, component) = (app.clone(), component.clone());
        let pushed = ImagePushed { app, component, image: configured.image.clone(), tag, digest };
        self.event(subject(&pushed), pushed);
        Ok(())
    }

    /// Whether it counts is decided by those who know what waits.
    fn answer(&mut self, answer: Answer) -> Result<(), String> {
        let Answer { value: ButtonValue { approval, app, environment, chain }, granted, by } = answer;
        let known = self.config.apps.get(&app).is_some_and(|app| app.environments.contains_key(&environment));
        if !known {
            return Err(format!("the configuration has no environment `{environment}` of an app `{app}`"));
        }
        self.check_source(&app)?;
        let (subject, comment) = (format!("{approval} by {by}"), None);
        if granted {
            self.event(subject, ApprovalGranted { approval, app, environment, by, comment });
        } else {
            self.event(subject, ApprovalRejected { approval, app, environment, by, comment });
        }
        self.outcomes = std::mem::take(&mut self.outcomes).joining(chain);
        Ok(())
    }

    /// What the image is called by; both `None` where only a digest is said that is not believed.
    fn tag_and_digest(&self, image: &Image) -> Result<(Option<String>, Option<Digest>), String> {
        let said = image.tag.as_deref().filter(|tag| !tag.is_empty());
        let tag = said.filter(|tag| !tag.starts_with("sha256:"));
        let digest = image.digest.as_deref().into_iter().chain(said).find_map(|text| Digest::new(text).ok());
        if tag.is_none() && digest.is_none() {
            return Err("a push with neither tag nor digest".to_owned());
        }
        match tag {
            Some(tag) if !is_tag(tag) => return Err(format!("`{}` is no tag", shown(tag))),
            Some(tag) if is_attachment(tag) => {
                return Err(format!("`{tag}` belongs to another image, as signatures do, and is none itself"));
            }
            _ => {}
        }
        Ok((tag.map(ToOwned::to_owned), digest.filter(|_| !self.hint)))
    }

    /// The apps whose repository this is, as far as the source may speak of them. Hosts' names do not heed case.
    fn apps(&self, names: &[String]) -> Result<Vec<(&'a AppName, &'a App)>, String> {
        let is_it = |app: &App| names.iter().any(|name| app.repository.eq_ignore_ascii_case(name));
        let found: Vec<_> = self.config.apps.iter().filter(|(_, app)| is_it(app)).collect();
        if found.is_empty() {
            let names: Vec<_> = names.iter().map(|name| shown(name)).collect();
            return Err(format!("no app has the repository `{}`; see `apps.<app>.repository`", names.join("` or `")));
        }
        let allowed: Vec<_> = found.iter().copied().filter(|(name, _)| self.check_source(name).is_ok()).collect();
        match found.first() {
            Some((refused, _)) if allowed.is_empty() => self.check_source(refused).map(|()| allowed),
            _ => Ok(allowed),
        }
    }

    fn check_source(&self, app: &AppName) -> Result<(), String> {
        let sources = self.config.apps.get(app).map(|app| app.sources.as_slice()).unwrap_or_default();
        if sources.is_empty() || sources.contains(self.name) {
            return Ok(());
        }
        Err(format!("the app `{app}` does not listen to the source `{}`; see `apps.{app}.sources`", self.name))
    }

    /// The same may be told twice in one body; twice in one list of outcomes would be one id twice.
    fn event(&mut self, subject: String, data: impl Into<Data>) {
        let data = data.into();
        if self.subjects.insert((data.app().cloned(), subject.clone())) {
            self.outcomes = std::mem::take(&mut self.outcomes).and(subject, data);
        }
    }
}

/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}` (OCI distribution specification 1.1).
fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let rest = |b: u8| word(b) || b == b'.' || b == b'-';
    text.len() <= 128 && text.bytes().next().is_some_and(word) && text.bytes().all(rest)
}

/// `sha256-<hex>`, with or without an ending: the tag that signatures and bills of materials of the image of that
/// digest are kept under (OCI distribution specification 1.1, "referrers tag schema"; cosign).
fn is_attachment(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").and_then(|rest| rest.split('.').next());
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}
