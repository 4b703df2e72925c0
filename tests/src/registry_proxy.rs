//! A registry that misbehaves: a proxy before a real one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use anyhow::Result;
use futures_util::stream;
use reqwest::Client;

use crate::http::{self, Server};

/// What the proxy does to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with this status.
    Status(u16),
    /// 429 with this many seconds in Retry-After.
    TooManyRequests(u64),
    /// Passes another body on, of the same length where it can be, under the digest of the true one.
    OtherBody,
    /// Passes the true body on, under another digest.
    OtherDigest,
    /// Leaves out Docker-Content-Digest.
    NoDigest,
    /// Answers this much later.
    Slow(Duration),
    /// Sends half of the body and cuts the connection.
    Cut,
}

/// A proxy before a registry. Without faults it changes nothing.
#[derive(Debug)]
pub struct RegistryProxy {
    server: Server,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: VecDeque<Fault>,
    always: Option<Fault>,
    /// Faults befall only requests with this in their path.
    only: String,
    /// And these many of those not either.
    spared: u64,
    requests: Vec<String>,
}

struct Upstream {
    client: Client,
    url: String,
    state: Arc<Mutex<State>>,
}

impl RegistryProxy {
    /// Starts one before the registry at `upstream`, `http://host:port`.
    pub fn start(upstream: &str) -> Result<Self> {
        let state: Arc<Mutex<State>> = Arc::default();
        let upstream = Upstream {
            client: http::client(),
            url: upstream.trim_end_matches('/').to_owned(),
            state: Arc::clone(&state),
        };
        let upstream = web::Data::new(upstream);
        let server = Server::start(move |app| {
            app.app_data(upstream.clone()).default_service(web::to(serve));
        })?;
        Ok(Self { server, state })
    }

    /// `127.0.0.1:port`, as image names begin.
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Does this to the next requests.
    pub fn next(&self, count: usize, fault: &Fault) {
        self.state().next.extend(std::iter::repeat_n(fault.clone(), count));
    }

    /// Does this to every request that nothing else is meant for.
    pub fn always(&self, fault: Fault) {
        self.state().always = Some(fault);
    }

    /// Spares requests without this in their path, such as `/manifests/`.
    pub fn only(&self, path: &str) {
        path.clone_into(&mut self.state().only);
    }

    /// Spares so many more of those that faults would befall.
    pub fn spare(&self, requests: u64) {
        self.state().spared = requests;
    }

    /// Behaves again.
    pub fn heal(&self) {
        let mut state = self.state();
        (state.always, state.only, state.spared) = (None, String::new(), 0);
        state.next.clear();
    }

    /// Requests so far, as `METHOD path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(request: HttpRequest, body: Bytes, upstream: web::Data<Upstream>) -> HttpResponse {
    let fault = fault(&request, &upstream.state);
    match fault {
        Some(Fault::Status(status)) => return refuse(status),
        Some(Fault::TooManyRequests(after)) => {
            let mut response = HttpResponse::TooManyRequests();
            return response.insert_header(("Retry-After", after.to_string())).body(error("TOOMANYREQUESTS"));
        }
        Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    match forward(&request, body, &upstream).await {
        Ok(answer) => pass_on(answer, request.method() == Method::HEAD, fault.as_ref()),
        Err(problem) => HttpResponse::BadGateway().body(format!("{problem:#}")),
    }
}

fn fault(request: &HttpRequest, state: &Mutex<State>) -> Option<Fault> {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.requests.push(format!("{} {}", request.method(), request.uri()));
    if !request.path().contains(&state.only) {
        return None;
    }
    if state.spared > 0 {
        state.spared -= 1;
        return None;
    }
    state.next.pop_front().or_else(|| state.always.clone())
}

fn refuse(status: u16) -> HttpResponse {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).content_type("application/json").body(error("UNKNOWN"))
}

fn error(code: &str) -> String {
    serde_json::json!({ "errors": [{ "code": code, "message": "told to fail" }] }).to_string()
}

struct Answer {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

async fn forward(request: &HttpRequest, body: Bytes, upstream: &Upstream) -> Result<Answer> {
    let url = format!("{}{}", upstream.url, request.uri());
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())?;
    let mut forwarded = upstream.client.request(method, url);
    // The host too: the registry makes the addresses of uploads from it, and they are to lead here.
    for (name, value) in kept(request.headers()) {
        forwarded = forwarded.header(name, value);
    }
    let answer = forwarded.body(body).send().await?;
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    Ok(Answer { status: answer.status().as_u16(), headers, body: answer.bytes().await? })
}

fn kept(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let of_the_hop = ["connection", "transfer-encoding", "content-length", "expect"];
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    headers.filter(move |(name, _)| !of_the_hop.contains(name))
}

fn pass_on(answer: Answer, head: bool, fault: Option<&Fault>) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = HttpResponse::build(status);
    let mut length = answer.body.len() as u64;
    for (name, value) in &answer.headers {
        match name.as_str() {
            "connection" | "transfer-encoding" => {}
            "content-length" => length = String::from_utf8_lossy(value).parse().unwrap_or(length),
            "docker-content-digest" if matches!(fault, Some(Fault::NoDigest)) => {}
            "docker-content-digest" if matches!(fault, Some(Fault::OtherDigest)) => {
                response.insert_header((name.as_str(), format!("sha256:{}", "0".repeat(64))));
            }
            _ => {
                response.append_header((name.as_str(), value.as_slice()));
            }
        }
    }
    if head {
        // The length of what a GET would bring, without any of it.
        return response.body(SizedStream::new(length, stream::empty::<Result<Bytes, std::io::Error>>()));
    }
    match fault {
        Some(Fault::OtherBody) => response.body(other(&answer.body)),
        Some(Fault::Cut) => cut(response, &answer.body),
        _ => response.body(answer.body),
    }
}

/// Another body that still reads like the true one: its last hex digit is changed, or a byte is added.
fn other(body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    match body.iter().rposition(u8::is_ascii_hexdigit) {
        Some(at) => body[at] = if body[at] == b'0' { b'1' } else { b'0' },
        None => body.push(b' '),
    }
    body
}

fn cut(mut response: HttpResponseBuilder, body: &Bytes) -> HttpResponse {
    let half = body.slice(..body.len() / 2);
    let broken = Err(std::io::Error::other("told to cut the connection"));
    let length = body.len().max(1) as u64;
    response.body(SizedStream::new(length, stream::iter([Ok(half), broken])))
}
