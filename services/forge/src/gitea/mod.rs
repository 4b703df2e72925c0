//! Pull requests of one repository of Gitea's or Forgejo's (docs.gitea.com and codeberg.org/api/swagger: "repository").

mod access;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use http::{Method, header};
use proto::CommitSha;
use runtime::{SecretRef, config::MergeMethod};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Checks, Draft, Gates, Merging, Pull, Readiness, State,
    answer::Answer,
    pulls::{Opens, Tally, Went},
    rest::{Host, Question, Rest},
};

/// As many as a page may hold unless its administrators say otherwise (`MAX_RESPONSE_ITEMS`).
const PAGE: usize = 50;
/// More pull requests, or statuses of a commit, than are looked through.
const PAGES: usize = 20;

/// What it takes.
fn host() -> Host {
    Host {
        name: "Gitea",
        header: header::AUTHORIZATION,
        scheme: "token ",
        may: "use the repository: it has the scope `write:repository`, and its user may write there and merge",
    }
}

/// The pull requests of a repository.
pub struct Pulls {
    rest: Rest,
    /// `owner/name`.
    repository: String,
    how: &'static str,
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    html_url: String,
    state: String,
    #[serde(default)]
    merged: bool,
    #[serde(default)]
    mergeable: bool,
    title: String,
    #[serde(default)]
    body: Option<String>,
    head: End,
    base: End,
}

/// One of the two branches.
#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref")]
    branch: String,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    repo_id: i64,
}

/// Of a pull request, the newest first.
#[derive(Deserialize)]
struct Commit {
    sha: String,
}

#[derive(Default, Deserialize)]
struct Combined {
    #[serde(default)]
    statuses: Option<Vec<Said>>,
}

#[derive(Deserialize)]
struct Said {
    context: String,
    /// So in Gitea and Forgejo, and `state` in what is written in GitHub's form.
    #[serde(alias = "state")]
    status: String,
}

impl From<Wire> for Pull {
    fn from(wire: Wire) -> Self {
        let state = match wire.state.as_str() {
            _ if wire.merged => State::Merged,
            "open" => State::Open,
            _ => State::Closed,
        };
        Self {
            number: wire.number,
            url: wire.html_url,
            state,
            into: wire.base.branch,
            head: CommitSha::new(wire.head.sha).ok(),
            // One that conflicts or is a draft is not told apart from one that is looked at still.
            readiness: if wire.mergeable { Readiness::Ready } else { Readiness::Unknown },
            pipeline: None,
            title: wire.title,
            body: wire.body.unwrap_or_default(),
        }
    }
}

