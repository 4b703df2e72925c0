//! A server looked up once, and Git and ssh held to the addresses that were found.

use std::net::SocketAddr;

use url::{Host, Url};

use super::{GitError, url::check, without_userinfo};
use crate::network::{Blocked, Guard};

/// What holds Git to what was found.
#[derive(Debug)]
pub(super) struct Pinned {
    /// The one transport that may be used.
    pub(super) scheme: &'static str,
    pub(super) settings: Vec<(String, String)>,
    /// The command Git reaches the server with, over SSH; a shell reads it.
    pub(super) ssh: Option<String>,
}

const SSH: &str = "ssh -oBatchMode=yes -oConnectTimeout=30";

/// Looks the URL's server up behind the guard. A local repository has none.
pub(super) async fn pin(guard: &Guard, url: &str) -> Result<Pinned, GitError> {
    let parsed = check(url)?;
    match parsed.scheme() {
        "file" => Ok(Pinned { scheme: "file", settings: Vec::new(), ssh: None }),
        "ssh" => Ok(over_ssh(&parsed, &find(guard, &parsed).await?)),
        _ => Ok(over_http(&parsed, &find(guard, &parsed).await?)),
    }
}

/// A server's addresses that may be asked: at least one, for held to none, ssh would look the name up by itself.
struct Found {
    first: SocketAddr,
    all: Vec<SocketAddr>,
}

async fn find(guard: &Guard, url: &Url) -> Result<Found, GitError> {
    guard.check(url)?;
    let unreachable = |why| GitError::Unreachable { url: without_userinfo(url.as_str()), why };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let all = guard.addresses(host).await.map_err(|why| match why.downcast::<Blocked>() {
        Ok(blocked) => GitError::Blocked(*blocked),
        Err(why) => unreachable(why.to_string()),
    })?;
    let first = all.first().copied().ok_or_else(|| unreachable(format!("`{host}` has no address")))?;
    Ok(Found { first, all })
}

/// One entry for every name on the URL's port, so that no other way to write the host gets around it
/// (`CURLOPT_RESOLVE`; `http.curloptResolve` since Git 2.37).
fn over_http(url: &Url, found: &Found) -> Pinned {
    let shown = |at: &SocketAddr| if at.is_ipv6() { format!("[{}]", at.ip()) } else { at.ip().to_string() };
    let addresses = found.all.iter().map(shown).collect::<Vec<_>>().join(",");
    let port = url.port_or_known_default().unwrap_or(443);
    let scheme = if url.scheme() == "https" { "https" } else { "http" };
    let settings = vec![("http.curloptResolve".to_owned(), format!("*:{port}:{addresses}"))];
    Pinned { scheme, settings, ssh: None }
}

/// ssh takes one address; the host's own name stays what its key is known by. The host is of letters, digits, `.`, `-`
/// and `_`, as [`check`] has seen to, for Git hands this line to a shell.
fn over_ssh(url: &Url, found: &Found) -> Pinned {
    let alias = match (url.host(), url.port()) {
        (Some(Host::Domain(host)), Some(port)) if port != 22 => format!(" -oHostKeyAlias='[{host}]:{port}'"),
        (Some(Host::Domain(host)), _) => format!(" -oHostKeyAlias={host}"),
        // An address is its own name.
        _ => String::new(),
    };
    let command = format!("{SSH} -oHostName={}{alias}", found.first.ip());
    Pinned { scheme: "ssh", settings: Vec::new(), ssh: Some(command) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use reqwest::dns::{Addrs, Name, Resolve, Resolving};

    use super::*;
    use crate::config;

    /// Every name is two public addresses and a private one.
    struct Names;

    impl Resolve for Names {
        fn resolve(&self, _: Name) -> Resolving {
            let found = ["10.0.0.1", "140.82.121.3", "2606:50c0:8000::153"].map(|ip| ip.parse().unwrap());
            Box::pin(async move { Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs) })
        }
    }

    fn guard() -> Guard {
        Guard::new(&config::Network::default()).with_names(Arc::new(Names))
    }

    #[tokio::test]
    async fn what_may_be_asked_is_pinned() {
        for (url, setting) in [
            ("https://git.example/x.git", "*:443:140.82.121.3,[2606:50c0:8000::153]"),
            ("http://me:hush@git.example:8080/x.git", "*:8080:140.82.121.3,[2606:50c0:8000::153]"),
            ("https://140.82.121.4/x.git", "*:443:140.82.121.4"),
        ] {
            let pinned = pin(&guard(), url).await.unwrap();
            assert_eq!(pinned.settings, [("http.curloptResolve".to_owned(), setting.to_owned())]);
        }
        for (url, options) in [
            ("ssh://git@git.example/x", "-oHostName=140.82.121.3 -oHostKeyAlias=git.example"),
            ("ssh://git@git.example:2222/x", "-oHostName=140.82.121.3 -oHostKeyAlias='[git.example]:2222'"),
            ("ssh://git@[2606:50c0:8000::153]/x", "-oHostName=2606:50c0:8000::153"),
        ] {
            let pinned = pin(&guard(), url).await.unwrap();
            assert_eq!(pinned.ssh.unwrap(), format!("{SSH} {options}"));
        }
    }

    #[tokio::test]
    async fn a_name_without_addresses_leads_nowhere() {
        /// Answers, and has nothing to say.
        struct Nothing;
        impl Resolve for Nothing {
            fn resolve(&self, _: Name) -> Resolving {
                Box::pin(async { Ok(Box::new(std::iter::empty()) as Addrs) })
            }
        }
        let guard = guard().with_names(Arc::new(Nothing));
        for scheme in ["http", "https", "ssh"] {
            let error = pin(&guard, &format!("{scheme}://me:hush@git.example/x")).await.unwrap_err();
            let said = error.to_string();
            assert!(error.is_transient() && said.contains("`git.example` has no address"), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[tokio::test]
    async fn what_may_not_is_refused_over_every_transport() {
        for host in ["127.0.0.1", "localhost", "0x7f.1", "10.1.2.3", "[::1]", "[::ffff:10.0.0.1]", "169.254.169.254"] {
            for scheme in ["http", "https", "ssh"] {
                let error = pin(&Guard::new(&config::Network::default()), &format!("{scheme}://{host}/x")).await;
                let error = error.unwrap_err();
                assert!(matches!(error, GitError::Blocked(_)) && !error.is_transient(), "{scheme}://{host}: {error}");
            }
        }
    }
}
