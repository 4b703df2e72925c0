//! Merge requests of one GitLab project (docs.gitlab.com: "Merge requests API", "Commits API", "REST API authentication",
//! "User and IP rate limits").

mod access;
mod wire;

use anyhow::{Result, bail};
use http::{HeaderName, Method};
use proto::CommitSha;
use runtime::{SecretRef, config::MergeMethod};
use serde_json::{Value, json};

use crate::{
    Checks, Draft, Gates, Merging, Pull,
    answer::Answer,
    pulls::{Opens, Pipeline, Tally, Went},
    rest::{Host, Question, Rest},
};
use wire::{Commit, Said, Wire, went};

/// As many as a page may hold.
const PAGE: usize = 100;
/// More statuses than any commit has; beyond it the answer is no end of pages.
const PAGES: usize = 20;

/// What it takes.
fn host() -> Host {
    Host {
        name: "GitLab",
        header: HeaderName::from_static("private-token"),
        scheme: "",
        may: "use the project: it has the scope `api`, and the role Developer or, where only those may merge, Maintainer",
    }
}

/// The merge requests of a project.
pub struct MergeRequests {
    rest: Rest,
    /// Its path with all groups above it, as it stands in a URL: GitLab takes that for its id.
    project: String,
    squash: bool,
}

impl MergeRequests {
    /// Those of the project with this path: `group/subgroup/name`.
    pub(crate) fn new(
        api: &str,
        token: SecretRef,
        project: &str,
        method: MergeMethod,
        gates: &Gates,
        http: reqwest::Client,
    ) -> Self {
        let project = url::form_urlencoded::byte_serialize(project.as_bytes()).collect();
        let squash = method == MergeMethod::Squash;
        Self { rest: Rest::new(host(), api, token, gates, http), project, squash }
    }

    pub(crate) async fn get(&self, number: u64) -> Result<Option<Pull>> {
        let answer = self.rest.ask(Question::get(&self.path(&format!("merge_requests/{number}")))).await?;
        match answer.status {
            200 => Ok(Some(self.rest.parse::<Wire>("merge request", &answer.body)?.into())),
            404 => Ok(None),
            _ => bail!(self.rest.refused("reading a merge request", &answer)),
        }
    }

    pub(crate) async fn close(&self, number: u64, body: &str) -> Result<()> {
        let closing = json!({ "state_event": "close", "description": body });
        let answer = self.send(Method::PUT, &self.path(&format!("merge_requests/{number}")), closing).await?;
        match answer.status {
            200 | 404 => Ok(()),
            _ => bail!(self.rest.refused("closing a merge request", &answer)),
        }
    }

    pub(crate) async fn merge(&self, number: u64, head: &CommitSha) -> Result<Merging> {
        let mut asked = json!({ "sha": head });
        if self.squash {
            asked["squash"] = json!(true);
        }
        let path = self.path(&format!("merge_requests/{number}/merge"));
        // 401 says here that one is known and may not merge this; older ones say 406 of a conflict.
        let question = Question::send(Method::PUT, &path, asked).answered_by(&[401, 403]);
        let answer = self.rest.ask(question).await?;
        match answer.status {
            200 => Ok(Merging::Merged),
            401 | 403 => Ok(Merging::Refused(format!("{}; {}", answer.said(), self.rest.hint()))),
            404 | 405 | 406 | 409 | 422 => Ok(Merging::Refused(answer.said())),
            _ => bail!(self.rest.refused("merging a merge request", &answer)),
        }
    }

