//! Under which names the console answers, and which pages may send it forms.
//!
//! A page elsewhere can have its own name lead to this machine (DNS rebinding), and its script is then of the same
//! origin as what answers here; so a console on loopback answers to the names of this machine and its own address alone.

use std::net::SocketAddr;

use actix_web::http::header::{self, HeaderMap};
use runtime::config::Console;

use crate::fault::Fault;

/// The names of the console.
pub(crate) struct Hosts {
    is_local: bool,
    /// Host and port as browsers have them.
    public: Option<String>,
}

impl Hosts {
    /// Of a console that listens there.
    pub(crate) fn new(settings: &Console, address: SocketAddr) -> Self {
        let public = settings.url.as_ref().and_then(|url| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}{port}", url.host_str()?))
        });
        Self { is_local: address.ip().is_loopback(), public }
    }

    /// Whether it is asked by a name of its own.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if !self.is_local {
            return Ok(());
        }
        let host = host(headers).ok_or(Fault::WrongHost)?;
        let is_public = self.public.as_deref() == Some(host.as_str());
        if is_public || ["localhost", "127.0.0.1", "[::1]"].contains(&without_port(&host)) {
            return Ok(());
        }
        Err(Fault::WrongHost)
    }

    /// Whether a form comes from a page of the console itself, as far as the browser says (Fetch Metadata; RFC 6454).
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Fault> {
        if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin") {
            return Err(Fault::Foreign);
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).ok_or(Fault::Foreign)?;
        let from = origin.1.to_ascii_lowercase();
        let is_own = self.public.as_deref() == Some(from.as_str()) || host(headers).is_some_and(|host| host == from);
        if is_own { Ok(()) } else { Err(Fault::Foreign) }
    }
}

/// The one `Host`, in small letters.
fn host(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all(header::HOST);
    let (one, more) = (all.next()?, all.next());
    one.to_str().ok().filter(|_| more.is_none()).map(str::to_ascii_lowercase)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hosts(url: Option<&str>, address: &str) -> Hosts {
        let operators = serde_json::json!([{ "name": "a", "token": "env:A" }]);
        let settings = serde_json::json!({ "operators": operators, "url": url });
        Hosts::new(&serde_json::from_value(settings).unwrap(), address.parse().unwrap())
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn on_loopback_only_names_of_its_own_are_answered() {
        let local = hosts(Some("https://windlass.example"), "127.0.0.1:8082");
        for host in ["localhost:8082", "LOCALHOST", "127.0.0.1:8082", "[::1]:8082", "[::1]", "windlass.example"] {
            assert!(local.check(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["evil.example", "evil.example:8082", "localhost.evil.example", "127.0.0.1.evil.example:8082", ""] {
            assert!(local.check(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(local.check(&headers(&[])).is_err());
        assert!(local.check(&headers(&[("host", "localhost"), ("host", "evil.example")])).is_err());
        assert!(hosts(None, "10.0.0.1:8082").check(&headers(&[("host", "windlass.internal")])).is_ok());
    }

    #[test]
    fn forms_of_other_pages_are_told_by_what_browsers_say() {
        let console = hosts(Some("https://windlass.example"), "127.0.0.1:8082");
        let host = ("host", "127.0.0.1:8082");
        for good in [
            vec![],
            vec![("origin", "http://127.0.0.1:8082")],
            vec![("origin", "https://windlass.example"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(console.check_origin(&headers(&[vec![host], good.clone()].concat())).is_ok(), "{good:?}");
        }
        for bad in [
            vec![("origin", "null")],
            vec![("origin", "http://127.0.0.1:8083")],
            vec![("origin", "https://evil.example")],
            vec![("origin", "https://windlass.example"), ("sec-fetch-site", "cross-site")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "none")],
        ] {
            assert!(console.check_origin(&headers(&[vec![host], bad.clone()].concat())).is_err(), "{bad:?}");
        }
    }
}
