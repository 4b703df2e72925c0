//! Pull requests of a real bare repository, with the checks and the merges of GitHub (docs.github.com, REST API: "Pulls",
//! "Checks", "Commit statuses").

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use actix_web::{HttpResponse, http::Method, http::StatusCode};
use serde_json::{Value, json};

use super::{limits::Gate, routes::problem};

/// A repository that takes pull requests.
#[derive(Debug)]
pub(super) struct Repository {
    /// `owner/name`.
    name: String,
    path: PathBuf,
    pulls: Vec<Pull>,
    checks: BTreeMap<String, Vec<(String, Option<String>)>>,
    statuses: BTreeMap<String, Vec<(String, String)>>,
    /// Whether the branch's rules want more than checks.
    pub(super) blocked: bool,
    /// Whether the branch's rules want a branch to begin at its head.
    pub(super) strict: bool,
    /// The one way to merge that the repository's settings leave.
    pub(super) only: Option<String>,
}

/// A pull request, as it is there.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Its number.
    pub number: u64,
    /// Its branch.
    pub branch: String,
    /// The branch it goes to.
    pub into: String,
    /// What it says in a line.
    pub title: String,
    /// What it says.
    pub body: String,
    /// `open` or `closed`.
    pub state: String,
    /// The commit at its head.
    pub head: String,
    /// The commit it was merged as.
    pub merged: Option<String>,
    /// The commit whose mergeability GitHub has worked out; it does so when it is asked, and answers `unknown` meanwhile.
    known: Option<(String, String)>,
}

impl Repository {
    pub(super) fn new(name: &str, path: PathBuf) -> Self {
        let (pulls, checks, statuses) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { name: name.to_owned(), path, pulls, checks, statuses, blocked: false, strict: false, only: None }
    }

    /// All of them, oldest first.
    pub(super) fn all(&mut self) -> Vec<Pull> {
        self.see_pushes();
        self.pulls.clone()
    }

    pub(super) fn close(&mut self, number: u64) {
        self.pulls
            .iter_mut()
            .filter(|pull| pull.number == number)
            .for_each(|pull| "closed".clone_into(&mut pull.state));
    }

    pub(super) fn check(&mut self, commit: &str, name: &str, conclusion: Option<&str>) {
        let checks = self.checks.entry(commit.to_owned()).or_default();
        checks.retain(|(other, _)| other != name);
        checks.push((name.to_owned(), conclusion.map(ToOwned::to_owned)));
    }

    pub(super) fn status(&mut self, commit: &str, context: &str, state: &str) {
        let statuses = self.statuses.entry(commit.to_owned()).or_default();
        statuses.retain(|(other, _)| other != context);
        statuses.push((context.to_owned(), state.to_owned()));
    }

