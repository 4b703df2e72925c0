//! What people say to a chain: they let a release in or keep it out, hold an environment, take it back, lift a quarantine.

use std::collections::BTreeSet;

use ledger::{Hold, Offer, Requested, Waiting};
use proto::{
    ApprovalAnswered, ApprovalGranted, ApprovalRejected, ApprovalRequested, CommitSha, ComponentName, Deployment,
    Digest, EnvironmentName, EventId, EventType, HoldChanged, Lane, QuarantineReleased, Release, ReleasedImage,
    RollbackRequested, Timestamp, button,
};
use runtime::config::{Approval, Environment};

use super::{
    gate::{Gate, Gates},
    names,
    step::{Step, left},
    waits::{end, of_nothing, slot},
};

/// The shortest beginning of a revision, commit or digest that names one, as Git has it.
const SHORTEST: usize = 4;

impl<'a> Step<'a> {
    /// A person lets a release in.
    pub(crate) fn granted(&mut self, answer: &ApprovalGranted) {
        let ApprovalGranted { approval, app, environment, by, comment } = answer.clone();
        let (counts, says) = told(self.grant(approval, &environment, &by));
        self.answered(ApprovalAnswered { approval, app, environment, by, granted: true, counts, says, comment });
    }

    /// A person keeps a release out.
    pub(crate) fn rejected(&mut self, answer: &ApprovalRejected) {
        let ApprovalRejected { approval, app, environment, by, comment } = answer.clone();
        let (counts, says) = told(self.reject(approval, &environment, &by, comment.as_deref()));
        self.answered(ApprovalAnswered { approval, app, environment, by, granted: false, counts, says, comment });
    }

    /// Tells what became of an answer.
    fn answered(&mut self, answered: ApprovalAnswered) {
        self.tell(answered.environment.to_string(), answered);
    }

    /// What comes of it; the error says why it does not count.
    fn grant(&mut self, approval: EventId, name: &EnvironmentName, by: &str) -> Result<String, String> {
        // An earlier run of the same event had its commit made.
        let goes = || Ok("it goes there now".to_owned());
        if self.is_done(name) {
            return goes();
        }
        let (config, lane, mut waiting) = self.asked_of_people(approval, name)?;
        if waiting.offer.release.is_empty() {
            return Err(self.ended(name, lane, of_nothing(name)));
        }
        if let Some(why) = self.behind_deployed(name, &mut waiting.offer) {
            return Err(self.ended(name, lane, left(name, &why)));
        }
        self.leave_barred(name, &mut waiting.offer);
        self.recount(name, config, &mut waiting);
        self.settle(&waiting.offer);
        if let Some(why) = self.is_there_since(name, &waiting) {
            return Err(self.ended(name, lane, why));
        }
        if let Gate::Never(why) = self.gates(name, config).ask(&waiting.offer, Some(&waiting)) {
            return Err(self.ended(name, lane, why));
        }
        let rules = Gates::rules(config).ok_or_else(|| format!("{name} asks for no approval any more"))?;
        let authors = self.authors(&rules, name, &waiting.offer);
        may_grant(&rules, name, by, &authors)?;
        if let Some(known) = waiting.granted.keys().find(|known| *known != by && is_same_person(known, by)) {
            return Err(format!("{known} had approved it already, and is the same as {by}"));
        }
        let again = waiting.granted.insert(by.to_owned(), self.cause.now).is_some();
        *slot(self.place(name), lane) = Some(waiting.clone());
        match self.gates(name, config).ask(&waiting.offer, Some(&waiting)) {
            Gate::Open => {
                self.wish(name, waiting.offer);
                goes()
            }
            _ if again => Err(format!("{by} had approved it already")),
            // It comes again by itself.
            Gate::Closed(wait) => Ok(format!("it waits for {}", wait.waits_for)),
            Gate::Never(why) => Err(self.ended(name, lane, why)),
        }
    }

