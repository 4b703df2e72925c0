//! One question to GitHub's API by octocrab, and its answer, bounded.

use std::{error::Error, fmt};

use anyhow::{Result, anyhow};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octocrab::Octocrab;
use runtime::network::Blocked;
use serde_json::Value;

use crate::answer::{Answer, LARGEST};

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) method: &'static str,
    /// Below the API's.
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// One question and its answer, no larger than [`LARGEST`].
pub(super) async fn exchange(client: &Octocrab, question: Question<'_>) -> Result<Answer> {
    let Question { method, path, body } = question;
    let response = match method {
        "POST" => client._post(path, body).await,
        "PATCH" => client._patch(path, body).await,
        "PUT" => client._put(path, body).await,
        _ => client._get(path).await,
    };
    let response = response.map_err(|error| innermost(&error))?;
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let answer = Answer::headed(response.status().as_u16(), header);
    // octocrab itself reads a body to its end, however far that is.
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
        Some(_) => anyhow!("the answer is larger than {LARGEST} bytes"),
        None => innermost(error.as_ref()),
    })?;
    Ok(Answer { body: String::from_utf8_lossy(&body.to_bytes()).into_owned(), ..answer })
}

/// octocrab's own words say "Service Error"; what happened lies at the end of the chain.
fn innermost(error: &(dyn Error + 'static)) -> anyhow::Error {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    match at.downcast_ref::<Blocked>() {
        Some(blocked) => blocked.clone().into(),
        None => anyhow!(at.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What comes of an answer with a body of so many bytes.
    async fn answered(bytes: usize) -> Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _whatever_it_asks = socket.read(&mut [0; 4096]).await;
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            let _it_may_have_gone = socket.write_all(&vec![b' '; bytes]).await;
        });
        let client = Octocrab::builder().base_uri(base.as_str()).unwrap();
        let client = client.build_with_reqwest(runtime::http::trusted().unwrap()).unwrap();
        exchange(&client, Question { method: "GET", path: "/repos/acme/shop", body: None }).await
    }

    #[tokio::test]
    async fn an_answer_is_read_to_its_bound_and_no_further() {
        assert_eq!(answered(LARGEST).await.unwrap().body.len(), LARGEST);
        let why = answered(LARGEST + 1).await.unwrap_err().to_string();
        assert_eq!(why, "the answer is larger than 16777216 bytes");
    }
}
