//! Pull requests as Gitea and Forgejo show them (docs.gitea.com, and Gitea's own `routers/api/v1/repo`).

use std::collections::BTreeMap;

use actix_web::{HttpResponse, HttpResponseBuilder, http::StatusCode};
use serde_json::{Value, json};

use super::{Kind, Request};
use crate::pulls::{Mergeable, Pull, Repository, Unopened};

/// The repository's number.
const REPOSITORY: i64 = 3;
/// That of the one fork it has.
const FORK: i64 = 4;

/// What a request is answered; `None` where there is no such thing.
pub(super) fn answer(repository: &mut Repository, request: &Request<'_>) -> Option<HttpResponse> {
    let rest = request.path.strip_prefix(&format!("/repos/{}", repository.name))?;
    if rest.is_empty() && request.method == "GET" {
        return Some(HttpResponse::Ok().json(alone(repository)));
    }
    let rest = rest.strip_prefix('/')?;
    let parts: Vec<_> = rest.split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["pulls"]) => Some(list(repository, request)),
        ("POST", ["pulls"]) => Some(open(repository, &request.body)),
        ("GET", ["pulls", number]) => {
            repository.at(number).map(|n| HttpResponse::Ok().json(shown_alone(repository, n)))
        }
        ("GET", ["pulls", number, "commits"]) => repository.at(number).map(|n| commits(repository, n)),
        ("PATCH", ["pulls", number]) => repository.at(number).map(|n| patch(repository, n, &request.body)),
        ("POST", ["pulls", number, "merge"]) => repository.at(number).and_then(|n| merge(repository, n, &request.body)),
        ("GET", ["commits", sha, "status"]) => Some(combined(repository, sha, request)),
        _ => None,
    }
}

/// The repository itself.
fn alone(repository: &Repository) -> Value {
    let settings = &repository.settings;
    json!({
        "id": REPOSITORY, "full_name": repository.name, "private": true, "archived": settings.is_archived,
        "has_pull_requests": settings.takes_pulls,
        "permissions": { "admin": false, "push": repository.may_push(), "pull": true },
        "allow_merge_commits": repository.allows("merge"), "allow_squash_merge": repository.allows("squash"),
        "allow_rebase": repository.allows("rebase"), "allow_rebase_explicit": repository.allows("rebase-merge"),
    })
}

/// Where a page begins and how long it is. Pages are small, so that whoever reads only the first is found out.
fn page(request: &Request<'_>) -> (usize, usize) {
    let number = |key: &str, other: usize| request.query.get(key).and_then(|n| n.parse().ok()).unwrap_or(other);
    let size = number("limit", 30).min(2);
    ((number("page", 1).max(1) - 1) * size, size)
}

fn list(repository: &Repository, request: &Request<'_>) -> HttpResponse {
    let is = |key: &str, value: &str| request.query.get(key).is_none_or(|wanted| wanted == value);
    // By the branch it goes to, and by no other; the newest first.
    let found = repository.pulls.iter().filter(|pull| is("state", &pull.state) && is("base_branch", &pull.into));
    let found: Vec<_> = found.rev().map(|pull| shown(repository, pull)).collect();
    let (from, size) = page(request);
    let mut answer: HttpResponseBuilder = HttpResponse::Ok();
    if from + size < found.len() {
        answer.insert_header(("Link", "<https://gitea.example/api/v1/repos/pulls?page=2>; rel=\"next\""));
    }
    answer.json(found.into_iter().skip(from).take(size).collect::<Vec<_>>())
}

