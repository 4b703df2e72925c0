//! Fuzz targets: repositories' URLs.

use testkit::fuzz::{Fuzz, Input};

use super::url::{check, is_below, userinfo, without_userinfo};

#[test]
fn urls() {
    // What is let through is one argument, of a transport that runs nothing, and is shown without its password.
    let target = |input: &Input| {
        let Some(text) = input.text() else { return "no text".to_owned() };
        let shown = without_userinfo(text);
        if let Some((origin, name, password)) = userinfo(text) {
            assert!(origin.starts_with("http") && origin.ends_with('/'), "{origin}");
            assert!(
                userinfo(&shown).is_none() && !shown.contains('@') || !name.is_empty() || !password.expose().is_empty()
            );
        }
        match check(text) {
            Err(_) => format!("refused, {}", is_below(text, "https://github.com/acme")),
            Ok(url) => {
                assert!(["https", "http", "ssh", "file"].contains(&url.scheme()), "{text}");
                assert!(
                    !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control()),
                    "{text}"
                );
                let host = url.host_str().unwrap_or_default();
                let plain = |c: char| c.is_ascii_alphanumeric() || "._-[]:".contains(c);
                assert!(url.scheme() == "file" || (!host.starts_with('-') && host.chars().all(plain)), "{text}");
                let again = check(&shown);
                assert!(again.is_ok_and(|again| again.password().is_none()), "{text}: {shown}");
                format!("{} {}", url.scheme(), is_below(text, "https://github.com/acme"))
            }
        }
    };
    let seeds = [
        "https://github.com/acme/shop.git",
        "https://me:p%40ss+1@host:8443/x.git",
        "ssh://git@host:2222/x",
        "ssh://git:hunter2@[::1]/x",
        "file:///srv/x.git",
        "http://127.0.0.1:1/x",
        "git@host:path",
        "ext::sh -c id",
        "ssh://-oProxyCommand=id@host/x",
    ];
    let words =
        ["ssh://", "https://", "file://", "ext::", "-o", "@", ":", "%0a", "%2d", "[::1]", "localhost", "\u{ad}", "。"];
    Fuzz::new("urls").count(2_000).seeds(seeds).words(&words).run(target);
}
