//! GitLab's and Gitea's APIs for the merge and pull requests of one repository, with whom they know, what tokens may do,
//! their limits and troubles. Each host's form is a file of its own; the repository is a real one.

mod door;
mod gitea;
mod gitlab;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use anyhow::Result;
use serde_json::Value;

use crate::{http::Server, pulls::Repository};
use door::Door;

/// Which host it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gitlab,
    Gitea,
}

/// A fake host. Dropping it ends it.
pub struct FakeForge {
    server: Server,
    state: Arc<Mutex<State>>,
    kind: Kind,
}

struct State {
    kind: Kind,
    door: Door,
    repository: Option<Repository>,
}

/// What is asked.
struct Request<'a> {
    method: &'a Method,
    /// Below the API's, as it was written: with what is encoded in it.
    path: &'a str,
    query: HashMap<String, String>,
    body: Value,
    /// Whether the token may write.
    may_write: bool,
}

impl FakeForge {
    /// A GitLab that knows nobody.
    pub fn gitlab() -> Result<Self> {
        Self::start(Kind::Gitlab)
    }

    /// A Gitea that knows nobody.
    pub fn gitea() -> Result<Self> {
        Self::start(Kind::Gitea)
    }

    fn start(kind: Kind) -> Result<Self> {
        let state = Arc::new(Mutex::new(State { kind, door: Door::default(), repository: None }));
        let data = web::Data::from(Arc::clone(&state));
        let server = Server::start(move |app| {
            app.app_data(data.clone()).default_service(web::to(answer));
        })?;
        Ok(Self { server, state, kind })
    }

    /// Where its API is.
    pub fn api(&self) -> String {
        format!("{}{}", self.server.url(), self.kind.api())
    }

    /// A token that may do everything, or only read.
    pub fn token(&self, may_write: bool) -> String {
        let token = format!("glpat-{}", hex::encode(rand::random::<[u8; 18]>()));
        self.state().door.tokens.insert(token.clone(), may_write);
        token
    }

    /// Takes back every token.
    pub fn revoke_tokens(&self) {
        self.state().door.tokens.clear();
    }

    /// From now on has the pull requests of this repository, whose bare clone lies there.
    pub fn serve(&self, name: &str, path: PathBuf) {
        self.state().repository = Some(Repository::new(name, path));
    }

    /// That repository, to look at or to do something in; nothing where there is none.
    pub fn repository<T>(&self, with: impl FnOnce(&mut Repository) -> T) -> Option<T> {
        self.state().repository.as_mut().map(with)
    }

    /// Answers the next requests with this status.
    pub fn fail_next(&self, requests: u64, status: u16) {
        self.state().door.fail_next = Some((requests, status));
    }

    /// Takes no more requests for so long.
    pub fn use_up(&self, window: Duration) {
        self.state().door.use_up(window);
    }

    /// The requests so far, as `METHOD path?query`.
    pub fn requests(&self) -> Vec<String> {
        self.state().door.requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl Kind {
    fn api(self) -> &'static str {
        match self {
            Self::Gitlab => "/api/v4",
            Self::Gitea => "/api/v1",
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(request: HttpRequest, body: web::Bytes, state: web::Data<Mutex<State>>) -> HttpResponse {
    let state = &mut *locked(&state);
    if let Some(refused) = state.door.refuses(state.kind, &request) {
        return refused;
    }
    let query = web::Query::<HashMap<String, String>>::from_query(request.query_string());
    let query = query.map(web::Query::into_inner).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let answered = request.path().strip_prefix(state.kind.api()).and_then(|path| {
        let repository = state.repository.as_mut()?;
        repository.see_pushes();
        let token = state.kind.token(&request).and_then(|token| state.door.tokens.get(token)).copied();
        let may_write = token.unwrap_or_default();
        let request = Request { method: request.method(), path, query, body, may_write };
        match state.kind {
            Kind::Gitlab => gitlab::answer(repository, &request),
            Kind::Gitea => gitea::answer(repository, &request),
        }
    });
    answered.unwrap_or_else(|| state.kind.not_found())
}
