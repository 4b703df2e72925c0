//! Merge requests as GitLab shows them, with their pipelines (docs.gitlab.com: "Merge requests API", "Commits API").

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::{Value, json};

use super::{Kind, Request};
use crate::pulls::{Mergeable, Pull, Repository, Role, Unopened};

/// The project's number.
const PROJECT: u64 = 7;
/// That of whoever asks.
const USER: u64 = 11;
/// That of the one fork it has.
const FORK: u64 = 8;

/// What a request is answered; `None` where there is no such thing.
pub(super) fn answer(repository: &mut Repository, request: &Request<'_>) -> Option<HttpResponse> {
    // The path of a project with its groups is its id, encoded so that it is one part of the URL.
    let id = repository.name.replace('/', "%2F");
    let own = match (request.method.as_str(), request.path) {
        ("GET", "/user") => Some(json!({ "id": USER, "username": "project_7_bot", "bot": true })),
        ("GET", "/personal_access_tokens/self") => {
            let scopes: &[_] = if request.may_write { &["api"] } else { &["read_api"] };
            Some(json!({ "id": 5, "name": "windlass", "active": true, "scopes": scopes }))
        }
        ("GET", path) if path == format!("/projects/{id}") => Some(project(repository)),
        _ => None,
    };
    if let Some(own) = own {
        return Some(HttpResponse::Ok().json(own));
    }
    let rest = request.path.strip_prefix(&format!("/projects/{id}/"))?;
    let parts: Vec<_> = rest.split('/').collect();
    let ok = |value: Value| HttpResponse::Ok().json(value);
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["merge_requests"]) => Some(ok(list(repository, request))),
        ("POST", ["merge_requests"]) => Some(open(repository, &request.body)),
        ("GET", ["merge_requests", iid]) => repository.at(iid).map(|n| ok(shown_alone(repository, n))),
        ("PUT", ["merge_requests", iid]) => repository.at(iid).map(|n| ok(put(repository, n, &request.body))),
        ("PUT", ["merge_requests", iid, "merge"]) => repository.at(iid).map(|n| merge(repository, n, &request.body)),
        ("GET", ["members", "all", user]) if *user == USER.to_string() => {
            level(repository).map(|level| ok(json!({ "id": USER, "access_level": level })))
        }
        ("GET", ["repository", "branches", name]) => repository.head(name).map(|head| {
            let may = !repository.rules.not_you;
            ok(json!({ "name": name, "commit": { "id": head }, "protected": true, "developers_can_merge": may }))
        }),
        ("GET", ["repository", "commits", sha, "statuses"]) => Some(statuses(repository, sha, request)),
        ("GET", ["repository", "commits", sha]) => {
            let parents = repository.git(&["show", "-s", "--format=%P", sha]).ok()?;
            Some(ok(json!({ "id": sha, "parent_ids": parents.split_whitespace().collect::<Vec<_>>() })))
        }
        _ => None,
    }
}

/// The role of whoever asks, as its number.
fn level(repository: &Repository) -> Option<u32> {
    match repository.settings.role {
        Role::None => None,
        Role::Reads => Some(20),
        Role::Writes => Some(30),
        Role::Maintains => Some(40),
    }
}

fn project(repository: &Repository) -> Value {
    let settings = &repository.settings;
    let access = level(repository).filter(|_| !settings.is_invited);
    let access = access.map(|level| json!({ "access_level": level, "notification_level": 3 }));
    json!({
        "id": PROJECT, "path_with_namespace": repository.name, "visibility": "private", "archived": settings.is_archived,
        "merge_requests_enabled": settings.takes_pulls, "merge_method": "merge",
        "squash_option": if repository.allows("squash") { "default_off" } else { "never" },
        "permissions": { "project_access": access, "group_access": null },
    })
}

fn list(repository: &Repository, request: &Request<'_>) -> Value {
    let is = |key: &str, value: &str| request.query.get(key).is_none_or(|wanted| wanted == value);
    let found = repository.pulls.iter().filter(|pull| {
        is("state", state(pull)) && is("target_branch", &pull.into) && is("source_branch", &pull.branch)
    });
    // The newest first.
    found.rev().map(|pull| shown(repository, pull)).collect()
}

fn open(repository: &mut Repository, body: &Value) -> HttpResponse {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let (branch, into, title) = (text("source_branch"), text("target_branch"), text("title"));
    if title.chars().count() > 255 {
        let why = json!({ "title": ["is too long (maximum is 255 characters)"] });
        return Kind::Gitlab.says(StatusCode::BAD_REQUEST, why);
    }
    match repository.open(branch, into, title, text("description")) {
        Ok(n) => HttpResponse::Created().json(shown(repository, &repository.pulls[n])),
        Err(Unopened::There(iid)) => {
            let why = format!("Another open merge request already exists for this source branch: !{iid}");
            Kind::Gitlab.says(StatusCode::CONFLICT, json!([why]))
        }
        Err(Unopened::Nothing(why)) => Kind::Gitlab.says(StatusCode::BAD_REQUEST, json!({ "base": [why] })),
    }
}

