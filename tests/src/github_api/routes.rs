//! Which request is which, and its answer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header::HeaderName},
    web,
};
use proto::Timestamp;
use serde_json::{Value, json};

use super::{
    Hook, Shared, State, Unsent,
    limits::Entry,
    pulls::{Pulls, Request},
    tokens::May,
};

/// Who asks.
enum Asker {
    App,
    Token(May),
}

pub(super) async fn answer(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    let is_post = request.method() == Method::POST;
    let is_redelivery = is_post && request.path().ends_with("/attempts");
    if is_redelivery {
        hang(&shared).await;
    }
    let Some(asker) = asker(&shared.state(), &request) else {
        return counted(&shared, problem(StatusCode::UNAUTHORIZED, "Bad credentials"));
    };
    let entry = shared.state().gate.enter(is_redelivery);
    let mut answer = match entry {
        Entry::Refused(answer) => answer,
        Entry::In => route(&request, &body, &asker, &shared),
        Entry::Lost => {
            drop(route(&request, &body, &asker, &shared));
            HttpResponse::BadGateway().body("Server Error")
        }
    };
    if let Asker::Token(may) = &asker
        && let Some(scopes) = may.scopes().and_then(|scopes| scopes.parse().ok())
    {
        answer.headers_mut().insert(HeaderName::from_static("x-oauth-scopes"), scopes);
    }
    counted(&shared, answer)
}

fn counted(shared: &Shared, answer: HttpResponse) -> HttpResponse {
    *shared.state().gate.requests.answered.entry(answer.status().as_u16()).or_default() += 1;
    answer
}

/// Waits, where it is time to hang.
async fn hang(shared: &Shared) {
    if let Some(left) = &mut shared.state().gate.hang_after {
        match left.checked_sub(1) {
            Some(fewer) => *left = fewer,
            None => _ = shared.gate.send_replace(false),
        }
    }
    let _ = shared.gate.subscribe().wait_for(|open| *open).await;
}

fn asker(state: &State, request: &HttpRequest) -> Option<Asker> {
    let token = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    if let Some(may) = state.tokens.get(token) {
        return Some(Asker::Token(may.clone()));
    }
    state.app.as_ref()?.signed(token).ok().map(|()| Asker::App)
}

pub(super) fn problem(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }))
}

fn route(request: &HttpRequest, body: &[u8], asker: &Asker, shared: &web::Data<Shared>) -> HttpResponse {
    let is_post = request.method() == Method::POST;
    let not_found = || problem(StatusCode::NOT_FOUND, "Not Found");
    let path = request.path();
    let Some(path) = path.strip_prefix("/api/v3/") else { return not_found() };
    let (of_app, is_app) = (path.starts_with("app/") || path.ends_with("/installation"), matches!(asker, Asker::App));
    if of_app != is_app {
        return problem(StatusCode::FORBIDDEN, "Resource not accessible by integration");
    }
    if let Asker::Token(may) = asker
        && let Some(answer) = of_repository(request, path, body, may, &mut shared.state())
    {
        return answer;
    }
    let parts: Vec<_> = path.split('/').collect();
    match (is_post, parts.as_slice()) {
        (false, [owner @ .., "hooks"]) => hooks(&shared.state(), &owner.join("/")),
        (false, [owner @ .., "installation"]) => {
            installation(&shared.state(), &owner.join("/")).unwrap_or_else(not_found)
        }
        (true, ["app", "installations", id, "access_tokens"]) => {
            access(&mut shared.state(), id).unwrap_or_else(not_found)
        }
        (false, [hook @ .., "deliveries"]) => deliveries(request, shared, &hook.join("/")).unwrap_or_else(not_found),
        (true, [hook @ .., "deliveries", id, "attempts"]) => {
            redeliver(shared, &hook.join("/"), id).unwrap_or_else(not_found)
        }
        _ => not_found(),
    }
}

/// What concerns pull requests.
fn of_repository(request: &HttpRequest, path: &str, body: &[u8], may: &May, state: &mut State) -> Option<HttpResponse> {
    let query = web::Query::<HashMap<String, String>>::from_query(request.query_string()).ok()?.into_inner();
    let body = serde_json::from_slice(body).unwrap_or_default();
    let request = Request { method: request.method(), path, query, body };
    Pulls(state.repository.as_mut()?, may).answer(&request, &state.gate)
}

