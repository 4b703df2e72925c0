//! A deployed application as the prober sees it: an HTTP server that answers as the test says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use testkit::http::Server;

/// One answer.
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    body: Vec<u8>,
    after: Duration,
}

/// This status and body.
pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, body: body.into(), after: Duration::ZERO }
}

impl Answer {
    /// Later.
    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

/// The server, and how often it was asked.
pub(crate) struct Site {
    server: Server,
    asked: Arc<AtomicU32>,
}

impl Site {
    /// Answers each request by its place, from 0, and its path.
    pub(crate) fn start(answers: impl Fn(u32, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(0, answers)
    }

    /// The same on this port.
    pub(crate) fn start_at(port: u16, answers: impl Fn(u32, &str) -> Answer + Send + Sync + 'static) -> Self {
        let asked = Arc::new(AtomicU32::new(0));
        let (answers, count) = (Arc::new(answers), asked.clone());
        let server = Server::start_at(port, move |app| {
            let (answers, count) = (answers.clone(), count.clone());
            app.default_service(web::to(move |request: HttpRequest| {
                let answer = answers(count.fetch_add(1, Ordering::SeqCst), request.path());
                async move {
                    tokio::time::sleep(answer.after).await;
                    let status = StatusCode::from_u16(answer.status).unwrap();
                    HttpResponse::build(status).insert_header(("location", "http://127.0.0.1:1/")).body(answer.body)
                }
            }));
        });
        Self { server: server.unwrap(), asked }
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}