    fn reject(
        &mut self,
        approval: EventId,
        name: &EnvironmentName,
        by: &str,
        comment: Option<&str>,
    ) -> Result<String, String> {
        let (config, lane, _) = self.asked_of_people(approval, name)?;
        if let Some(why) = Gates::rules(config).and_then(|rules| is_outside(&rules, by, "reject", name)) {
            return Err(why);
        }
        let words = comment.map(|comment| format!(": {comment}")).unwrap_or_default();
        // For the one that waits.
        end(self.place(name), lane, &format!("{name} does not get it: {by} rejected it{words}"));
        Ok(format!("{name} does not get it"))
    }

    /// Ends what waits in a lane, and says why.
    fn ended(&mut self, name: &EnvironmentName, lane: Lane, why: String) -> String {
        end(self.place(name), lane, &why);
        why
    }

    /// A person wants an environment taken back; `healthy` is what was healthy there, the last first.
    pub(crate) fn taken_back(&mut self, asked: &RollbackRequested, healthy: &[Deployment]) {
        let name = &asked.environment;
        if !self.app.environments.contains_key(name) {
            return self.no_environment(name);
        }
        let mut healthy = healthy.to_vec();
        for good in &mut healthy {
            names::deployment(self.app, good);
        }
        let made = self.done.get(name).cloned();
        if made.as_ref().is_some_and(|made| made.overtaken) {
            let why = "it was, and has been asked for something else since";
            return self.told.reasons.push(format!("{name} is not taken back again: {why}"));
        }
        let not = |why: String| format!("{name} is not taken back: {why}");
        let now = self.chain.place(name).and_then(|place| place.asked.clone()).map(|asked| asked.deployment);
        let (wanted, commit) = match made {
            // An earlier run restored this; what is healthy or barred may be something else by now.
            Some(made) => (made.release, None),
            None => match self.to_restore(&healthy, now.as_ref(), asked.to.as_deref()) {
                Ok(good) => good,
                Err(why) => return self.told.reasons.push(not(why)),
            },
        };
        // What is taken back is barred from every environment, or the next event would bring it again.
        let stays = |name, digest: &Digest| wanted.get(name).is_none_or(|stays| stays.digest == *digest);
        let goes = now.iter().flat_map(|now| &now.release).filter(|(name, r)| !stays(name, &r.digest));
        let goes: Release = goes.map(|(name, released)| (name.clone(), released.clone())).collect();
        for released in goes.values() {
            self.bar(&released.digest, name, format!("taken back from {name} by {}: {}", asked.by, asked.reason), true);
        }
        if let Some(now) = &now {
            self.owe_no_more(now, &goes);
        }
        self.go_back(name, (wanted, commit), None, Some(format!("{} asked for it: {}", asked.by, asked.reason)));
    }

    /// What of what was healthy is to be restored, and its source commit, or why nothing is.
    fn to_restore(
        &self,
        healthy: &[Deployment],
        now: Option<&Deployment>,
        to: Option<&str>,
    ) -> Result<(Release, Option<CommitSha>), String> {
        // Without a name it is the last that may run: what was barred since is passed over.
        let may_run: Vec<_> =
            healthy.iter().filter(|good| self.chain.why_barred(&good.release).is_none()).cloned().collect();
        let good = choose(if to.is_some() || may_run.is_empty() { healthy } else { &may_run }, now, to)?;
        let mut wanted = good.release.clone();
        wanted.retain(|component, _| self.app.components.contains_key(component));
        match self.chain.why_barred(&wanted) {
            Some(why) => Err(format!("{why}; see `windlass quarantine release`")),
            None => Ok((wanted, good.commit.clone())),
        }
    }

    /// A person lifts a quarantine. What was barred after the word was given is not what it was given for.
    pub(crate) fn released(&mut self, released: &QuarantineReleased, given: Timestamp) {
        if self.chain.barred.get(&released.digest).is_some_and(|entry| entry.at <= given) {
            self.chain.barred.remove(&released.digest);
        } else {
            self.told.reasons.push(format!("{} was not in quarantine", released.digest.short()));
        }
    }