fn hooks(state: &State, owner: &str) -> HttpResponse {
    let shown = |hook: &Hook| {
        json!({
            "type": "Repository", "id": hook.id, "name": "web", "active": true, "events": ["push", "package"],
            "config": { "content_type": "json", "insecure_ssl": "0", "url": hook.url, "secret": "********" },
            "last_response": { "code": null, "status": "unused", "message": null },
        })
    };
    let found: Vec<Value> = state.hooks.iter().filter(|hook| hook.owner == owner).map(shown).collect();
    state.gate.headed(StatusCode::OK).json(found)
}

fn installation(state: &State, owner: &str) -> Option<HttpResponse> {
    let id = state.app.as_ref()?.installed.iter().position(|installed| installed == owner)?;
    Some(state.gate.headed(StatusCode::OK).json(json!({ "id": id, "app_slug": "windlass", "suspended_at": null })))
}

fn access(state: &mut State, id: &str) -> Option<HttpResponse> {
    let id: usize = id.parse().ok()?;
    let app = state.app.as_ref()?;
    app.installed.get(id)?;
    let permissions = app.permissions.clone();
    let token = state.make("ghs", May::Installation(permissions.clone()));
    state.gate.requests.tokens += 1;
    let expires_at = format!("{:.0}", Timestamp::now() + state.token_life.unwrap_or(Duration::from_hours(1)));
    let made = json!({
        "token": token, "expires_at": expires_at, "permissions": permissions, "repository_selection": "selected",
    });
    Some(state.gate.headed(StatusCode::CREATED).json(made))
}

/// The hook of `repos/<owner>/<name>/hooks/<id>`, `orgs/<organisation>/hooks/<id>` or `app/hook`.
fn hook_at(state: &State, path: &str) -> Option<Hook> {
    let is_it = |hook: &&Hook| match hook.owner.as_str() {
        "app" => path == "app/hook",
        owner => path == format!("{owner}/hooks/{}", hook.id),
    };
    state.hooks.iter().find(is_it).cloned()
}

fn deliveries(request: &HttpRequest, shared: &Shared, path: &str) -> Option<HttpResponse> {
    let state = shared.state();
    let hook = hook_at(&state, path)?;
    let query = web::Query::<HashMap<String, String>>::from_query(request.query_string()).ok()?;
    let size = query.get("per_page").map_or(Some(30), |size| size.parse().ok())?.clamp(1, 100);
    let from = query.get("cursor").map_or(Some(u64::MAX), |cursor| cursor.strip_prefix("v1_")?.parse().ok())?;
    let (page, next) = state.attempts.page(hook.id, from, size);
    let mut answer = state.gate.headed(StatusCode::OK);
    if let Some(next) = next {
        let url = format!("https://github.example/api/v3/{path}/deliveries?per_page={size}");
        answer.insert_header(("Link", format!("<{url}&cursor=v1_{next}>; rel=\"next\"")));
    }
    Some(answer.json(page))
}

fn redeliver(shared: &web::Data<Shared>, path: &str, id: &str) -> Option<HttpResponse> {
    let (hook, sent, unsent, answer) = {
        let mut state = shared.state();
        let hook = hook_at(&state, path)?;
        let attempt = state.attempts.get(id.parse().ok()?).filter(|attempt| attempt.hook == hook.id)?;
        let sent = attempt.sent.clone();
        let unsent = state.unsent.get(&sent.guid).copied();
        match unsent {
            Some(Unsent::Gone) => return None,
            Some(Unsent::Fails) => return Some(HttpResponse::InternalServerError().body("Server Error")),
            Some(Unsent::Forgotten) | None => {}
        }
        state.gate.requests.redeliveries += 1;
        (hook, sent, unsent, state.gate.headed(StatusCode::ACCEPTED).json(json!({})))
    };
    let shared = Arc::clone(shared);
    if unsent.is_none() {
        actix_web::rt::spawn(async move { shared.send(&hook, &sent, true).await });
    }
    Some(answer)
}
