//! What a verdict leads to: what is healthy goes on, what is not is barred and taken back.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Asked, Hold, Offer, Ruling};
use proto::{BumpReason, ComponentName, Deployment, Digest, EnvironmentName, HealthReported, Lane, Release};
use runtime::config::{Environment, Rollback};

use super::{
    names,
    step::{Step, is_same},
    verified::{is_healthy, well},
};

impl Step<'_> {
    /// A verdict was reached. `is_older` when the environment has been asked for something later since; `stood` is what
    /// is known to have stood there of what the last healthy deployment does not name.
    pub(crate) fn judged(&mut self, report: &HealthReported, is_older: bool, stood: &Release) {
        let mut report = report.clone();
        names::deployment(self.app, &mut report.deployment);
        // Several that were merged before anybody looked are of one revision and release, and have one verdict.
        let known = self.chain.place(&report.deployment.environment).and_then(|place| place.asked.as_ref());
        if let Some(known) = known.map(|known| &known.deployment).filter(|known| is_one(known, &report.deployment)) {
            report.deployment = known.clone();
        }
        let (report, deployment) = (&report, &report.deployment);
        let name = &deployment.environment;
        let Some(config) = self.app.environments.get(name) else { return self.no_environment(name) };
        let asked = self.place(name).asked.take();
        if let Some(later) = asked.as_ref().filter(|_| is_older) {
            let (old, new) = (deployment.revision.short(), later.deployment.revision.short());
            self.told.reasons.push(format!("superseded: {name} was asked for {new} since, which came after {old}"));
            self.place(name).asked = asked;
            // An earlier run had it taken back in time.
            if !report.healthy && self.is_done(name) {
                self.condemn(deployment, &report.summary, &self.good(name, stood));
            }
            return;
        }
        let is_other = |asked: &Asked| asked.deployment.revision != deployment.revision;
        if !report.healthy || asked.as_ref().is_some_and(is_other) {
            self.interrupted(name, asked.as_ref());
        }
        let asked = asked.filter(|asked| !is_other(asked));
        // It was healthy all along, should it be judged so again.
        let earlier = asked.as_ref().and_then(well).map(|(_, since)| since);
        let healthy_since = report.healthy.then(|| earlier.unwrap_or(self.cause.now));
        let ruling = Ruling { healthy: report.healthy, summary: report.summary.clone(), at: self.cause.now };
        let (lane, author) = asked.map_or((Lane::Deploy, None), |asked| (asked.lane, asked.author));
        let asked = Asked {
            deployment: deployment.clone(),
            at: self.cause.now,
            lane,
            author: author.clone(),
            verdict: Some(ruling.clone()),
            healthy_since,
        };
        self.place(name).asked = Some(asked);
        if report.healthy {
            self.healthy(deployment, lane, author, &ruling);
        } else {
            self.unhealthy(config, report, stood);
        }
    }

    fn healthy(&mut self, verified: &Deployment, lane: Lane, author: Option<String>, ruling: &Ruling) {
        let from = &verified.environment;
        self.found_healthy(verified);
        self.place(from).hold.take_if(|hold| hold.automatic);
        self.forget_met();
        // What an earlier verdict over the same environment laid on these digests: it was judged again. What a person had
        // taken back was not for its health.
        let released: BTreeSet<_> = verified.release.values().map(|released| &released.digest).collect();
        self.chain
            .barred
            .retain(|digest, entry| entry.ordered || entry.environment != *from || !released.contains(digest));
        if verified.reason == BumpReason::Rollback {
            let why = format!("{from} is healthy again after a rollback; a rollback is not promoted");
            return self.told.reasons.push(why);
        }
        let mut release = verified.release.clone();
        release.retain(|name, _| self.app.components.contains_key(name));
        let (commit, note, changed) = (verified.commit.clone(), verified.note.clone(), &verified.changed);
        let (reason, verified) = (BumpReason::Promotion, Some(ruling.clone()));
        let offer = Offer { release, commit, reason, lane, verified, healthy_in: BTreeMap::new(), author, note };
        let after: Vec<_> = self.app.environments_after(from).collect();
        for (name, config) in after {
            let offer = Offer { healthy_in: self.healthy_before(config), ..offer.clone() };
            let running = self.chain.place(name).and_then(|place| place.asked.as_ref());
            let running = running.map(|asked| &asked.deployment.release);
            for (n, offer) in self.by_lanes(running, offer, changed).into_iter().enumerate() {
                match self.not_yet_healthy(config, &offer.release) {
                    Some(other) => {
                        let why = format!("{name} waits for {other} to be healthy with the same images");
                        self.told.reasons.push(why);
                    }
                    None if n == 0 => self.enter(name, config, offer),
                    None => self.enter_beside(name, config, offer),
                }
            }
        }
    }

    /// An environment that must be healthy with this release first, and is not.
    fn not_yet_healthy<'e>(&self, config: &'e Environment, release: &Release) -> Option<&'e EnvironmentName> {
        config.after.iter().find(|before| {
            let place = self.chain.place(before);
            place.is_none_or(|place| !is_healthy(place, release))
        })
    }

    fn unhealthy(&mut self, config: &Environment, report: &HealthReported, stood: &Release) {
        let (bad, summary) = (&report.deployment, &report.summary);
        let name = &bad.environment;
        let left = |why: &str| format!("{name} is unhealthy ({summary}): {why}");
        if bad.reason == BumpReason::Rollback {
            let why = left("this was the rollback itself, so nothing is tried on; a human is needed");
            self.told.reasons.push(why);
            let reason = format!("the rollback itself is unhealthy: {summary}");
            let hold = Hold { by: "Windlass".to_owned(), reason, at: self.cause.now, automatic: true };
            self.place(name).hold.get_or_insert(hold);
            return;
        }
        let good = self.good(name, stood);
        self.condemn(bad, summary, &good);
        if self.is_done(name) {
            return;
        }
        let place = self.chain.place(name);
        let held = config.hold.clone().or_else(|| Some(place?.hold.as_ref()?.reason.clone()));
        let commit = place.and_then(|place| place.healthy.as_ref()?.commit.clone());
        let wanted = match self.way_back(bad, &good, config, held) {
            Ok(wanted) => wanted,
            Err(why) => return self.told.reasons.push(left(&why)),
        };
        let instead_of = wanted.keys().filter_map(|name| Some((name.clone(), bad.release.get(name)?.clone())));
        let instead_of = Some(instead_of.collect());
        let told = [Some(summary.clone()), unknown(bad, &good), unjudged(bad, &wanted)];
        let note = told.into_iter().flatten().collect::<Vec<_>>().join("; ");
        self.go_back(name, (wanted, commit), instead_of, Some(note));
    }

    /// What was last healthy in an environment, as far as it is known; of what that does not name, what stood there.
    fn good(&self, name: &EnvironmentName, stood: &Release) -> Release {
        let Some(healthy) = self.chain.place(name).and_then(|place| place.healthy.as_ref()) else {
            return Release::new();
        };
        let mut good = stood.clone();
        good.retain(|_, image| !self.chain.barred.contains_key(&image.digest));
        good.extend(healthy.release.clone());
        good
    }

    /// What to restore of what is good, or why nothing is.
    fn way_back(
        &self,
        bad: &Deployment,
        good: &Release,
        config: &Environment,
        held: Option<String>,
    ) -> Result<Release, String> {
        if let Some(why) = held {
            return Err(format!("it is held ({why}), so a person decides; what is bad is not deployed again"));
        }
        if config.rollback == Rollback::Manual {
            return Err("`rollback: manual`, so a person decides; what is bad is not deployed again".to_owned());
        }
        let name = &bad.environment;
        if self.chain.place(name).is_none_or(|place| place.healthy.is_none()) {
            return Err(format!("nothing healthy is known to restore in {name}; deploy a good version by hand"));
        }
        let mut wanted = differing(good, &bad.release);
        wanted.retain(|component, _| self.app.components.contains_key(component));
        if wanted.is_empty() {
            let not_to_blame = "it runs what was last healthy here, so the images are not to blame; a human is needed";
            return Err(unknown(bad, good).unwrap_or_else(|| not_to_blame.to_owned()));
        }
        match self.chain.why_barred(&wanted) {
            Some(why) => Err(format!("what was last healthy is no way back: {why}; a human is needed")),
            None => Ok(wanted),
        }
    }

    /// Bars what this deployment brought and what is not good; as a fix it is owed no more.
    fn condemn(&mut self, bad: &Deployment, summary: &str, good: &Release) {
        let mut brought = bad.release.clone();
        brought.retain(|name, released| {
            bad.changed.contains(name) && good.get(name).is_none_or(|good| good.digest != released.digest)
        });
        for released in brought.values() {
            let reason = format!("unhealthy in {}: {summary}", bad.environment);
            self.bar(&released.digest, &bad.environment, reason, false);
        }
        self.owe_no_more(bad, &brought);
    }
}

