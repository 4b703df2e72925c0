//! The bridge from HTTP to `git http-backend`, by the rules of CGI (RFC 3875).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use anyhow::{Context, Result, ensure};
use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{AtPush, Gate};

pub(super) struct Backend {
    root: PathBuf,
    program: PathBuf,
    gate: Arc<Mutex<Gate>>,
}

impl Backend {
    pub(super) fn new(root: PathBuf, gate: Arc<Mutex<Gate>>) -> Result<Self> {
        let asked = std::process::Command::new("git").arg("--exec-path").output().context("cannot run git")?;
        let program = Path::new(String::from_utf8(asked.stdout)?.trim()).join("git-http-backend");
        ensure!(program.is_file(), "`git http-backend` is not installed; run: apt-get install git");
        Ok(Self { root, program, gate })
    }
}

pub(super) async fn serve(request: HttpRequest, body: web::Bytes, backend: web::Data<Backend>) -> HttpResponse {
    if let Some(refusal) = refusal(&request, &backend) {
        return refusal;
    }
    match answer(&request, &body, &backend).await {
        Ok(response) => response,
        Err(error) => HttpResponse::InternalServerError().body(format!("{error:#}")),
    }
}

fn refusal(request: &HttpRequest, backend: &Backend) -> Option<HttpResponse> {
    let mut gate = backend.gate.lock().unwrap_or_else(PoisonError::into_inner);
    gate.requests.push(format!("{} {}", request.method(), request.uri()));
    if !gate.failures.is_empty() {
        let status = StatusCode::from_u16(gate.failures.remove(0)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Some(HttpResponse::build(status).body("told to fail"));
    }
    let Some(check) = &gate.credentials else { return refused_push(request, &gate) };
    let said = header(request, "authorization").strip_prefix("Basic ").unwrap_or_default();
    let said = base64::engine::general_purpose::STANDARD.decode(said).unwrap_or_default();
    let said = String::from_utf8(said).unwrap_or_default();
    if said.split_once(':').is_some_and(|(user, password)| check.0(user, password)) {
        return refused_push(request, &gate);
    }
    Some(HttpResponse::Unauthorized().insert_header(("WWW-Authenticate", "Basic realm=\"git\"")).finish())
}

fn refused_push(request: &HttpRequest, gate: &Gate) -> Option<HttpResponse> {
    match gate.at_push.as_ref().filter(|_| pushes(request))? {
        AtPush::Status(status) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(HttpResponse::build(status).body("told to fail"))
        }
        AtPush::Redirect(to) => Some(HttpResponse::Found().insert_header(("Location", to.clone())).finish()),
        AtPush::Cut | AtPush::After(_) => None,
    }
}

fn pushes(request: &HttpRequest) -> bool {
    request.uri().to_string().contains("git-receive-pack")
}

async fn answer(request: &HttpRequest, body: &web::Bytes, backend: &Backend) -> Result<HttpResponse> {
    let fault = backend.gate.lock().unwrap_or_else(PoisonError::into_inner).at_push.clone();
    let fault = fault.filter(|_| request.method() == Method::POST && pushes(request));
    let cut = matches!(fault, Some(AtPush::Cut));
    let arrived = if cut { &body[..body.len() / 2] } else { &body[..] };
    let said = served(request, (arrived, body.len()), fault, backend).await?;
    if cut {
        // An answer that breaks off is a connection that is closed.
        let broken = futures_util::stream::once(async { Err::<web::Bytes, _>(std::io::Error::other("cut")) });
        return Ok(HttpResponse::Ok().streaming(broken));
    }
    response(&said)
}

/// What the program says of what has arrived of a body of this length.
async fn served(
    request: &HttpRequest,
    (body, length): (&[u8], usize),
    fault: Option<AtPush>,
    backend: &Backend,
) -> Result<Vec<u8>> {
    let mut child = command(request, length, fault, backend).spawn().context("cannot start git http-backend")?;
    let (mut stdin, mut stdout) = (child.stdin.take().context("no stdin")?, child.stdout.take().context("no stdout")?);
    let mut said = Vec::new();
    // Both at once: either pipe may fill up while the other is waited for. What it does not read, it does not need.
    let write = async {
        let _ = stdin.write_all(body).await;
        drop(stdin);
    };
    let ((), read) = tokio::join!(write, stdout.read_to_end(&mut said));
    read?;
    child.wait().await?;
    Ok(said)
}

fn command(request: &HttpRequest, length: usize, fault: Option<AtPush>, backend: &Backend) -> Command {
    let mut command = match fault {
        Some(AtPush::After(first)) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(format!("{first}; exec \"$0\"")).arg(&backend.program);
            shell
        }
        _ => Command::new(&backend.program),
    };
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    command.env("GIT_PROJECT_ROOT", &backend.root).env("PATH_INFO", request.path());
    command.env("QUERY_STRING", request.query_string()).env("REQUEST_METHOD", request.method().as_str());
    command.env("CONTENT_TYPE", header(request, "content-type")).env("CONTENT_LENGTH", length.to_string());
    command.env("HTTP_CONTENT_ENCODING", header(request, "content-encoding"));
    command.env("GIT_PROTOCOL", header(request, "git-protocol")).env("REMOTE_ADDR", "127.0.0.1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// Turns a CGI answer into HTTP's.
fn response(said: &[u8]) -> Result<HttpResponse> {
    let end = said.windows(4).position(|window| window == b"\r\n\r\n").context("git http-backend gave no headers")?;
    let mut response = HttpResponseBuilder::new(StatusCode::OK);
    for line in std::str::from_utf8(&said[..end])?.lines() {
        let (name, value) = line.split_once(':').context("git http-backend gave a header without a colon")?;
        match (name, value.trim()) {
            ("Status", status) => response.status(status.get(..3).unwrap_or("500").parse()?),
            (name, value) => response.append_header((name, value)),
        };
    }
    Ok(response.body(said[end + 4..].to_vec()))
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
