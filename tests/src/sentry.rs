//! A fake Sentry: takes envelopes and keeps them, as text.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{HttpResponse, web};
use anyhow::Result;

use crate::http::Server;

/// A fake Sentry with one project.
#[derive(Debug)]
pub struct FakeSentry {
    server: Server,
    envelopes: Arc<Mutex<Vec<String>>>,
}

impl FakeSentry {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let envelopes = Arc::<Mutex<Vec<String>>>::default();
        let shared = web::Data::from(Arc::clone(&envelopes));
        let server = Server::start(move |app| {
            app.app_data(shared.clone()).route("/api/1/envelope/", web::post().to(take));
        })?;
        Ok(Self { server, envelopes })
    }

    /// The project's DSN, which is a secret.
    pub fn dsn(&self) -> String {
        format!("http://0123456789abcdef0123456789abcdef@{}/1", self.server.address())
    }

    /// Every envelope so far, as one text.
    pub fn text(&self) -> String {
        self.envelopes.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

async fn take(envelopes: web::Data<Mutex<Vec<String>>>, body: web::Bytes) -> HttpResponse {
    let text = String::from_utf8_lossy(&body).into_owned();
    envelopes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    HttpResponse::Ok().json(serde_json::json!({ "id": "fc6d8c0c43fc4630ad850ee518f1b9d0" }))
}