    /// A person holds an environment, or lets it go.
    pub(crate) fn hold_changed(&mut self, change: &HoldChanged) {
        let name = &change.environment;
        if !self.app.environments.contains_key(name) {
            return self.no_environment(name);
        }
        let (by, reason, at) = (change.by.clone(), change.reason.clone(), self.cause.now);
        let hold = change.held.then_some(Hold { by, reason, at, automatic: false });
        if hold.is_none() && self.place(name).hold.is_none() {
            self.told.reasons.push(format!("{name} was not held"));
        }
        self.place(name).hold = hold;
    }

    /// Asks for approval of what waits; what they were asked.
    pub(super) fn ask_people(
        &mut self,
        approval: EventId,
        name: &EnvironmentName,
        rules: &Approval,
        offer: &Offer,
    ) -> Requested {
        let authors = self.authors(rules, name, offer);
        let running = self.chain.place(name).and_then(|place| place.asked.as_ref());
        let at = self.cause.now;
        let asks = ApprovalRequested {
            approval,
            app: self.name.clone(),
            environment: name.clone(),
            release: offer.release.clone(),
            running: running.map(|asked| asked.deployment.release.clone()).unwrap_or_default(),
            approvers: rules.approvers,
            authors,
            evidence: offer.verified.as_ref().map(|verdict| verdict.summary.clone()),
            note: offer.note.clone(),
            expires_at: rules.expires.and_then(|after| at.checked_add(after).ok()),
        };
        self.tell(self.subject(EventType::ApprovalRequested, name, offer.lane), asks);
        let (approvers, by, not_author) = (rules.approvers, rules.by.clone(), rules.not_author);
        Requested { approval, at, approvers, by, not_author }
    }

    /// Takes out who let it in and may not by the rules there are by now, be they those that people were asked by: there may
    /// have been others in between.
    pub(super) fn recount(&mut self, name: &EnvironmentName, config: &Environment, waiting: &mut Waiting) {
        let Some(rules) = Gates::rules(config).filter(|_| !waiting.granted.is_empty()) else { return };
        let authors = self.authors(&rules, name, &waiting.offer);
        waiting.granted.retain(|by, _| may_grant(&rules, name, by, &authors).is_ok());
    }

    /// Who may not approve a release because they wrote some of what it brings: its own commit, and that of each image
    /// that is not there yet.
    fn authors(&mut self, rules: &Approval, name: &EnvironmentName, offer: &Offer) -> BTreeSet<String> {
        if !rules.not_author {
            return BTreeSet::new();
        }
        let running = self.chain.place(name).and_then(|place| place.asked.as_ref());
        let running = running.map(|asked| asked.deployment.release.clone()).unwrap_or_default();
        let is_new = |(component, image): &(&ComponentName, &ReleasedImage)| {
            running.get(*component).is_none_or(|there| there.digest != image.digest)
        };
        let images = offer.release.iter().filter(is_new).filter_map(|(_, image)| image.commit.clone());
        let commits: BTreeSet<CommitSha> = images.chain(offer.commit.clone()).collect();
        let known = commits.iter().filter_map(|commit| self.facts.author(commit));
        known.chain(offer.author.clone()).collect()
    }

    /// The wait that an answer names, or a word that there is none.
    fn asked_of_people(
        &self,
        approval: EventId,
        name: &EnvironmentName,
    ) -> Result<(&'a Environment, Lane, Waiting), String> {
        let config = self.app.environments.get(name).ok_or_else(|| self.not_there(name))?;
        let place = self.chain.place(name);
        let lanes = [Lane::Hotfix, Lane::Deploy];
        let found =
            lanes.into_iter().find_map(|lane| Some((lane, place?.waiting(lane).filter(|w| w.is_named(approval))?)));
        if let Some((lane, waiting)) = found {
            return Ok((config, lane, waiting.clone()));
        }
        let why = place.and_then(|place| place.why_ended(approval)).unwrap_or("it has gone there, or never waited");
        Err(format!("nothing waits for {name} under {approval}: {why}"))
    }
}

/// Whether the answer counts, and what is said of it.
fn told(became: Result<String, String>) -> (bool, String) {
    match became {
        Ok(says) => (true, says),
        Err(why) => (false, why),
    }
}

