//! Repository URLs: which are allowed, which credential is theirs, and how they are shown.

use url::Url;

use super::GitError;
use crate::Secret;

/// Transports that ask a server or read a folder; `ext::` and its like run programs.
const SCHEMES: [&str; 4] = ["https", "http", "ssh", "file"];

/// The URL, if it is a plain one: no option, no transport that runs programs, no `host:path`.
pub(super) fn check(url: &str) -> Result<Url, GitError> {
    let plain = !url.starts_with('-') && !url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\');
    match Url::parse(url) {
        Ok(parsed) if plain && is_whole(url, &parsed) && host_is_plain(&parsed) => Ok(parsed),
        _ => Err(GitError::BadUrl { url: without_userinfo(url) }),
    }
}

/// Whether it is written out as it was understood. `https:host/x` is a URL to browsers, and `host:path` to Git.
fn is_whole(url: &str, parsed: &Url) -> bool {
    let scheme = parsed.scheme();
    let rest = url.split_at_checked(scheme.len()).filter(|(start, _)| start.eq_ignore_ascii_case(scheme));
    let rest = rest.and_then(|(_, rest)| rest.strip_prefix("://"));
    let has_host = scheme == "file" || (parsed.has_host() && rest.is_some_and(|rest| !rest.starts_with('/')));
    SCHEMES.contains(&scheme) && rest.is_some() && has_host
}

/// `ssh://-oProxyCommand=x/` would be an option to ssh, and other signs something to the shell between Git and ssh.
fn host_is_plain(url: &Url) -> bool {
    let plain = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let plain = url.scheme() == "file" || url.domain().is_none_or(plain);
    plain && url.host_str().is_none_or(|host| !host.starts_with('-')) && !url.username().starts_with('-')
}

/// The URL without the password in it, and over HTTP without the name: what goes on a command line or into an error.
pub fn without_userinfo(url: &str) -> String {
    let Some(mut parsed) = Url::parse(url).ok().filter(|parsed| !parsed.cannot_be_a_base()) else {
        // Not a URL; but what stands before an `@` in it may still be a secret.
        return url.rsplit_once('@').map_or_else(|| url.to_owned(), |(_, rest)| format!("***@{rest}"));
    };
    let has_userinfo = !parsed.username().is_empty() || parsed.password().is_some();
    // Parsed and printed again, a URL may change in what does not matter; without need it is left alone.
    if !has_userinfo || (parsed.scheme() == "ssh" && parsed.password().is_none()) {
        return url.to_owned();
    }
    let _kept_where_there_is_no_host = parsed.set_password(None);
    if parsed.scheme() != "ssh" {
        let _kept_where_there_is_no_host = parsed.set_username("");
    }
    parsed.to_string()
}

/// The credential that stands in the URL itself, with the origin it is for.
pub(super) fn userinfo(url: &str) -> Option<(String, String, Secret)> {
    let parsed = Url::parse(url).ok().filter(|parsed| ["http", "https"].contains(&parsed.scheme()))?;
    let password = decoded(parsed.password()?);
    let origin = format!("{}/", parsed.origin().ascii_serialization());
    Some((origin, decoded(parsed.username()), Secret::from(password)))
}

fn decoded(text: &str) -> String {
    // A form's coding, but that `+` stands for itself.
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).next().unwrap_or_default()
}

/// Whether the URL is of the same server as the prefix, and below its path.
pub(super) fn is_below(url: &str, prefix: &str) -> bool {
    let (Ok(url), Ok(prefix)) = (Url::parse(url), Url::parse(prefix)) else { return false };
    let same_server = url.scheme() == prefix.scheme()
        && url.host() == prefix.host()
        && url.port_or_known_default() == prefix.port_or_known_default();
    let rest = url.path().strip_prefix(prefix.path());
    same_server && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.path().ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_options_or_programs_are_refused() {
        for bad in [
            "--upload-pack=touch /tmp/x",
            "-oProxyCommand=x",
            "ext::sh -c id",
            "ssh://-oProxyCommand=id/x",
            "ssh://-oProxyCommand=id@host/x",
            "ssh://host;id/x",
            "ssh://$(id)/x",
            "ssh://ho'st/x",
            "fd::3",
            "/etc",
            "../x",
            "git@host:path",
            "ssh:path@host/",
            "ssh:///x",
            "https:host/x",
            "https:\\\\host\\x",
            "https:///host/x",
            "file:/srv/x.git",
            "https://host/a b",
            "https://host/\nx",
            "git://host/x",
            "",
        ] {
            assert!(matches!(check(bad), Err(GitError::BadUrl { .. })), "{bad:?}");
        }
        for good in
            ["https://github.com/acme/shop.git", "ssh://git@host/x", "file:///srv/x.git", "http://127.0.0.1:1/x"]
        {
            assert!(check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn urls_are_shown_without_credentials() {
        for (url, shown) in [
            ("https://me:hunter2@host/x.git", "https://host/x.git"),
            ("https://token@host/x.git", "https://host/x.git"),
            ("ssh://git:hunter2@host/x", "ssh://git@host/x"),
            ("ssh://git@host/x", "ssh://git@host/x"),
            ("https://host/x", "https://host/x"),
            ("x:hunter2@host:y", "***@host:y"),
        ] {
            assert_eq!(without_userinfo(url), shown);
        }
    }

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        let prefix = "https://github.com/acme";
        for (url, below) in [
            ("https://github.com/acme/shop.git", true),
            ("https://GitHub.com:443/acme/shop.git", true),
            ("https://github.com/acme", true),
            ("https://github.com/acme-evil/shop.git", false),
            ("https://github.com.evil.example/acme/x", false),
            ("https://github.com@evil.example/acme/x", false),
            ("http://github.com/acme/shop.git", false),
        ] {
            assert_eq!(is_below(url, prefix), below, "{url}");
        }
        assert!(is_below("https://github.com/acme/x", "https://github.com/"));
    }

    #[test]
    fn a_credential_in_the_url_is_for_its_server() {
        let (origin, username, password) =
            userinfo("https://me:p%40ss+1@host:8443/x").unwrap_or_else(|| panic!("none"));
        assert_eq!((origin.as_str(), username.as_str(), password.expose()), ("https://host:8443/", "me", "p@ss+1"));
        assert!(userinfo("httpx://me:hunter2@host/x").is_none(), "nobody is asked over that");
    }
}
