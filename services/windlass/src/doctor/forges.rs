//! The hosts that pull requests are opened at: whether they are reached, take who asks, and let it do what is configured.

use std::collections::BTreeMap;

use forge::{Certainty, Fault, Forge, Gates, Later, Wanted};
use futures_util::future::join_all;
use proto::AppName;
use runtime::config::{App, Gitops, Merge};

use super::{
    reach::{ANSWER, Reach},
    report::Finding,
};

impl Reach<'_> {
    /// How it stands with the pull requests of each app that has any; once of those that are written to as one.
    pub(super) async fn forges(&self) -> Vec<Finding> {
        let gates = Gates::sharing(self.git.installations());
        let mut asked: Vec<(String, &AppName, &Gitops, Wanted)> = Vec::new();
        for (name, app) in &self.config.apps {
            let Some(gitops) = &app.gitops else { continue };
            let (api, project) = (gitops.api().unwrap_or_default(), gitops.project().unwrap_or_default());
            for wanted in wanted(app) {
                let alike = format!("{api} {project} {:?} {wanted:?}", gitops.forge);
                if !asked.iter().any(|(other, ..)| *other == alike) {
                    asked.push((alike, name, gitops, wanted));
                }
            }
        }
        let asked = asked.iter().map(|(_, name, gitops, wanted)| self.pull_requests(name, gitops, wanted, &gates));
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn pull_requests(&self, app: &AppName, gitops: &Gitops, wanted: &Wanted, gates: &Gates) -> Vec<Finding> {
        let (api, project) = (gitops.api().unwrap_or_default(), gitops.project().unwrap_or_default());
        let (about, key) =
            (format!("pull requests of {project} into `{}` at {api}", wanted.into), format!("apps.{app}.gitops"));
        let next = format!("check `{key}.forge`, `{key}.repository` and the way there");
        let forge = match Forge::new(gitops, gates, &self.http) {
            Ok(Some(forge)) => forge,
            Ok(None) => return Vec::new(),
            Err(error) => return vec![Finding::broken(about, format!("{error:#}"), &next)],
        };
        match tokio::time::timeout(ANSWER, forge.faults(wanted)).await {
            Ok(Ok(faults)) => findings(&about, wanted, faults),
            Ok(Err(error)) if error.downcast_ref::<Later>().is_some_and(Later::is_limit) => {
                vec![Finding::warning(about, error, "ask again once its limit lets one; nothing is known to be wrong")]
            }
            Ok(Err(error)) => vec![Finding::broken(about, format!("{error:#}"), &next)],
            Err(_) => vec![Finding::broken(about, format!("no answer within {ANSWER:?}"), &next)],
        }
    }
}

/// What is to be done with an app's pull requests, by the branch they are for; nothing where no environment gets any.
fn wanted(app: &App) -> impl Iterator<Item = Wanted> {
    let mut into: BTreeMap<String, bool> = BTreeMap::new();
    for (name, merge) in app.environments.keys().filter_map(|name| Some((name, app.merge(name)?))) {
        let branch = app.gitops_of(name).map(|gitops| gitops.branch.to_string()).unwrap_or_default();
        *into.entry(branch).or_default() |= merge == Merge::WhenChecksPass;
    }
    into.into_iter().map(|(into, merges)| Wanted { into, merges })
}

fn findings(about: &str, wanted: &Wanted, faults: Vec<Fault>) -> Vec<Finding> {
    let is_well = !faults.iter().any(|fault| fault.certainty == Certainty::Certain);
    let may = if wanted.merges { "they can be opened and merged" } else { "they can be opened" };
    let as_far = if faults.is_empty() { "" } else { ", as far as is told" };
    let well = is_well.then(|| Finding::ok(about, format!("{may}{as_far}")));
    let finding = |Fault { certainty, says, next }: Fault| match certainty {
        Certainty::Certain => Finding::broken(about, says, &next),
        Certainty::Likely => Finding::warning(about, says, &next),
        Certainty::Untold => Finding::note(about, says, &next),
    };
    well.into_iter().chain(faults.into_iter().map(finding)).collect()
}