/// Why this person may not answer, where the rules name those who may.
fn is_outside(rules: &Approval, by: &str, what: &str, name: &EnvironmentName) -> Option<String> {
    let may = rules.by.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let is_outside = !rules.by.is_empty() && !rules.by.contains(by);
    is_outside.then(|| format!("{by} may not {what} for {name}; these may: {may}"))
}

/// Why this person's approval does not count, if it does not.
pub(super) fn may_grant(
    rules: &Approval,
    name: &EnvironmentName,
    by: &str,
    authors: &BTreeSet<String>,
) -> Result<(), String> {
    if let Some(why) = is_outside(rules, by, "approve", name) {
        return Err(why);
    }
    if let Some(author) = authors.iter().find(|author| is_same(author, by)) {
        return Err(format!("{author} wrote it, so somebody else must approve it"));
    }
    // They may be the author, or one who has approved it under another name.
    if button::is_unnamed(by) && (rules.not_author || rules.approvers > 1) {
        return Err(format!(
            "nobody says who {by} is, so it may be who wrote it, or has approved it already; name them in \
             `sources.<source>.slack.users`"
        ));
    }
    Ok(())
}

/// Whether two who have both answered are one.
fn is_same_person(one: &str, other: &str) -> bool {
    is_same(one, other) || is_same(other, one)
}

/// Whether two names are one person's, each as in `Ada <ada@example.org>`, or a part of it: a name, an address, or what
/// the first's address begins with. Capitals make no difference, nor does how much space there is.
fn is_same(known: &str, by: &str) -> bool {
    let (known, by) = (evened(known), evened(by));
    let ((name, address), (by_name, by_address)) = (parts(&known), parts(&by));
    let local = address.split('@').next().unwrap_or_default();
    // GitHub's private addresses: `1234+ada@users.noreply.github.com`.
    let is_id = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let local = local.split_once('+').filter(|(id, _)| is_id(id)).map_or(local, |(_, login)| login);
    let others = [by.as_str(), by_name, by_address];
    [known.as_str(), name, address, local].iter().any(|one| !one.is_empty() && others.contains(one))
}

/// In small letters, with one space between words, and none in the address of `Ada <ada@example.org>`.
fn evened(text: &str) -> String {
    let words = |text: &str, between: &str| text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(between);
    match text.split_once('<') {
        Some((name, address)) => format!("{} <{}", words(name, " "), words(address, "")),
        None => words(text, if text.contains('@') { "" } else { " " }),
    }
}

/// Name and address of `Ada <ada@example.org>`; either may be empty. An address by itself has no angle brackets around it.
fn parts(text: &str) -> (&str, &str) {
    match text.split_once('<') {
        Some((name, address)) => (name.trim(), address.trim_end_matches('>').trim()),
        None if text.contains('@') => ("", text),
        None => (text, ""),
    }
}

/// What to restore, of what was healthy, the last first: what is named, or the last that is not what is asked for now.
pub(crate) fn choose<'a>(
    healthy: &'a [Deployment],
    now: Option<&Deployment>,
    to: Option<&str>,
) -> Result<&'a Deployment, String> {
    if healthy.is_empty() {
        return Err("nothing is known to have been healthy there; deploy a good version by hand".to_owned());
    }
    let Some(to) = to else {
        let other = |good: &&Deployment| now.is_none_or(|now| !is_same_release(&good.release, &now.release));
        return healthy.iter().find(other).ok_or_else(|| {
            "nothing else than what it runs is known to have been healthy there; name one by `--to`".to_owned()
        });
    };
    if let Some(tagged) = healthy.iter().find(|good| has_tag(good, to)) {
        return Ok(tagged);
    }
    if to.len() < SHORTEST {
        return Err(format!("`{to}` is too short to name anything; write at least {SHORTEST} characters"));
    }
    healthy.iter().find(|good| is_named(good, to)).ok_or_else(|| {
        let mut known: Vec<_> = healthy.iter().map(|good| good.revision.short()).collect();
        known.dedup();
        known.truncate(5);
        format!("`{to}` names nothing that was healthy there; the last that were: {}", known.join(", "))
    })
}

