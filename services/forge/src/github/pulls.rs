//! Pull requests of one repository (docs.github.com, REST API: "Pulls", "Checks", "Commit statuses", version 2022-11-28).

use anyhow::{Context, Result, bail};
use proto::CommitSha;
use runtime::config::MergeMethod;
use serde::Deserialize;
use serde_json::json;

use super::{api::Api, wire::parse};
use crate::{
    Checks, Draft, Merging, Pull, Readiness, State,
    answer::Answer,
    pulls::{Opens, Tally, Went},
};

/// As many as a page may hold.
const PAGE: usize = 100;
/// More checks than any commit has; beyond it the answer is no end of pages.
const PAGES: usize = 20;

/// The pull requests of a repository.
pub struct Pulls {
    pub(super) api: Api,
    /// `owner/name`.
    pub(super) repository: String,
    pub(super) method: &'static str,
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    merged_at: Option<String>,
    head: End,
    base: End,
    #[serde(default)]
    mergeable_state: String,
    title: String,
    #[serde(default)]
    body: Option<String>,
}

/// One of the two branches.
#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: String,
    sha: CommitSha,
    /// None when its repository is gone.
    #[serde(default)]
    repo: Option<Repository>,
}

#[derive(PartialEq, Eq, Deserialize)]
struct Repository {
    id: u64,
}

#[derive(Deserialize)]
struct Runs {
    total_count: usize,
    check_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    name: String,
    status: String,
    #[serde(default)]
    conclusion: Option<String>,
}

#[derive(Deserialize)]
struct Combined {
    state: String,
    total_count: usize,
    #[serde(default)]
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    context: String,
    state: String,
}

impl From<Wire> for Pull {
    fn from(wire: Wire) -> Self {
        let state = match (&wire.merged_at, wire.state.as_str()) {
            (Some(_), _) => State::Merged,
            (None, "open") => State::Open,
            (None, _) => State::Closed,
        };
        let readiness = readiness(&wire.mergeable_state);
        let Wire { number, html_url: url, head, base, title, body, .. } = wire;
        let (into, head, body) = (base.branch, Some(head.sha), body.unwrap_or_default());
        Self { number, url, state, into, head, readiness, pipeline: None, title, body }
    }
}

/// What `mergeable_state` means.
fn readiness(state: &str) -> Readiness {
    match state {
        "clean" | "has_hooks" => Readiness::Ready,
        "behind" => Readiness::Behind,
        "dirty" => Readiness::Conflicts,
        "blocked" => Readiness::Blocked(None),
        // `unstable` is one of which some check has not passed, and `unknown` one that nobody has asked for lately.
        _ => Readiness::Unknown,
    }
}

fn of_state(state: &str) -> Went {
    match state {
        "success" => Went::Well,
        "pending" => Went::On,
        _ => Went::Badly,
    }
}