    /// By the jobs and the statuses of its commit, and its pipeline as a whole.
    pub(crate) async fn checks(&self, pull: &Pull, head: &CommitSha) -> Result<Checks> {
        let mut tally = Tally::default();
        for page in 1..=PAGES {
            let path = self.path(&format!("repository/commits/{head}/statuses?per_page={PAGE}&page={page}"));
            let (statuses, has_next): (Vec<Said>, _) = self.rest.read("commit statuses", &path).await?;
            for Said { name, status, allow_failure } in statuses {
                tally.add(name, went(&status, allow_failure));
            }
            if !has_next {
                break;
            }
        }
        let pipeline = pull.pipeline.as_ref();
        if let Some(pipeline) =
            pipeline.filter(|pipeline| went(&pipeline.status, false) != Went::Badly || !tally.has_failed())
            && self.ran_for(pipeline, head).await?
        {
            tally.add("pipeline".to_owned(), went(&pipeline.status, false));
        }
        Ok(tally.sum())
    }

    /// Whether a pipeline ran for this commit, or for what its merge would be. Another may be that of an earlier push.
    async fn ran_for(&self, pipeline: &Pipeline, head: &CommitSha) -> Result<bool> {
        if pipeline.sha == head.as_str() {
            return Ok(true);
        }
        let Ok(merged) = CommitSha::new(pipeline.sha.clone()) else { return Ok(false) };
        let answer = self.rest.ask(Question::get(&self.path(&format!("repository/commits/{merged}")))).await?;
        match answer.status {
            200 => {
                let commit: Commit = self.rest.parse("commit", &answer.body)?;
                Ok(commit.parent_ids.iter().any(|parent| parent == head.as_str()))
            }
            404 => Ok(false),
            _ => bail!(self.rest.refused("reading a commit", &answer)),
        }
    }

    /// The newest one in this state of this project's own branch: a fork may have one of the same name. They come in the
    /// order in which they were opened, the newest first.
    async fn newest(&self, branch: &str, into: &str, state: &str) -> Result<Option<Wire>> {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("state", state)
            .append_pair("source_branch", branch)
            .append_pair("target_branch", into)
            .append_pair("per_page", &PAGE.to_string())
            .finish();
        let path = self.path(&format!("merge_requests?{query}"));
        let (found, _): (Vec<Wire>, _) = self.rest.read("merge requests", &path).await?;
        let own = |request: &Wire| request.source_project_id == request.target_project_id;
        Ok(found.into_iter().find(own))
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Answer> {
        self.rest.ask(Question::send(method, path, body)).await
    }

    fn path(&self, rest: &str) -> String {
        format!("/projects/{}/{rest}", self.project)
    }
}

impl Opens for MergeRequests {
    async fn find(&self, branch: &str, into: &str) -> Result<Option<Pull>> {
        Ok(self.newest(branch, into, "opened").await?.map(Pull::from))
    }

    async fn last_head(&self, branch: &str, into: &str) -> Result<Option<CommitSha>> {
        let merged = self.newest(branch, into, "merged").await?;
        let closed = self.newest(branch, into, "closed").await?;
        let last = merged.into_iter().chain(closed).max_by_key(Wire::number);
        Ok(last.and_then(|request| Pull::from(request).head))
    }

    async fn make(&self, draft: &Draft) -> Result<Result<Pull, String>> {
        let new = json!({
            "source_branch": draft.branch, "target_branch": draft.into,
            "title": draft.title, "description": draft.body,
        });
        let made = self.send(Method::POST, &self.path("merge_requests"), new).await?;
        match made.status {
            201 => Ok(Ok(self.rest.parse::<Wire>("merge request", &made.body)?.into())),
            409 => Ok(Err(self.rest.refused("opening a merge request", &made))),
            _ => bail!(self.rest.refused("opening a merge request", &made)),
        }
    }

    async fn tell(&self, number: u64, draft: &Draft) -> Result<Pull> {
        let path = self.path(&format!("merge_requests/{number}"));
        let told = self.send(Method::PUT, &path, json!({ "title": draft.title, "description": draft.body })).await?;
        match told.status {
            200 => Ok(self.rest.parse::<Wire>("merge request", &told.body)?.into()),
            _ => bail!(self.rest.refused("updating a merge request", &told)),
        }
    }
}
