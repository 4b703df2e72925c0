//! Pull requests as GitHub shows them, and its checks and merges (docs.github.com, REST API: "Pulls", "Checks", "Commit
//! statuses").

use actix_web::{HttpResponse, http::Method, http::StatusCode};
use serde_json::{Value, json};

use super::{limits::Gate, routes::problem, tokens::May};
use crate::pulls::{Mergeable, Pull, Repository, Unopened};

/// The repository's number.
const REPOSITORY: u64 = 7;
/// That of the one fork it has.
const FORK: u64 = 8;

/// A repository's pull requests, as GitHub answers for them to who may do this.
pub(super) struct Pulls<'a>(pub(super) &'a mut Repository, pub(super) &'a May);

impl Pulls<'_> {
    /// What a request at or below `repos/<owner>/<name>` is answered; `None` where there is no such thing.
    pub(super) fn answer(&mut self, request: &Request<'_>, gate: &Gate) -> Option<HttpResponse> {
        self.0.see_pushes();
        let rest = request.path.strip_prefix(&format!("repos/{}", self.0.name))?;
        let ok = |value: Value| gate.headed(StatusCode::OK).json(value);
        if rest.is_empty() && request.method == Method::GET {
            return Some(ok(self.alone()));
        }
        let rest = rest.strip_prefix('/')?;
        if let Some(why) = self.1.refuses(request.method, rest) {
            return Some(problem(StatusCode::FORBIDDEN, why));
        }
        let parts: Vec<_> = rest.split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["pulls"]) => Some(ok(self.list(request))),
            ("POST", ["pulls"]) => Some(match self.open(&request.body) {
                Ok(pull) => gate.headed(StatusCode::CREATED).json(pull),
                Err(why) => invalid(&why),
            }),
            ("GET", ["pulls", number]) => self.0.at(number).map(|n| ok(self.shown_alone(n))),
            ("PATCH", ["pulls", number]) => self.0.at(number).map(|n| ok(self.patch(n, &request.body))),
            ("PUT", ["pulls", number, "merge"]) => self.0.at(number).map(|n| self.put_merge(n, &request.body, gate)),
            ("GET", ["commits", sha, "check-runs"]) => Some(ok(self.runs(sha, request))),
            ("GET", ["commits", sha, "status"]) => Some(ok(self.combined(sha))),
            _ => None,
        }
    }

    /// The repository itself. What users may do is said to users alone, and how it is merged to whoever may push.
    fn alone(&self) -> Value {
        let repository = &*self.0;
        let may_push = repository.may_push() && !matches!(self.1, May::Installation(_));
        let mut shown = json!({
            "id": REPOSITORY, "full_name": repository.name, "private": true, "archived": repository.settings.is_archived,
            "permissions": { "admin": false, "maintain": false, "push": may_push, "triage": may_push, "pull": true },
        });
        if may_push {
            for (key, method) in
                [("allow_merge_commit", "merge"), ("allow_squash_merge", "squash"), ("allow_rebase_merge", "rebase")]
            {
                shown[key] = json!(repository.allows(method));
            }
        }
        shown
    }

    fn owner(&self) -> &str {
        self.0.name.split('/').next().unwrap_or_default()
    }

    fn list(&self, request: &Request<'_>) -> Value {
        let is = |key: &str, value: &str| request.query.get(key).is_none_or(|wanted| wanted == value);
        let found = self.0.pulls.iter().filter(|pull| {
            let state = is("state", &pull.state) || request.query.get("state").is_some_and(|state| state == "all");
            // Forks are in the same organisation: those are found by its name too.
            state && is("base", &pull.into) && is("head", &format!("{}:{}", self.owner(), pull.branch))
        });
        // The newest first.
        found.rev().map(|pull| self.shown(pull)).collect()
    }

    fn open(&mut self, body: &Value) -> Result<Value, String> {
        let text = |key: &str| body[key].as_str().ok_or(format!("{key} is missing"));
        let (branch, into, title) = (text("head")?, text("base")?, text("title")?);
        match self.0.open(branch, into, title, text("body").unwrap_or_default()) {
            Ok(n) => Ok(self.shown(&self.0.pulls[n])),
            Err(Unopened::Nothing(why)) => Err(why),
            Err(Unopened::There(_)) => Err(format!("A pull request already exists for {}:{branch}.", self.owner())),
        }
    }

    fn patch(&mut self, n: usize, body: &Value) -> Value {
        let pull = &mut self.0.pulls[n];
        for (key, field) in [("title", &mut pull.title), ("body", &mut pull.body), ("state", &mut pull.state)] {
            if let Some(text) = body[key].as_str() {
                text.clone_into(field);
            }
        }
        self.shown(&self.0.pulls[n])
    }

    fn put_merge(&mut self, n: usize, body: &Value, gate: &Gate) -> HttpResponse {
        let pull = self.0.pulls[n].clone();
        if body["sha"].as_str().is_some_and(|sha| sha != pull.head) {
            return problem(StatusCode::CONFLICT, "Head branch was modified. Review and try the merge again.");
        }
        if self.state(&pull, self.0.mergeable(&pull)) != "clean" || pull.state != "open" {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "Pull Request is not mergeable");
        }
        let method = body["merge_method"].as_str().unwrap_or("merge").to_owned();
        if self.0.rules.only.as_ref().is_some_and(|only| *only != method) {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "Merge commits are not allowed on this repository.");
        }
        match self.0.merge(pull.number, &method) {
            Ok(sha) => gate.headed(StatusCode::OK).json(json!({ "sha": sha, "merged": true, "message": "merged" })),
            Err(why) => problem(StatusCode::METHOD_NOT_ALLOWED, &why),
        }
    }

    fn shown_alone(&mut self, n: usize) -> Value {
        let mergeable = self.0.worked_out(n);
        let pull = &self.0.pulls[n];
        let mut shown = self.shown(pull);
        shown["mergeable_state"] = json!(self.state(pull, mergeable));
        shown
    }

    fn state(&self, pull: &Pull, mergeable: Mergeable) -> &'static str {
        let mut checks = self.0.checks.get(&pull.head).into_iter().flatten();
        match mergeable {
            Mergeable::Unknown => "unknown",
            Mergeable::Conflicts => "dirty",
            Mergeable::Blocked => "blocked",
            Mergeable::Behind => "behind",
            Mergeable::Yes if checks.any(|(_, conclusion)| conclusion.as_deref() != Some("success")) => "unstable",
            Mergeable::Yes => "clean",
        }
    }

    fn shown(&self, pull: &Pull) -> Value {
        json!({
            "number": pull.number, "state": pull.state, "title": pull.title, "body": pull.body, "draft": false,
            "html_url": format!("https://github.example/{}/pull/{}", self.0.name, pull.number),
            "merged_at": pull.merged.as_ref().map(|_| "2026-11-27T05:00:00Z"),
            "merge_commit_sha": pull.merged,
            "head": { "ref": pull.branch, "sha": pull.head, "repo": { "id": if pull.fork { FORK } else { REPOSITORY } } },
            "base": { "ref": pull.into, "sha": self.0.head(&pull.into), "repo": { "id": REPOSITORY } },
        })
    }

    fn runs(&self, sha: &str, request: &Request<'_>) -> Value {
        let all = self.0.checks.get(sha).cloned().unwrap_or_default();
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
        let all = self.0.statuses.get(sha).cloned().unwrap_or_default();
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