fn is_one(one: &Deployment, other: &Deployment) -> bool {
    one.revision == other.revision && is_same(&one.release, &other.release)
}

/// What of the good release is not what the bad one has.
fn differing(good: &Release, bad: &Release) -> Release {
    let differs = |name: &ComponentName, digest: &Digest| bad.get(name).is_some_and(|bad| bad.digest != *digest);
    let parts = good.iter().filter(|(name, released)| differs(name, &released.digest));
    parts.map(|(name, released)| (name.clone(), released.clone())).collect()
}

/// What goes back though the bad deployment did not bring it, in words, if anything does.
fn unjudged(bad: &Deployment, wanted: &Release) -> Option<String> {
    let besides = wanted.keys().filter(|name| !bad.changed.contains(name));
    let besides = besides.map(ComponentName::as_str).collect::<Vec<_>>().join(", ");
    (!besides.is_empty()).then(|| format!("{besides} goes back too, as it was never found healthy here either"))
}

/// Which components have nothing good to go back to, in words, if any have not.
fn unknown(bad: &Deployment, good: &Release) -> Option<String> {
    let without: Vec<_> =
        bad.release.keys().filter(|name| !good.contains_key(*name)).map(ComponentName::as_str).collect();
    (!without.is_empty()).then(|| {
        let (without, environment) = (without.join(", "), &bad.environment);
        format!(
            "nothing healthy is known of {without} in {environment}, so that stays as it is; a human is needed: deploy a \
             good version by hand"
        )
    })
}
