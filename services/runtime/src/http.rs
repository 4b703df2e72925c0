//! HTTP out, with deadlines: [`Guarded`] for addresses that stem from a payload or from an app's configuration, and
//! [`trusted`] for those that operators configured for Windlass itself.
//!
//! Errors name the host and never the rest of a URL: a path, a query or a user name may be somebody's secret
//! (a Slack webhook is nothing but its path).

mod guarded;

use std::{sync::Once, time::Duration};

use bytes::{Bytes, BytesMut};

pub use guarded::{Guarded, Redirects};

use crate::network::Blocked;

/// How long a connection may take, to the other end of the world too; a host that needs longer is away.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a whole exchange may take unless the request says otherwise.
const TOTAL: Duration = Duration::from_secs(30);

/// Why there is no answer, or no whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// It may not be asked at all.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// Not within the request's time.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// Scheme, host and port.
        host: String,
    },
    /// No connection, or none that speaks HTTP.
    #[error("{host} cannot be reached: {why}")]
    Unreachable {
        /// Scheme, host and port.
        host: String,
        /// The system's words.
        why: String,
    },
    /// The answer began and broke off.
    #[error("the answer of {host} broke off: {why}")]
    Broken {
        /// Scheme, host and port.
        host: String,
        /// The system's words.
        why: String,
    },
    /// The answer's body is larger than the caller bears.
    #[error("the answer of {host} is larger than {max} bytes")]
    TooLarge {
        /// Scheme, host and port.
        host: String,
        /// The bound.
        max: usize,
    },
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        let host = error.url().map_or_else(|| "the server".to_owned(), host_of);
        Self::of(host, error)
    }
}

impl HttpError {
    /// The error of an exchange with this host; an error amid a body does not know whose it was.
    fn of(host: String, error: reqwest::Error) -> Self {
        if let Some(blocked) = blocked(&error) {
            return Self::Blocked(blocked.clone());
        }
        let (timed_out, broken) = (error.is_timeout(), error.is_body() || error.is_decode());
        let why = innermost(&error.without_url());
        match (timed_out, broken) {
            (true, _) => Self::TimedOut { host },
            (_, true) => Self::Broken { host, why },
            _ => Self::Unreachable { host, why },
        }
    }
}

/// The system's own words lie at the end of the chain; what wraps them says "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}

/// The guard's refusal, wherever in an error it lies.
pub fn blocked(error: &reqwest::Error) -> Option<&Blocked> {
    let chain = std::iter::successors(std::error::Error::source(error), |at| at.source());
    chain.into_iter().find_map(|cause| cause.downcast_ref())
}

/// A URL's scheme, host and port: what may be told of it to anybody.
pub fn host_of(url: &url::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or("?"))
}

/// Makes ring the process's TLS provider, once; every client of ours and of the libraries we use stands on it.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    // Somebody else may have installed one before; then theirs is as good.
    ONCE.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// What every client has in common. A request sets its own `timeout` when 30 s is not what it needs.
fn builder() -> reqwest::ClientBuilder {
    install_tls();
    reqwest::Client::builder()
        .user_agent(concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
}

/// The client for addresses that operators configured for Windlass itself; it follows no redirect. Nobody but them
/// chooses these, and Slack's stand-ins (Mattermost, a relay) do lie within their own network, or behind a proxy.
pub fn trusted() -> anyhow::Result<reqwest::Client> {
    let client = builder().redirect(reqwest::redirect::Policy::none()).build();
    client.map_err(|error| anyhow::anyhow!("building the HTTP client: {}", innermost(&error)))
}

/// The whole body, if it is not larger than `max` bytes.
pub async fn read_bounded(response: reqwest::Response, max: usize) -> Result<Bytes, HttpError> {
    let host = host_of(response.url());
    match read_start(response, max).await? {
        (body, true) => Ok(body),
        (_, false) => Err(HttpError::TooLarge { host, max }),
    }
}

/// The body's first `max` bytes, and whether that is all of it. The rest is not read.
pub async fn read_start(mut response: reqwest::Response, max: usize) -> Result<(Bytes, bool), HttpError> {
    let host = host_of(response.url());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpError::of(host.clone(), error))? {
        let room = max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body.freeze(), false));
        }
    }
    Ok((body.freeze(), true))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that reads one request, answers these bytes and hangs up; its URL, and what it was asked.
    async fn answering(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/hush?token=hush", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let n = socket.read(&mut head).await.unwrap();
            socket.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&head[..n]).into_owned()
        });
        (url, asked)
    }

    #[tokio::test]
    async fn it_says_who_it_is_and_follows_no_redirect() {
        let (url, asked) =
            answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n").await;
        let response = trusted().unwrap().get(url).send().await.unwrap();
        assert_eq!(response.status(), 302);
        let asked = asked.await.unwrap().to_ascii_lowercase();
        assert!(asked.contains(concat!("user-agent: windlass/", env!("CARGO_PKG_VERSION"))), "{asked}");
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_bound_and_no_further() {
        const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789";
        let (url, _) = answering(ANSWER).await;
        assert_eq!(read_bounded(trusted().unwrap().get(url).send().await.unwrap(), 10).await.unwrap(), "0123456789");
        let (url, _) = answering(ANSWER).await;
        let error = read_bounded(trusted().unwrap().get(url).send().await.unwrap(), 9).await.unwrap_err();
        assert!(matches!(error, HttpError::TooLarge { max: 9, .. }), "{error}");
        let (url, _) = answering(ANSWER).await;
        let start = read_start(trusted().unwrap().get(url).send().await.unwrap(), 4).await.unwrap();
        assert_eq!(start, (Bytes::from_static(b"0123"), false));
    }

    #[tokio::test]
    async fn errors_name_the_host_and_keep_the_rest_to_themselves() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://me:hush@{address}/services/hush?token=hush");
        let slow = trusted().unwrap().get(&url).timeout(Duration::from_millis(50)).send().await.unwrap_err();
        drop(listener);
        let refused = trusted().unwrap().get(&url).send().await.unwrap_err();
        let (cut, _) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n012").await;
        let cut = read_bounded(trusted().unwrap().get(cut).send().await.unwrap(), 100).await.unwrap_err();
        let (slow, refused) = (HttpError::from(slow), HttpError::from(refused));
        assert!(matches!(slow, HttpError::TimedOut { .. }), "{slow}");
        assert!(matches!(refused, HttpError::Unreachable { .. }), "{refused}");
        assert!(matches!(cut, HttpError::Broken { .. }), "{cut}");
        for error in [slow, refused, cut] {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hush") && text.contains("http://127.0.0.1:"), "{text}");
        }
    }
}
