//! Who follows a tag: the environments a new image comes to, and by what.

use anyhow::Context as _;
use ledger::EventFilter;
use proto::{AppName, CommitSha, ComponentName, Data, EnvironmentName, Event, EventType};
use runtime::{
    Failure,
    config::{App, NearestRule},
};

use crate::{Bumper, outcome::Target, release::Candidate};

/// How many later pushes of an app are looked at: far more than come while one waits to be handled.
const PUSHES: u32 = 500;

/// An environment a new image may come to, and the rule over tags that lets it in; without one, it is of a branch.
pub(crate) struct Follower<'a> {
    pub(crate) name: &'a EnvironmentName,
    pub(crate) rule: Option<NearestRule<'a>>,
}

/// Those that follow this tag of a component, and why others do not, each reason once.
pub(crate) fn followers<'a>(target: Target<'a>, candidate: &Candidate<'_>) -> (Vec<Follower<'a>>, Vec<String>) {
    let (Target { name, app, .. }, Candidate { component, tag, lane, .. }) = (target, candidate);
    let (mut following, mut reasons) = (Vec::new(), Vec::new());
    for (environment, _) in app.first_environments(*lane) {
        let rule = app.tag_rule(environment, component);
        let refusal = match &rule {
            Some(nearest) => {
                let refused = nearest.rule.refusal(tag);
                refused.map(|(key, how)| format!("the tag `{tag}` {how} (`apps.{name}.{}.{key}`)", nearest.key))
            }
            None => of_no_branch(name, app, component, tag),
        };
        match refusal {
            None => following.push(Follower { name: environment, rule }),
            Some(why) if reasons.contains(&why) => {}
            Some(why) => reasons.push(why),
        }
    }
    (following, reasons)
}

/// Why images with this tag are not deployed where branches' tags are followed, if they are not.
fn of_no_branch(name: &AppName, app: &App, component: &ComponentName, tag: &str) -> Option<String> {
    if !app.lane_of_tag(tag).is_deployed() {
        let is_commit = CommitSha::new(tag).is_ok();
        let why = if is_commit {
            "is a commit's; its branch's tag is followed"
        } else {
            "belongs to no deploy or hotfix branch"
        };
        return Some(format!("the tag `{tag}` {why}"));
    }
    let is_built = app.components_of_tag(tag).any(|(built, _)| built == component);
    (!is_built).then(|| {
        format!("`{component}` is not deployed from the tag `{tag}`; see `apps.{name}.components.{component}.branches`")
    })
}

impl Bumper {
    /// Why this push is left for one that came after it: where nothing tells which of two tags is the later, the last
    /// that was pushed counts, in whichever order they are handled. A replay was asked for by somebody.
    pub(crate) async fn pushed_before(
        &self,
        event: &Event,
        candidate: &Candidate<'_>,
        follower: &Follower<'_>,
    ) -> Result<Option<String>, Failure> {
        let Some(nearest) = follower.rule.as_ref() else { return Ok(None) };
        if event.replay > 0 {
            return Ok(None);
        }
        let app = event.app().cloned();
        let filter = EventFilter {
            kind: Some(EventType::ImagePushed),
            app,
            since: Some(event.time),
            limit: PUSHES,
            ..EventFilter::default()
        };
        let recorded = self.ledger.events(&filter).await.context("asking for later pushes")?;
        let later = recorded.iter().filter_map(|recorded| Event::from_message(&recorded.message).ok());
        let mut later = later.filter(|other| other.time > event.time && other.replay == 0);
        let tag = later.find_map(|other| match other.data {
            Data::ImagePushed(pushed) if pushed.component == *candidate.component => {
                let rule = &nearest.rule;
                pushed.tag.filter(|tag| tag != candidate.tag && rule.matches(tag) && !rule.decides(tag, candidate.tag))
            }
            _ => None,
        });
        Ok(tag.map(|later| {
            let (name, tag) = (follower.name, candidate.tag);
            format!("{name} is left to `{later}`, which was pushed after `{tag}`; `order` would say which is newer")
        }))
    }
}