impl Pulls {
    /// Those of `owner/name`.
    pub(crate) fn new(api: Api, repository: String, method: MergeMethod) -> Self {
        let method = match method {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        Self { api, repository, method }
    }

    pub(crate) async fn get(&self, number: u64) -> Result<Option<Pull>> {
        let answer = self.api.get(&self.path(&format!("pulls/{number}"))).await?;
        match answer.status {
            200 => Ok(Some(parse::<Wire>("pull request", &answer.body)?.into())),
            404 => Ok(None),
            _ => bail!(self.refused("reading a pull request", &answer)),
        }
    }

    pub(crate) async fn close(&self, number: u64, body: &str) -> Result<()> {
        let closing = json!({ "state": "closed", "body": body });
        let answer = self.api.send("PATCH", &self.path(&format!("pulls/{number}")), &closing).await?;
        match answer.status {
            200 | 404 => Ok(()),
            _ => bail!(self.refused("closing a pull request", &answer)),
        }
    }

    pub(crate) async fn merge(&self, number: u64, head: &CommitSha) -> Result<Merging> {
        let path = self.path(&format!("pulls/{number}/merge"));
        let merged = self.api.send("PUT", &path, &json!({ "sha": head, "merge_method": self.method })).await?;
        match merged.status {
            200 => Ok(Merging::Merged),
            404 | 405 | 409 | 422 => Ok(Merging::Refused(merged.said())),
            _ => bail!(self.refused("merging a pull request", &merged)),
        }
    }

    /// By checks and by statuses.
    pub(crate) async fn checks(&self, commit: &CommitSha) -> Result<Checks> {
        let mut tally = Tally::default();
        for run in self.runs(commit).await? {
            let went = match (run.status.as_str(), run.conclusion.as_deref()) {
                ("completed", Some("success" | "neutral" | "skipped")) => Went::Well,
                ("completed", _) => Went::Badly,
                _ => Went::On,
            };
            tally.add(run.name, went);
        }
        let path = self.path(&format!("commits/{commit}/status?per_page={PAGE}"));
        let combined: Combined = self.read("statuses", &path).await?;
        for status in &combined.statuses {
            tally.add(status.context.clone(), of_state(&status.state));
        }
        // Of more statuses than a page holds, the sum of all counts.
        if combined.total_count > combined.statuses.len() {
            tally.add("others".to_owned(), of_state(&combined.state));
        }
        Ok(tally.sum())
    }

    /// The newest one in this state of the repository's own branch: the question for it finds those of forks too that its
    /// owner has. They come in the order in which they were opened, the newest first.
    async fn newest(&self, branch: &str, into: &str, state: &str) -> Result<Option<Wire>> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("state", state)
            .append_pair("head", &format!("{owner}:{branch}"))
            .append_pair("base", into)
            .append_pair("per_page", &PAGE.to_string())
            .finish();
        let found: Vec<Wire> = self.read("pull requests", &self.path(&format!("pulls?{query}"))).await?;
        let own = |pull: &Wire| pull.head.repo.is_some() && pull.head.repo == pull.base.repo;
        Ok(found.into_iter().find(own))
    }

    async fn runs(&self, commit: &CommitSha) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for page in 1..=PAGES {
            let path = self.path(&format!("commits/{commit}/check-runs?per_page={PAGE}&page={page}"));
            let read: Runs = self.read("check runs", &path).await?;
            let end = read.check_runs.is_empty();
            runs.extend(read.check_runs);
            if end || runs.len() >= read.total_count {
                break;
            }
        }
        Ok(runs)
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, what: &str, path: &str) -> Result<T> {
        let answer = self.api.get(path).await?;
        match answer.status {
            200 => parse(what, &answer.body).with_context(|| format!("asking GET {path}")),
            _ => bail!(self.refused(&format!("reading {what}"), &answer)),
        }
    }

    pub(super) fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.repository)
    }

    pub(super) fn refused(&self, what: &str, answer: &Answer) -> String {
        format!("{what} of {}: GitHub answered {}; {}", self.repository, answer.said(), self.api.hint())
    }
}

impl Opens for Pulls {
    async fn find(&self, branch: &str, into: &str) -> Result<Option<Pull>> {
        Ok(self.newest(branch, into, "open").await?.map(Pull::from))
    }

    async fn last_head(&self, branch: &str, into: &str) -> Result<Option<CommitSha>> {
        // What is pushed after one is over is none of its any more.
        Ok(self.newest(branch, into, "closed").await?.map(|pull| pull.head.sha))
    }

    async fn make(&self, draft: &Draft) -> Result<Result<Pull, String>> {
        let new = json!({ "title": draft.title, "body": draft.body, "head": draft.branch, "base": draft.into });
        let made = self.api.send("POST", &self.path("pulls"), &new).await?;
        match made.status {
            201 => Ok(Ok(parse::<Wire>("pull request", &made.body)?.into())),
            422 => Ok(Err(self.refused("opening a pull request", &made))),
            _ => bail!(self.refused("opening a pull request", &made)),
        }
    }

    async fn tell(&self, number: u64, draft: &Draft) -> Result<Pull> {
        let path = self.path(&format!("pulls/{number}"));
        let told = self.api.send("PATCH", &path, &json!({ "title": draft.title, "body": draft.body })).await?;
        match told.status {
            200 => Ok(parse::<Wire>("pull request", &told.body)?.into()),
            _ => bail!(self.refused("updating a pull request", &told)),
        }
    }
}