impl Pulls {
    /// Those of `owner/name`.
    pub(crate) fn new(
        api: &str,
        token: SecretRef,
        repository: String,
        method: MergeMethod,
        gates: &Gates,
        http: reqwest::Client,
    ) -> Self {
        let how = match method {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        Self { rest: Rest::new(host(), api, token, gates, http), repository, how }
    }

    pub(crate) async fn get(&self, number: u64) -> Result<Option<Pull>> {
        let answer = self.rest.ask(Question::get(&self.path(&format!("pulls/{number}")))).await?;
        match answer.status {
            200 => Ok(Some(self.rest.parse::<Wire>("pull request", &answer.body)?.into())),
            404 => Ok(None),
            _ => bail!(self.rest.refused("reading a pull request", &answer)),
        }
    }

    pub(crate) async fn close(&self, number: u64, body: &str) -> Result<()> {
        let closing = json!({ "state": "closed", "body": body });
        let answer = self.send(Method::PATCH, &self.path(&format!("pulls/{number}")), closing).await?;
        match answer.status {
            200 | 201 | 404 => Ok(()),
            _ => bail!(self.rest.refused("closing a pull request", &answer)),
        }
    }

    pub(crate) async fn merge(&self, number: u64, head: &CommitSha) -> Result<Merging> {
        let asked = json!({ "Do": self.how, "head_commit_id": head });
        let answer = self.send(Method::POST, &self.path(&format!("pulls/{number}/merge")), asked).await?;
        let said = answer.said();
        match answer.status {
            200 => Ok(Merging::Merged),
            // Only these words tell of the rule that wants a branch to begin at the head.
            405 if said.contains("behind the base branch") => Ok(Merging::Behind),
            404 | 405 | 409 | 423 => Ok(Merging::Refused(said)),
            _ => bail!(self.rest.refused("merging a pull request", &answer)),
        }
    }

    /// By the latest status of each context, which is what Actions and others report by.
    pub(crate) async fn checks(&self, head: &CommitSha) -> Result<Checks> {
        let mut latest = BTreeMap::new();
        for page in 1..=PAGES {
            let path = self.path(&format!("commits/{head}/status?limit={PAGE}&page={page}"));
            let before = latest.len();
            let statuses = self.combined(&path).await?.statuses.unwrap_or_default();
            latest.extend(statuses.into_iter().map(|status| (status.context, status.status)));
            // Neither a count of all nor a link tells reliably that there are more, and a page may be smaller than asked.
            if latest.len() == before {
                break;
            }
        }
        let mut tally = Tally::default();
        for (name, status) in latest {
            let went = match status.as_str() {
                "success" | "skipped" => Went::Well,
                "pending" => Went::On,
                // `warning` does not satisfy a rule that requires the check, so it does not us.
                _ => Went::Badly,
            };
            tally.add(name, went);
        }
        Ok(tally.sum())
    }

    async fn combined(&self, path: &str) -> Result<Combined> {
        let answer = self.rest.ask(Question::get(path)).await?;
        match answer.status {
            // A commit that nothing was said of: older ones answer nothing at all.
            200 if answer.body.trim().is_empty() => Ok(Combined::default()),
            200 => self.rest.parse("combined status", &answer.body),
            _ => bail!(self.rest.refused("reading commit statuses", &answer)),
        }
    }

    /// The newest one in this state of the repository's own branch. There is no question for that alone: that by base and
    /// head finds one in any, and older ones take no filter.
    async fn newest(&self, branch: &str, into: &str, state: &str) -> Result<Option<Wire>> {
        let is_it = |pull: &Wire| {
            pull.head.branch == branch && pull.base.branch == into && pull.head.repo_id == pull.base.repo_id
        };
        for page in 1..=PAGES {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("state", state)
                .append_pair("base_branch", into)
                .append_pair("limit", &PAGE.to_string())
                .append_pair("page", &page.to_string())
                .finish();
            let path = self.path(&format!("pulls?{query}"));
            let (found, has_next): (Vec<Wire>, _) = self.rest.read("pull requests", &path).await?;
            if let Some(newest) = found.into_iter().find(is_it) {
                return Ok(Some(newest));
            }
            if !has_next {
                break;
            }
        }
        Ok(None)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Answer> {
        self.rest.ask(Question::send(method, path, body)).await
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.repository)
    }
}

impl Opens for Pulls {
    async fn find(&self, branch: &str, into: &str) -> Result<Option<Pull>> {
        Ok(self.newest(branch, into, "open").await?.map(Pull::from))
    }

    async fn last_head(&self, branch: &str, into: &str) -> Result<Option<CommitSha>> {
        let Some(last) = self.newest(branch, into, "closed").await? else { return Ok(None) };
        // While the branch is there its head is told, whatever was pushed since; the commits are those it was over with.
        let path = self.path(&format!("pulls/{}/commits?limit=1", last.number));
        let (commits, _): (Vec<Commit>, _) = self.rest.read("commits of a pull request", &path).await?;
        Ok(commits.into_iter().next().and_then(|commit| CommitSha::new(commit.sha).ok()))
    }

    async fn make(&self, draft: &Draft) -> Result<Result<Pull, String>> {
        let new = json!({ "head": draft.branch, "base": draft.into, "title": draft.title, "body": draft.body });
        let made = self.send(Method::POST, &self.path("pulls"), new).await?;
        match made.status {
            201 => Ok(Ok(self.rest.parse::<Wire>("pull request", &made.body)?.into())),
            409 => Ok(Err(self.rest.refused("opening a pull request", &made))),
            _ => bail!(self.rest.refused("opening a pull request", &made)),
        }
    }

    async fn tell(&self, number: u64, draft: &Draft) -> Result<Pull> {
        let path = self.path(&format!("pulls/{number}"));
        let told = self.send(Method::PATCH, &path, json!({ "title": draft.title, "body": draft.body })).await?;
        match told.status {
            200 | 201 => Ok(self.rest.parse::<Wire>("pull request", &told.body)?.into()),
            _ => bail!(self.rest.refused("updating a pull request", &told)),
        }
    }
}