fn put(repository: &mut Repository, n: usize, body: &Value) -> Value {
    let pull = &mut repository.pulls[n];
    for (key, field) in [("title", &mut pull.title), ("description", &mut pull.body)] {
        if let Some(text) = body[key].as_str() {
            text.clone_into(field);
        }
    }
    if body["state_event"] == "close" {
        "closed".clone_into(&mut pull.state);
    }
    shown_alone(repository, n)
}

fn merge(repository: &mut Repository, n: usize, body: &Value) -> HttpResponse {
    let pull = repository.pulls[n].clone();
    if repository.rules.not_you {
        return Kind::Gitlab.says(StatusCode::UNAUTHORIZED, "401 Unauthorized");
    }
    if pull.state != "open" || matches!(repository.mergeable(&pull), Mergeable::Blocked | Mergeable::Behind) {
        return Kind::Gitlab.says(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed");
    }
    if repository.mergeable(&pull) != Mergeable::Yes {
        return Kind::Gitlab.says(StatusCode::UNPROCESSABLE_ENTITY, "Branch cannot be merged");
    }
    if body["sha"].as_str().is_some_and(|sha| sha != pull.head) {
        let why = format!("SHA does not match HEAD of source branch: {}", pull.head);
        return Kind::Gitlab.says(StatusCode::CONFLICT, why);
    }
    let method = if body["squash"] == true { "squash" } else { "merge" };
    match repository.merge(pull.number, method) {
        Ok(_) => HttpResponse::Ok().json(shown_alone(repository, n)),
        Err(why) => Kind::Gitlab.says(StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}

fn state(pull: &Pull) -> &'static str {
    match (&pull.merged, pull.state.as_str()) {
        (Some(_), _) => "merged",
        (None, "open") => "opened",
        (None, _) => "closed",
    }
}

fn shown(repository: &Repository, pull: &Pull) -> Value {
    json!({
        "id": 1000 + pull.number, "iid": pull.number, "project_id": PROJECT,
        "source_project_id": if pull.fork { FORK } else { PROJECT }, "target_project_id": PROJECT,
        "web_url": format!("https://gitlab.example/{}/-/merge_requests/{}", repository.name, pull.number),
        "state": state(pull), "title": pull.title, "description": pull.body, "draft": false,
        "source_branch": pull.branch, "target_branch": pull.into, "sha": pull.head,
        "merge_commit_sha": pull.merged, "detailed_merge_status": "unchecked", "merge_status": "unchecked",
    })
}

fn shown_alone(repository: &mut Repository, n: usize) -> Value {
    let mergeable = repository.worked_out(n);
    let pull = &repository.pulls[n];
    let mut shown = shown(repository, pull);
    // Of several reasons it tells one, and that of people before that of history.
    shown["detailed_merge_status"] = json!(match mergeable {
        _ if pull.state != "open" => "not_open",
        Mergeable::Unknown => "checking",
        Mergeable::Conflicts => "conflict",
        Mergeable::Blocked => "not_approved",
        Mergeable::Behind => "need_rebase",
        Mergeable::Yes => "mergeable",
    });
    let own = repository.checks.get(&pull.head).map(|jobs| (pull.head.clone(), whole(jobs).to_owned()));
    let pipeline = repository.pipeline.clone().or(own);
    shown["head_pipeline"] = json!(pipeline.map(|(sha, status)| json!({ "id": 9, "sha": sha, "status": status })));
    shown
}

/// How a pipeline of these jobs went.
fn whole(jobs: &[(String, Option<String>)]) -> &'static str {
    let has = |wanted: Option<&str>| jobs.iter().any(|(_, conclusion)| conclusion.as_deref() == wanted);
    match () {
        () if has(Some("failure")) => "failed",
        () if has(None) => "running",
        () => "success",
    }
}

fn statuses(repository: &Repository, sha: &str, request: &Request<'_>) -> HttpResponse {
    let jobs = repository.checks.get(sha).into_iter().flatten().map(|(name, conclusion)| {
        let status = match conclusion.as_deref() {
            None => "running",
            Some("success") => "success",
            Some("failure") => "failed",
            Some(other) => other,
        };
        (name, status)
    });
    let others = repository.statuses.get(sha).into_iter().flatten().map(|(context, state)| {
        (context, if matches!(state.as_str(), "failure" | "error") { "failed" } else { state.as_str() })
    });
    let all: Vec<_> = jobs.chain(others).collect();
    let number = |key: &str, other: usize| request.query.get(key).and_then(|n| n.parse().ok()).unwrap_or(other);
    // Small pages, so that whoever reads only the first is found out.
    let (size, page) = (number("per_page", 20).min(2), number("page", 1));
    let shown = |(name, status): &(&String, &str)| json!({ "name": name, "status": status, "allow_failure": false });
    let shown: Vec<_> = all.iter().skip((page - 1) * size).take(size).map(shown).collect();
    let next = if page * size < all.len() { (page + 1).to_string() } else { String::new() };
    HttpResponse::Ok().insert_header(("X-Next-Page", next)).json(shown)
}
