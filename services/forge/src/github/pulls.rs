//! Pull requests of one repository (docs.github.com, REST API: "Pulls", "Checks", "Commit statuses", version 2022-11-28).

use anyhow::{Context, Result, bail};
use proto::CommitSha;
use serde::Deserialize;
use serde_json::json;

use super::{
    api::{Answer, Api},
    wire::parse,
};

/// As many as a page may hold.
const PAGE: usize = 100;
/// More checks than any commit has; beyond it the answer is no end of pages.
const PAGES: usize = 20;

/// The pull requests of a repository.
pub struct Pulls {
    api: Api,
    /// `owner/name`.
    repository: String,
}

/// What is to be merged, into what, and what people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The branch that is to be merged; at most one open pull request has it.
    pub branch: String,
    /// The branch it goes to.
    pub into: String,
    /// A line.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: String,
    /// What became of it.
    pub state: State,
    /// The commit at the head of its branch.
    pub head: CommitSha,
    /// Whether it may be merged, in GitHub's word: `clean`, `blocked`, `behind`, `dirty`, `unstable`, `unknown` …; empty in
    /// lists.
    pub mergeable: String,
    title: String,
    body: String,
}

/// What became of a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing yet.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed,
}

/// What checks and statuses say of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checks {
    /// None has reported.
    None,
    /// Some are not over; their names.
    Pending(Vec<String>),
    /// Some failed; their names.
    Failed(Vec<String>),
    /// All passed, were skipped or have no opinion.
    Passed,
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    merged_at: Option<String>,
    head: Head,
    #[serde(default)]
    mergeable_state: String,
    title: String,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    sha: CommitSha,
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
        let Wire { number, html_url: url, head, mergeable_state: mergeable, title, body, .. } = wire;
        Self { number, url, state, head: head.sha, mergeable, title, body: body.unwrap_or_default() }
    }
}

impl Pulls {
    /// Those of `owner/name`.
    pub fn new(api: Api, repository: String) -> Self {
        Self { api, repository }
    }

    /// The open pull request of the draft's branch, saying what the draft says: the one that is there, or a new one.
    pub async fn open(&self, draft: &Draft) -> Result<Pull> {
        if let Some(open) = self.find(draft).await? {
            return self.tell(open, draft).await;
        }
        let new = json!({ "title": draft.title, "body": draft.body, "head": draft.branch, "base": draft.into });
        let made = self.api.send("POST", &self.path("pulls"), &new).await?;
        match made.status {
            201 => Ok(parse::<Wire>("pull request", &made.body)?.into()),
            // Another was faster, or an earlier answer was lost.
            422 => match self.find(draft).await? {
                Some(open) => self.tell(open, draft).await,
                None => bail!(self.refused("opening a pull request", &made)),
            },
            _ => bail!(self.refused("opening a pull request", &made)),
        }
    }

    /// The pull request of this number; `None` when there is none.
    pub async fn get(&self, number: u64) -> Result<Option<Pull>> {
        let answer = self.api.get(&self.path(&format!("pulls/{number}"))).await?;
        match answer.status {
            200 => Ok(Some(parse::<Wire>("pull request", &answer.body)?.into())),
            404 => Ok(None),
            _ => bail!(self.refused("reading a pull request", &answer)),
        }
    }

    /// Closes it, if it is open, and says why at the top of it.
    pub async fn close(&self, number: u64, why: &str) -> Result<()> {
        let Some(pull) = self.get(number).await?.filter(|pull| pull.state == State::Open) else { return Ok(()) };
        let body = format!("**Closed by Windlass:** {why}\n\n{}", pull.body);
        let path = self.path(&format!("pulls/{number}"));
        let closed = self.api.send("PATCH", &path, &json!({ "state": "closed", "body": body })).await?;
        match closed.status {
            200 | 404 => Ok(()),
            _ => bail!(self.refused("closing a pull request", &closed)),
        }
    }

    /// Merges it, if its head still is this commit; otherwise why not, in GitHub's words.
    pub async fn merge(&self, number: u64, head: &CommitSha, method: &str) -> Result<Result<(), String>> {
        let path = self.path(&format!("pulls/{number}/merge"));
        let merged = self.api.send("PUT", &path, &json!({ "sha": head, "merge_method": method })).await?;
        match merged.status {
            200 => Ok(Ok(())),
            404 | 405 | 409 | 422 => Ok(Err(merged.said())),
            _ => bail!(self.refused("merging a pull request", &merged)),
        }
    }

    /// What was said of a commit by checks and by statuses.
    pub async fn checks(&self, commit: &CommitSha) -> Result<Checks> {
        let (mut seen, mut pending, mut failed) = (0, Vec::new(), Vec::new());
        for run in self.runs(commit).await? {
            seen += 1;
            match (run.status.as_str(), run.conclusion.as_deref()) {
                ("completed", Some("success" | "neutral" | "skipped")) => {}
                ("completed", _) => failed.push(run.name),
                _ => pending.push(run.name),
            }
        }
        let path = self.path(&format!("commits/{commit}/status?per_page={PAGE}"));
        let combined: Combined = self.read("statuses", &path).await?;
        seen += combined.total_count;
        let named = |state: &[&str]| {
            let of_state = combined.statuses.iter().filter(|status| state.contains(&status.state.as_str()));
            of_state.map(|status| status.context.clone()).collect::<Vec<_>>()
        };
        match combined.state.as_str() {
            _ if combined.total_count == 0 => {}
            "success" => {}
            "pending" => pending.extend(named(&["pending"])),
            _ => failed.extend(named(&["failure", "error"])),
        }
        Ok(match () {
            () if seen == 0 => Checks::None,
            () if !failed.is_empty() => Checks::Failed(failed),
            () if !pending.is_empty() => Checks::Pending(pending),
            () if combined.total_count > 0 && combined.state != "success" => Checks::Pending(vec![combined.state]),
            () => Checks::Passed,
        })
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

    async fn find(&self, draft: &Draft) -> Result<Option<Pull>> {
        let owner = self.repository.split('/').next().unwrap_or_default();
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("state", "open")
            .append_pair("head", &format!("{owner}:{}", draft.branch))
            .append_pair("base", &draft.into)
            .finish();
        let found: Vec<Wire> = self.read("pull requests", &self.path(&format!("pulls?{query}"))).await?;
        Ok(found.into_iter().next().map(Pull::from))
    }

    /// Has it say what the draft says.
    async fn tell(&self, open: Pull, draft: &Draft) -> Result<Pull> {
        if open.title == draft.title && open.body == draft.body {
            return Ok(open);
        }
        let path = self.path(&format!("pulls/{}", open.number));
        let told = self.api.send("PATCH", &path, &json!({ "title": draft.title, "body": draft.body })).await?;
        match told.status {
            200 => Ok(parse::<Wire>("pull request", &told.body)?.into()),
            _ => bail!(self.refused("updating a pull request", &told)),
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, what: &str, path: &str) -> Result<T> {
        let answer = self.api.get(path).await?;
        match answer.status {
            200 => parse(what, &answer.body).with_context(|| format!("asking GET {path}")),
            _ => bail!(self.refused(&format!("reading {what}"), &answer)),
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.repository)
    }

    fn refused(&self, what: &str, answer: &Answer) -> String {
        format!("{what} of {}: GitHub answered {}; {}", self.repository, answer.said(), self.api.hint())
    }
}
