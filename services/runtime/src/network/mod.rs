//! The outbound guard: addresses that stem from a payload or from an app's configuration lead to the public Internet,
//! or to a network that `network.allow` names.
//!
//! A name is looked up once, and what was checked is what is connected to, so a name that changes in between (DNS
//! rebinding) gains nothing. What operators say of Windlass itself (bus, ledger, cluster, Slack, Sentry) is trusted
//! and does not pass here.

mod address;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::config;

/// Says which addresses may be asked; cheap to clone.
#[derive(Clone)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    names: Arc<dyn Resolve>,
}

/// An address that may not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {kind}; {}", self.shown(), self.remedy())]
pub struct Blocked {
    /// The host as it was named.
    pub host: String,
    /// What it leads to.
    pub address: IpAddr,
    /// What that address is, in words.
    pub kind: &'static str,
}

impl Blocked {
    fn shown(&self) -> String {
        let Self { host, address, .. } = self;
        if *host == address.to_string() { format!("{host} is") } else { format!("{host} leads to {address}, which is") }
    }

    fn remedy(&self) -> String {
        let address = IpNet::from(address::undisguised(self.address));
        match self.kind {
            address::METADATA => format!("if it may really be asked, add `{address}` itself to `network.allow`"),
            _ => format!("if it may be asked, add `{address}` or its network to `network.allow`"),
        }
    }
}

impl Guard {
    /// The guard that lets through what is public, and what `network` in the config allows.
    pub fn new(config: &config::Network) -> Self {
        Self { allow: config.allow.iter().map(|range| range.network()).collect(), names: Arc::new(System) }
    }

    /// The same with names looked up by this instead of by the system.
    #[must_use]
    pub fn with_names(self, names: Arc<dyn Resolve>) -> Self {
        Self { names, ..self }
    }

    /// Whether a URL's host may be asked, as far as that can be said without asking anybody: a host that is an address
    /// is judged, in whatever form the URL standard reads one (`0x7f.1`, `2130706433`); a name is judged when it is
    /// looked up.
    pub fn check(&self, url: &Url) -> Result<(), Blocked> {
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            // Always this machine (RFC 6761, 6.3).
            Some(Host::Domain(name)) if is_localhost(name) => IpAddr::from([127, 0, 0, 1]),
            // Only for schemes of the web does the standard tell addresses from names.
            Some(Host::Domain(name)) => match name.parse() {
                Ok(ip) => ip,
                Err(_) => return Ok(()),
            },
            None => return Ok(()),
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        self.refuse(host, address).map_or(Ok(()), Err)
    }

    /// The addresses of a host that may be asked. When it has others too, they are left out.
    ///
    /// # Errors
    /// [`Blocked`] when it has only such as may not; what looks names up has errors of its own.
    pub async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        if let Ok(ip) = host.parse() {
            return self.refuse(host, ip).map_or(Ok(vec![SocketAddr::new(ip, 0)]), |blocked| Err(blocked.into()));
        }
        let found: Vec<_> = self.names.resolve(host.parse::<Name>()?).await?.collect();
        let mut refused = None;
        let open: Vec<_> = found
            .into_iter()
            .filter(|at| match self.refuse(host, at.ip()) {
                Some(blocked) => {
                    refused.get_or_insert(blocked);
                    false
                }
                None => true,
            })
            .collect();
        match refused {
            Some(blocked) if open.is_empty() => Err(blocked.into()),
            _ => Ok(open),
        }
    }

    fn refuse(&self, host: &str, address: IpAddr) -> Option<Blocked> {
        let meant = address::undisguised(address);
        let kind = address::special(meant)?;
        // Who allows the network around a metadata service seldom means the service.
        let counts = |network: &IpNet| kind != address::METADATA || network.prefix_len() == network.max_prefix_len();
        let is_in = |network: &IpNet| network.contains(&meant) || network.contains(&address);
        let allowed = self.allow.iter().any(|network| counts(network) && is_in(network));
        (!allowed).then(|| Blocked { host: host.to_owned(), address, kind })
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The system's own way to look names up.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect::<Vec<_>>();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn guard(allow: &[&str]) -> Guard {
        let allow = allow.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect();
        Guard::new(&config::Network { allow })
    }

    /// A name server whose only name has these addresses.
    struct Names(Vec<&'static str>);

    impl Resolve for Names {
        fn resolve(&self, _: Name) -> Resolving {
            let found: Vec<_> = self.0.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
        }
    }

    async fn found(guard: Guard, addresses: &[&'static str]) -> Result<Vec<String>, String> {
        let guard = guard.with_names(Arc::new(Names(addresses.to_vec())));
        let found = guard.addresses("shop.example").await.map_err(|why| why.to_string())?;
        Ok(found.iter().map(|at| at.ip().to_string()).collect())
    }

    #[test]
    fn an_address_is_known_in_every_form_a_url_may_give_it() {
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "127.0.0.1.",
            "①②⑦.0.0.1",
            "%31%32%37.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "me:secret@127.0.0.1",
        ] {
            let url = Url::parse(&format!("http://{host}:8080/x")).expect(host);
            let blocked = guard(&[]).check(&url).expect_err(host);
            assert!(blocked.kind.contains("this machine") && !blocked.to_string().contains("secret"), "{blocked}");
            let allowed = guard(&["127.0.0.0/8", "::1"]).check(&url);
            assert_eq!(allowed, Ok(()), "{host}");
        }
        for host in ["140.82.121.3", "[2606:50c0:8000::153]", "shop.example"] {
            assert_eq!(guard(&[]).check(&Url::parse(&format!("https://{host}/")).unwrap()), Ok(()));
        }
    }

    #[tokio::test]
    async fn of_mixed_answers_only_what_may_be_asked_is_left() {
        assert_eq!(found(guard(&[]), &["10.0.0.1", "140.82.121.3", "::1"]).await.unwrap(), ["140.82.121.3"]);
        let why = found(guard(&[]), &["10.0.0.1", "::1"]).await.unwrap_err();
        assert_eq!(
            why,
            "shop.example leads to 10.0.0.1, which is a private address; if it may be asked, add `10.0.0.1/32` or its \
             network to `network.allow`"
        );
        assert_eq!(found(guard(&["10.0.0.0/16"]), &["10.0.0.1", "10.1.0.1"]).await.unwrap(), ["10.0.0.1"]);
    }

    #[tokio::test]
    async fn a_metadata_service_is_allowed_only_by_its_own_address() {
        for around in ["169.254.0.0/16", "0.0.0.0/0"] {
            let why = found(guard(&[around]), &["169.254.169.254"]).await.unwrap_err();
            assert!(why.contains("metadata") && why.contains("`169.254.169.254/32` itself"), "{why}");
        }
        for (around, service) in [
            ("fd00::/8", "fd00:ec2::254"),
            ("fd00:ec2::/32", "fd00:ec2::23"),
            ("169.254.170.0/24", "169.254.170.23"),
            ("fd20::/16", "fd20:ce::254"),
            ("fe80::/10", "fe80::a9fe:a9fe"),
        ] {
            let why = found(guard(&[around]), &[service]).await.unwrap_err();
            assert!(why.contains("metadata"), "{around}: {why}");
        }
        assert_eq!(found(guard(&["169.254.169.254"]), &["169.254.169.254"]).await.unwrap(), ["169.254.169.254"]);
    }
}
