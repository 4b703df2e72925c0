//! The API server: get, list, watch, merge-patch, replace; its errors are `Status` objects.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::objects::{Cluster, Key, Refused};
use super::watch;

const GROUP: &str = "/apis/argoproj.io/v1alpha1";

/// The query of a list or a watch.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Query {
    pub(super) watch: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) allow_watch_bookmarks: Option<String>,
    pub(super) field_selector: Option<String>,
}

impl Query {
    /// Whether an object with this name is selected.
    pub(super) fn selects(&self, name: &str) -> bool {
        let selector = self.field_selector.as_deref().unwrap_or_default();
        selector
            .split(',')
            .filter_map(|term| term.strip_prefix("metadata.name="))
            .all(|of| of.trim_start_matches('=') == name)
    }
}

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/version", web::get().to(version));
    app.route(&format!("{GROUP}/applications"), web::get().to(list_all));
    let one = web::resource(format!("{GROUP}/namespaces/{{namespace}}/applications/{{name}}"));
    app.service(one.get(get).patch(patch).put(replace));
    app.route(&format!("{GROUP}/namespaces/{{namespace}}/applications"), web::get().to(list));
    app.default_service(web::to(nothing));
}

async fn version() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.0" }))
}

/// What the real server says of a path it does not serve, `/status` of an Application among them.
async fn nothing() -> HttpResponse {
    let body = "404 page not found\n";
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body(body)
}

type Place = web::Path<(String, String)>;

async fn get(request: HttpRequest, place: Place, cluster: web::Data<Cluster>) -> HttpResponse {
    if let Some(failure) = fault(&request, &cluster) {
        return failure;
    }
    let key = Key::new(&place.0, &place.1);
    cluster.get(&key).map_or_else(|| missing(&key), |object| HttpResponse::Ok().json(object))
}

async fn list_all(request: HttpRequest, query: web::Query<Query>, cluster: web::Data<Cluster>) -> HttpResponse {
    many(&request, None, query.into_inner(), cluster)
}

async fn list(
    request: HttpRequest,
    namespace: web::Path<String>,
    query: web::Query<Query>,
    cluster: web::Data<Cluster>,
) -> HttpResponse {
    many(&request, Some(namespace.into_inner()), query.into_inner(), cluster)
}

fn many(request: &HttpRequest, namespace: Option<String>, query: Query, cluster: web::Data<Cluster>) -> HttpResponse {
    if let Some(failure) = fault(request, &cluster) {
        return failure;
    }
    if matches!(query.watch.as_deref(), Some("true" | "1")) {
        return watch::open(namespace, query, cluster.into_inner());
    }
    let (objects, version) = cluster.list(namespace.as_deref());
    let items: Vec<Value> =
        objects.into_iter().filter(|(key, _)| query.selects(&key.name)).map(|(_, object)| object).collect();
    HttpResponse::Ok().json(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationList", "items": items,
        "metadata": { "resourceVersion": version.to_string() },
    }))
}

async fn patch(request: HttpRequest, place: Place, body: web::Bytes, cluster: web::Data<Cluster>) -> HttpResponse {
    if let Some(failure) = fault(&request, &cluster) {
        return failure;
    }
    let kind = request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind != "application/merge-patch+json" {
        let text = "the body of the request was in an unknown format - accepted media types include: \
                    application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", text);
    }
    let Ok(patch @ Value::Object(_)) = serde_json::from_slice::<Value>(&body) else {
        return status(StatusCode::BAD_REQUEST, "BadRequest", "the patch is no JSON object");
    };
    let based_on = patch["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    let key = Key::new(&place.0, &place.1);
    answer(&key, cluster.update(&key, based_on.as_deref(), |app| merge(app, &patch)))
}

async fn replace(request: HttpRequest, place: Place, body: web::Bytes, cluster: web::Data<Cluster>) -> HttpResponse {
    if let Some(failure) = fault(&request, &cluster) {
        return failure;
    }
    let Ok(object @ Value::Object(_)) = serde_json::from_slice::<Value>(&body) else {
        return status(StatusCode::BAD_REQUEST, "BadRequest", "the object is no JSON object");
    };
    let Some(based_on) = object["metadata"]["resourceVersion"].as_str().map(str::to_owned) else {
        let text = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update";
        return status(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", text);
    };
    let key = Key::new(&place.0, &place.1);
    answer(&key, cluster.update(&key, Some(&based_on), |app| *app = object))
}

fn answer(key: &Key, updated: Result<Value, Refused>) -> HttpResponse {
    match updated {
        Ok(object) => HttpResponse::Ok().json(object),
        Err(Refused::Missing) => missing(key),
        Err(Refused::Stale) => {
            let text = format!(
                "Operation cannot be fulfilled on applications.argoproj.io \"{}\": the object has been modified; please \
                 apply your changes to the latest version and try again",
                key.name
            );
            status(StatusCode::CONFLICT, "Conflict", &text)
        }
    }
}

fn fault(request: &HttpRequest, cluster: &Cluster) -> Option<HttpResponse> {
    let code = cluster.note_request(format!("{} {}", request.method(), request.uri()))?;
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match code {
        StatusCode::TOO_MANY_REQUESTS => {
            status(code, "TooManyRequests", "the server is currently unable to handle the request")
        }
        StatusCode::FORBIDDEN => status(code, "Forbidden", "applications.argoproj.io is forbidden: told to fail"),
        code => status(code, "InternalError", "Internal error occurred: told to fail"),
    };
    if code == StatusCode::TOO_MANY_REQUESTS {
        let after = actix_web::http::header::HeaderValue::from_static("1");
        response.headers_mut().insert(actix_web::http::header::RETRY_AFTER, after);
    }
    Some(response)
}

fn missing(key: &Key) -> HttpResponse {
    status(StatusCode::NOT_FOUND, "NotFound", &format!("applications.argoproj.io \"{}\" not found", key.name))
}

fn status(code: StatusCode, reason: &str, message: &str) -> HttpResponse {
    HttpResponse::build(code).json(failure(code.as_u16(), reason, message))
}

/// A `Status` object.
pub(super) fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "details": { "group": "argoproj.io", "kind": "applications" }, "code": code,
    })
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