fn open(repository: &mut Repository, body: &Value) -> HttpResponse {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    match repository.open(text("head"), text("base"), text("title"), text("body")) {
        Ok(n) => HttpResponse::Created().json(shown(repository, &repository.pulls[n])),
        Err(Unopened::There(number)) => {
            let why = format!("pull request already exists for these targets [id: {number}, issue_id: {number}]");
            Kind::Gitea.says(StatusCode::CONFLICT, why)
        }
        Err(Unopened::Nothing(why)) => Kind::Gitea.says(StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}

fn patch(repository: &mut Repository, n: usize, body: &Value) -> HttpResponse {
    let pull = &mut repository.pulls[n];
    for (key, field) in [("title", &mut pull.title), ("body", &mut pull.body), ("state", &mut pull.state)] {
        if let Some(text) = body[key].as_str() {
            text.clone_into(field);
        }
    }
    HttpResponse::Created().json(shown_alone(repository, n))
}

fn merge(repository: &mut Repository, n: usize, body: &Value) -> Option<HttpResponse> {
    let pull = repository.pulls[n].clone();
    let not = |why: &str| Some(Kind::Gitea.says(StatusCode::METHOD_NOT_ALLOWED, why));
    if pull.merged.is_some() {
        return not("");
    }
    if pull.state != "open" {
        return None;
    }
    if repository.rules.not_you {
        return not("User not allowed to merge PR");
    }
    match repository.mergeable(&pull) {
        Mergeable::Blocked => return not("Does not have enough approvals"),
        Mergeable::Behind => return not("The head branch is behind the base branch"),
        Mergeable::Conflicts | Mergeable::Unknown => return not("Please try again later"),
        Mergeable::Yes => {}
    }
    let how = body["Do"].as_str().unwrap_or("merge").to_owned();
    if repository.rules.only.as_ref().is_some_and(|only| *only != how) {
        return not(&format!("{how} is not allowed an allowed merge style for this repository"));
    }
    if body["head_commit_id"].as_str().is_some_and(|sha| sha != pull.head) {
        return Some(Kind::Gitea.says(StatusCode::CONFLICT, "head out of date"));
    }
    Some(match repository.merge(pull.number, &how) {
        Ok(_) => HttpResponse::Ok().finish(),
        Err(why) => Kind::Gitea.says(StatusCode::CONFLICT, why),
    })
}

fn shown(repository: &Repository, pull: &Pull) -> Value {
    let head = if pull.fork { FORK } else { REPOSITORY };
    // That of its branch as long as it is there, over or not.
    let sha = repository.head(&pull.branch).filter(|_| !pull.fork).unwrap_or_else(|| pull.head.clone());
    json!({
        "id": 1000 + pull.number, "number": pull.number, "state": pull.state, "title": pull.title, "body": pull.body,
        "html_url": format!("https://gitea.example/{}/pulls/{}", repository.name, pull.number),
        "merged": pull.merged.is_some(), "mergeable": false, "merge_commit_sha": pull.merged,
        "head": { "label": pull.branch, "ref": pull.branch, "sha": sha, "repo_id": head },
        "base": { "label": pull.into, "ref": pull.into, "sha": repository.head(&pull.into), "repo_id": REPOSITORY },
    })
}

/// Those that it had, or has; only the first matters to whoever asks for one.
fn commits(repository: &Repository, n: usize) -> HttpResponse {
    HttpResponse::Ok().json(json!([{ "sha": repository.pulls[n].head }]))
}

/// Rules are nothing to `mergeable`; they are looked at when it is merged.
fn shown_alone(repository: &mut Repository, n: usize) -> Value {
    let mergeable = repository.worked_out(n);
    let mut shown = shown(repository, &repository.pulls[n]);
    shown["mergeable"] = json!(!matches!(mergeable, Mergeable::Unknown | Mergeable::Conflicts));
    shown
}

/// The latest of each context. Of none there is no body at all, and no header tells of more pages.
fn combined(repository: &Repository, sha: &str, request: &Request<'_>) -> HttpResponse {
    let checks = repository.checks.get(sha).into_iter().flatten();
    let checks = checks.map(|(name, conclusion)| (name.as_str(), conclusion.as_deref().unwrap_or("pending")));
    let statuses = repository.statuses.get(sha).into_iter().flatten();
    let all: BTreeMap<_, _> = checks.chain(statuses.map(|(name, state)| (name.as_str(), state.as_str()))).collect();
    let (from, size) = page(request);
    let shown = |(context, status): (&str, &str)| json!({ "id": 1, "context": context, "status": status });
    let shown: Vec<_> = all.into_iter().skip(from).take(size).map(shown).collect();
    if shown.is_empty() {
        return HttpResponse::Ok().finish();
    }
    HttpResponse::Ok().json(json!({ "state": "", "sha": sha, "total_count": shown.len(), "statuses": shown }))
}