    /// What a request below `repos/<owner>/<name>/` is answered; `None` where there is no such thing.
    pub(super) fn answer(&mut self, request: &Request<'_>, gate: &Gate) -> Option<HttpResponse> {
        self.see_pushes();
        let rest = request.path.strip_prefix(&format!("repos/{}/", self.name))?;
        let parts: Vec<_> = rest.split('/').collect();
        let ok = |value: Value| gate.headed(StatusCode::OK).json(value);
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["pulls"]) => Some(ok(self.list(request))),
            ("POST", ["pulls"]) => Some(match self.open(&request.body) {
                Ok(pull) => gate.headed(StatusCode::CREATED).json(pull),
                Err(why) => invalid(&why),
            }),
            ("GET", ["pulls", number]) => self.at(number).map(|n| ok(self.shown_alone(n))),
            ("PATCH", ["pulls", number]) => self.at(number).map(|n| ok(self.patch(n, &request.body))),
            ("PUT", ["pulls", number, "merge"]) => self.at(number).map(|n| self.put_merge(n, &request.body, gate)),
            ("GET", ["commits", sha, "check-runs"]) => Some(ok(self.runs(sha, request))),
            ("GET", ["commits", sha, "status"]) => Some(ok(self.combined(sha))),
            _ => None,
        }
    }

    fn at(&self, number: &str) -> Option<usize> {
        let number: u64 = number.parse().ok()?;
        self.pulls.iter().position(|pull| pull.number == number)
    }

    /// As GitHub does after a push: heads follow their branches, and what the target has got is merged.
    fn see_pushes(&mut self) {
        for n in 0..self.pulls.len() {
            let pull = self.pulls[n].clone();
            if pull.state != "open" {
                continue;
            }
            if let Some(head) = self.head(&pull.branch) {
                self.pulls[n].head = head;
            } else {
                "closed".clone_into(&mut self.pulls[n].state);
            }
            let (head, into) = (self.pulls[n].head.clone(), format!("refs/heads/{}", pull.into));
            if self.git(&["merge-base", "--is-ancestor", &head, &into]).is_ok() {
                self.pulls[n].merged = self.head(&pull.into);
                "closed".clone_into(&mut self.pulls[n].state);
            }
        }
    }

    fn list(&self, request: &Request<'_>) -> Value {
        let is = |key: &str, value: &str| request.query.get(key).is_none_or(|wanted| wanted == value);
        let owner = self.name.split('/').next().unwrap_or_default();
        let found = self.pulls.iter().filter(|pull| {
            let state = is("state", &pull.state) || request.query.get("state").is_some_and(|state| state == "all");
            state && is("base", &pull.into) && is("head", &format!("{owner}:{}", pull.branch))
        });
        found.map(|pull| self.shown(pull)).collect()
    }

    fn open(&mut self, body: &Value) -> Result<Value, String> {
        let text = |key: &str| body[key].as_str().map(ToOwned::to_owned).ok_or(format!("{key} is missing"));
        let (branch, into, title) = (text("head")?, text("base")?, text("title")?);
        let body = text("body").unwrap_or_default();
        let (Some(head), Some(_)) = (self.head(&branch), self.head(&into)) else {
            return Err("head or base does not exist".to_owned());
        };
        if self.git(&["merge-base", "--is-ancestor", &head, &format!("refs/heads/{into}")]).is_ok() {
            return Err(format!("No commits between {into} and {branch}"));
        }
        if self.pulls.iter().any(|pull| pull.state == "open" && pull.branch == branch && pull.into == into) {
            let owner = self.name.split('/').next().unwrap_or_default();
            return Err(format!("A pull request already exists for {owner}:{branch}."));
        }
        let number = 41 + self.pulls.len() as u64;
        let state = "open".to_owned();
        self.pulls.push(Pull { number, branch, into, title, body, state, head, merged: None, known: None });
        Ok(self.shown(&self.pulls[self.pulls.len() - 1]))
    }

    fn patch(&mut self, n: usize, body: &Value) -> Value {
        let pull = &mut self.pulls[n];
        for (key, field) in [("title", &mut pull.title), ("body", &mut pull.body), ("state", &mut pull.state)] {
            if let Some(text) = body[key].as_str() {
                text.clone_into(field);
            }
        }
        self.shown(&self.pulls[n])
    }

    fn put_merge(&mut self, n: usize, body: &Value, gate: &Gate) -> HttpResponse {
        let pull = self.pulls[n].clone();
        if body["sha"].as_str().is_some_and(|sha| sha != pull.head) {
            return problem(StatusCode::CONFLICT, "Head branch was modified. Review and try the merge again.");
        }
        if self.mergeable(&pull) != "clean" || pull.state != "open" {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "Pull Request is not mergeable");
        }
        let method = body["merge_method"].as_str().unwrap_or("merge").to_owned();
        if self.only.as_ref().is_some_and(|only| *only != method) {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "Merge commits are not allowed on this repository.");
        }
        match self.merge(pull.number, &method) {
            Ok(sha) => gate.headed(StatusCode::OK).json(json!({ "sha": sha, "merged": true, "message": "merged" })),
            Err(why) => problem(StatusCode::METHOD_NOT_ALLOWED, &why),
        }
    }

    /// Merges it, as its button would; the commit it is merged as.
    pub(super) fn merge(&mut self, number: u64, method: &str) -> Result<String, String> {
        self.see_pushes();
        let n = self.at(&number.to_string()).ok_or("no such pull request")?;
        let pull = self.pulls[n].clone();
        let target = self.head(&pull.into).ok_or("no such branch")?;
        let tree = self.git(&["merge-tree", "--write-tree", &target, &pull.head])?;
        let sha = match method {
            "squash" => {
                let body = self.git(&["show", "-s", "--format=%b", &pull.head])?;
                let message = format!("{} (#{number})\n\n{body}", pull.title);
                self.git(&["commit-tree", &tree, "-p", &target, "-m", &message])?
            }
            "rebase" => {
                let message = self.git(&["show", "-s", "--format=%B", &pull.head])?;
                self.git(&["commit-tree", &tree, "-p", &target, "-m", &message])?
            }
            _ => {
                let message = format!("Merge pull request #{number} from {}\n\n{}", pull.branch, pull.title);
                self.git(&["commit-tree", &tree, "-p", &target, "-p", &pull.head, "-m", &message])?
            }
        };
        self.git(&["update-ref", &format!("refs/heads/{}", pull.into), &sha, &target])?;
        (self.pulls[n].state, self.pulls[n].merged) = ("closed".to_owned(), Some(sha.clone()));
        Ok(sha)
    }

    fn shown_alone(&mut self, n: usize) -> Value {
        let pull = self.pulls[n].clone();
        let mut shown = self.shown(&pull);
        let at = (pull.head.clone(), self.head(&pull.into).unwrap_or_default());
        let mergeable = if self.pulls[n].known.as_ref() == Some(&at) { self.mergeable(&pull) } else { "unknown" };
        shown["mergeable_state"] = json!(mergeable);
        self.pulls[n].known = Some(at);
        shown
    }

    fn mergeable(&self, pull: &Pull) -> &'static str {
        let into = format!("refs/heads/{}", pull.into);
        let checks = self.checks.get(&pull.head).into_iter().flatten();
        match () {
            () if self.git(&["merge-tree", "--write-tree", &into, &pull.head]).is_err() => "dirty",
            () if self.blocked => "blocked",
            () if self.strict && self.git(&["merge-base", "--is-ancestor", &into, &pull.head]).is_err() => "behind",
            () if checks.into_iter().any(|(_, conclusion)| conclusion.as_deref() != Some("success")) => "unstable",
            () => "clean",
        }
    }

    fn shown(&self, pull: &Pull) -> Value {
        json!({
            "number": pull.number, "state": pull.state, "title": pull.title, "body": pull.body, "draft": false,
            "html_url": format!("https://github.example/{}/pull/{}", self.name, pull.number),
            "merged_at": pull.merged.as_ref().map(|_| "2026-11-27T05:00:00Z"),
            "merge_commit_sha": pull.merged,
            "head": { "ref": pull.branch, "sha": pull.head }, "base": { "ref": pull.into },
        })
    }

    fn runs(&self, sha: &str, request: &Request<'_>) -> Value {
        let all = self.checks.get(sha).cloned().unwrap_or_default();
        let number = |key: &str, other: usize| request.query.get(key).and_then(|n| n.parse().ok()).unwrap_or(other);
        // Small pages, so that whoever reads only the first is found out.
        let (size, page) = (number("per_page", 30).min(2), number("page", 1));
        let shown = |(name, conclusion): &(String, Option<String>)| {
            let status = if conclusion.is_some() { "completed" } else { "in_progress" };
            json!({ "name": name, "status": status, "conclusion": conclusion, "head_sha": sha })
        };
        let runs: Vec<_> = all.iter().skip((page - 1) * size).take(size).map(shown).collect();
        json!({ "total_count": all.len(), "check_runs": runs })
    }

    fn combined(&self, sha: &str) -> Value {
        let all = self.statuses.get(sha).cloned().unwrap_or_default();
        let has = |wanted: &[&str]| all.iter().any(|(_, state)| wanted.contains(&state.as_str()));
        let state = match () {
            () if has(&["failure", "error"]) => "failure",
            () if all.is_empty() || has(&["pending"]) => "pending",
            () => "success",
        };
        let statuses: Vec<_> =
            all.iter().map(|(context, state)| json!({ "context": context, "state": state })).collect();
        json!({ "state": state, "sha": sha, "total_count": all.len(), "statuses": statuses })
    }

    fn head(&self, branch: &str) -> Option<String> {
        self.git(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).ok()
    }

    fn git(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("git");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "GitHub").env(format!("GIT_{who}_EMAIL"), "noreply@github.example");
        }
        let output = command.current_dir(&self.path).args(arguments).output().map_err(|why| why.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() { Ok(text) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }
}

/// What is asked.
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    /// Below the API's.
    pub(super) path: &'a str,
    pub(super) query: std::collections::HashMap<String, String>,
    pub(super) body: Value,
}

fn invalid(why: &str) -> HttpResponse {
    HttpResponse::UnprocessableEntity().json(json!({
        "message": "Validation Failed",
        "errors": [{ "resource": "PullRequest", "code": "custom", "message": why }],
        "documentation_url": "https://docs.github.com/rest/pulls/pulls#create-a-pull-request",
    }))
}
