//! HTTP to addresses that stem from a payload or from an app's configuration: only where the guard lets it, redirects
//! included.
//!
//! `HTTP_PROXY` and its like are not heeded here: a proxy looks names up itself, and would lead around the guard.

use reqwest::{
    Method, RequestBuilder,
    redirect::{Action, Attempt, Policy},
};
use url::Url;

use super::{builder, innermost};
use crate::network::{Blocked, Guard};

/// More redirects than an honest server needs.
const HOPS: usize = 5;

/// A client that asks only what the guard lets it; cheap to clone.
#[derive(Clone)]
pub struct Guarded {
    client: reqwest::Client,
    guard: Guard,
}

/// Where a server may send us. Never from HTTPS to HTTP, and never where the guard does not let us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Nowhere: a redirect is an answer like any other.
    None,
    /// Within the same server.
    SameServer,
    /// Anywhere, for content that proves itself.
    Anywhere,
}

impl Guarded {
    /// A client with the shared deadlines behind this guard.
    pub fn new(guard: &Guard, redirects: Redirects) -> anyhow::Result<Self> {
        let client = builder().no_proxy().dns_resolver(guard.clone()).redirect(redirects.policy(guard.clone())).build();
        let client = client.map_err(|error| anyhow::anyhow!("building the HTTP client: {}", innermost(&error)))?;
        Ok(Self { client, guard: guard.clone() })
    }

    /// A GET of this URL.
    pub fn get(&self, url: Url) -> Result<RequestBuilder, Blocked> {
        self.request(Method::GET, url)
    }

    /// The client itself, for whoever asks nothing but the server of this URL. A name it has is judged at each look-up.
    pub fn client_for(&self, server: &Url) -> Result<reqwest::Client, Blocked> {
        self.guard.check(server)?;
        Ok(self.client.clone())
    }

    /// A request for this URL. A host that is an address is judged here, for nobody looks it up; a name when it is
    /// looked up.
    pub fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, Blocked> {
        self.guard.check(&url)?;
        Ok(self.client.request(method, url))
    }
}

impl Redirects {
    fn policy(self, guard: Guard) -> Policy {
        if self == Self::None { Policy::none() } else { Policy::custom(move |attempt| self.follow(attempt, &guard)) }
    }

    fn follow(self, attempt: Attempt<'_>, guard: &Guard) -> Action {
        let Some(from) = attempt.previous().first() else { return attempt.stop() };
        let to = attempt.url();
        let leaves = from.host_str() != to.host_str() || from.port_or_known_default() != to.port_or_known_default();
        let weaker = from.scheme() == "https" && to.scheme() != "https";
        if weaker || attempt.previous().len() > HOPS || (self == Self::SameServer && leaves) {
            return attempt.stop();
        }
        match guard.check(to) {
            Ok(()) => attempt.follow(),
            Err(blocked) => attempt.error(blocked),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{
        net::{IpAddr, SocketAddr},
        sync::{Arc, Mutex},
    };

    use reqwest::dns::{Addrs, Name, Resolve, Resolving};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{config, http::HttpError};

    /// Only 127.0.0.1 may be asked here: it stands for the public, and 127.0.0.2 for what is within.
    fn guard() -> Guard {
        Guard::new(&config::Network { allow: vec!["127.0.0.1".to_owned().try_into().unwrap()] })
    }

    /// A server that gives every request this answer, and how many it got.
    async fn server(address: SocketAddr, answer: String) -> (SocketAddr, Arc<Mutex<u32>>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let (at, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(0)));
        let count = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                *count.lock().unwrap() += 1;
                let _whatever_it_says = socket.read(&mut [0; 4096]).await;
                let _it_may_have_gone = socket.write_all(answer.as_bytes()).await;
            }
        });
        (at, asked)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    /// A name that has one address the first time it is looked up, and another from then on.
    struct Rebinding(Mutex<Vec<IpAddr>>);

    impl Resolve for Rebinding {
        fn resolve(&self, _: Name) -> Resolving {
            let mut left = self.0.lock().unwrap();
            let ip = if left.len() > 1 { left.remove(0) } else { left[0] };
            Box::pin(async move { Ok(Box::new(std::iter::once(SocketAddr::new(ip, 0))) as Addrs) })
        }
    }

    #[tokio::test]
    async fn what_was_checked_is_what_is_connected_to() {
        let (public, public_asked) = server("127.0.0.1:0".parse().unwrap(), OK.to_owned()).await;
        let (_, canary) = server(SocketAddr::new([127, 0, 0, 2].into(), public.port()), OK.to_owned()).await;
        let names = Rebinding(Mutex::new(vec![[127, 0, 0, 1].into(), [127, 0, 0, 2].into()]));
        let client = Guarded::new(&guard().with_names(Arc::new(names)), Redirects::None).unwrap();
        let url: Url = format!("http://rebinding.example:{}/", public.port()).parse().unwrap();
        let answer = client.get(url.clone()).unwrap().send().await.unwrap();
        assert_eq!((answer.status().as_u16(), *public_asked.lock().unwrap()), (200, 1));
        let error = HttpError::from(client.get(url).unwrap().send().await.unwrap_err());
        assert!(
            matches!(&error, HttpError::Blocked(blocked) if blocked.address == IpAddr::from([127, 0, 0, 2])),
            "{error}"
        );
        assert_eq!(*canary.lock().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_redirect_does_not_lead_inside() {
        let (inside, canary) = server("127.0.0.2:0".parse().unwrap(), OK.to_owned()).await;
        for target in [format!("http://{inside}/"), format!("http://[::ffff:127.0.0.2]:{}/", inside.port())] {
            let answer = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
            let (public, _) = server("127.0.0.1:0".parse().unwrap(), answer).await;
            let url: Url = format!("http://{public}/").parse().unwrap();
            for (redirects, stops) in
                [(Redirects::None, true), (Redirects::SameServer, true), (Redirects::Anywhere, false)]
            {
                let got = Guarded::new(&guard(), redirects).unwrap().get(url.clone()).unwrap().send().await;
                match got.map_err(HttpError::from) {
                    Ok(answer) => assert!(stops && answer.status() == 302, "{redirects:?}"),
                    Err(error) => assert!(!stops && matches!(error, HttpError::Blocked(_)), "{redirects:?}: {error}"),
                }
            }
        }
        assert_eq!(*canary.lock().unwrap(), 0);
    }

    #[tokio::test]
    async fn an_address_inside_is_not_asked() {
        let (inside, canary) = server("127.0.0.2:0".parse().unwrap(), OK.to_owned()).await;
        let client = Guarded::new(&guard(), Redirects::Anywhere).unwrap();
        for host in ["127.0.0.2", "127.2", "0x7f000002", "[::ffff:7f00:2]"] {
            let blocked = client.get(format!("http://{host}:{}/", inside.port()).parse().unwrap()).unwrap_err();
            assert!(blocked.to_string().contains("`127.0.0.2/32` or its network to `network.allow`"), "{blocked}");
        }
        assert_eq!(*canary.lock().unwrap(), 0);
    }
}