fn is_same_release(one: &Release, other: &Release) -> bool {
    one.iter().all(|(name, released)| other.get(name).is_none_or(|o| o.digest == released.digest))
}

/// Whether an image of it has this tag. Of several that had it, as one that is moved, the last counts.
fn has_tag(deployment: &Deployment, tag: &str) -> bool {
    deployment.release.values().any(|released| released.tag.as_deref() == Some(tag))
}

/// Whether a GitOps revision, a source commit or a digest of it begins so.
fn is_named(deployment: &Deployment, to: &str) -> bool {
    let digest = to.strip_prefix("sha256:").unwrap_or(to);
    deployment.revision.as_str().starts_with(to)
        || deployment.commit.as_ref().is_some_and(|commit| commit.as_str().starts_with(to))
        || deployment.release.values().any(|released| {
            released.commit.as_ref().is_some_and(|commit| commit.as_str().starts_with(to))
                || released.digest.as_str().strip_prefix("sha256:").is_some_and(|hex| hex.starts_with(digest))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What was healthy: its revision, its source commit, the tag and the source commit of its one image.
    fn healthy(revision: char, commit: char, tag: &str, built_of: char) -> Deployment {
        let id = |digit: char| digit.to_string().repeat(40);
        let digest = format!("sha256:{}", revision.to_string().repeat(64));
        serde_json::from_value(json!({
            "app": "shop", "environment": "production", "repository": "https://git.example/gitops.git",
            "branch": "main", "path": "production", "revision": id(revision), "commit": id(commit), "changed": [],
            "reason": "deploy",
            "release": { "web": { "image": "ghcr.io/acme/web", "tag": tag, "digest": digest, "commit": id(built_of) } },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_to_be_restored_has_several_names() {
        let all = [healthy('3', 'c', "1.10", 'b'), healthy('2', 'b', "moved", 'b'), healthy('1', 'a', "moved", 'a')];
        let named = |to: &str| choose(&all, None, Some(to)).map(|good| good.revision.as_str()[..1].to_owned());
        // An image that did not change may be of an older commit than the release.
        for (to, revision) in
            [("1.10", "3"), ("moved", "2"), ("cccc", "3"), ("aaaa", "1"), ("1111", "1"), ("sha256:22", "2")]
        {
            assert_eq!(named(to).as_deref(), Ok(revision), "{to}");
        }
        for nothing in ["1.1", "1.100", "dddd", "HEAD", "--help", ""] {
            assert!(named(nothing).is_err(), "{nothing}");
        }
    }

    #[test]
    fn one_person_is_known_by_every_name() {
        let ada = "Ada Lovelace <ada@example.org>";
        for by in
            ["ada", "ADA@example.org", "ada lovelace", "A. Lovelace <ada@example.org>", "Ada Lovelace <x@y.example>"]
        {
            assert!(is_same(ada, by), "{by}");
        }
        for by in ["", "lovelace", "ad", "example.org", "<>", "Grace <grace@example.org>", "Ada@other.example"] {
            assert!(!is_same(ada, by), "{by}");
        }
        for by in [
            " ada \t lovelace ",
            "Ada\u{a0}Lovelace",
            "A. Lovelace < ada@Example.org >",
            "X <ada @ example.org>",
            "ADA @example.org",
            "Ada  Lovelace  <ada@example.org>",
        ] {
            assert!(is_same(ada, by), "{by}");
            assert!(is_same("Ada  \u{2003}Lovelace < ADA@example.org>", by), "{by}");
        }
        assert!(!is_same(ada, "Ad A") && !is_same(ada, "adalovelace") && !is_same(" <>", " "));
        assert!(is_same("ada@example.org", "ada") && !is_same("ada@example.org", "Ada@other.example"));
        assert!(is_same("Ada <1234+ada-l@users.noreply.github.com>", "ada-l"));
        assert!(is_same("Zoë", "ZOË") && is_same("ada", "Ada") && !is_same("", ""));
    }
}
