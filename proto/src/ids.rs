//! Names and ids as types of their own, checked once where they enter, so nothing behind the edge checks again.
//!
//! Every name ends up in a routing key, a path, a Git ref or an argument vector somewhere; the alphabets below are
//! narrow enough that it can do no harm there.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a string is not the name or id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {what}: {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
    value: String,
}

macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes the string if it obeys the rule stated on the type.
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidId> {
                let value = value.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) {
                    return Ok(Self(value));
                }
                let value = value.chars().take(120).collect();
                Err(InvalidId { what: $what, rule: $rule, value })
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": concat!($what, ": ", $rule) })
            }
        }
    };
}

/// A DNS label, as Kubernetes names things (RFC 1123): safe in routing keys, paths and arguments.
fn is_label(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 63
        && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !s.starts_with('-')
        && !s.ends_with('-')
}

fn is_lower_hex(s: &str) -> bool {
    s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// `git check-ref-format --branch`, less what Git allows and nobody should: see gitrevisions(7).
#[expect(clippy::case_sensitive_file_extension_comparisons, reason = "Git's rule is about `.lock` as it stands")]
fn is_branch(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 244
        && !s.starts_with(['-', '/', '.'])
        && !s.ends_with(['/', '.'])
        && !s.contains("..")
        && !s.contains("//")
        && !s.contains("@{")
        && !s.contains("/.")
        && s != "@"
        && !s.split('/').any(|part| part.ends_with(".lock"))
        && !s.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c))
}

/// `host[:port]/path`, as the distribution specification 1.1 writes repository names, without tag or digest.
fn is_image_name(s: &str) -> bool {
    let Some((host, path)) = s.split_once('/') else { return false };
    let part_ok = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && !p.ends_with(['.', '_', '-'])
            && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    s.len() <= 255 && is_registry(host) && path.split('/').all(part_ok)
}

/// A name or an address, an IPv6 address in brackets, and perhaps a port. A name alone needs a dot, or is `localhost`.
fn is_registry(s: &str) -> bool {
    let (host, port) = match s.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (s, None),
    };
    let port_ok = port.is_none_or(|port| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()));
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => v6.contains(':') && v6.bytes().all(|b| b.is_ascii_hexdigit() || b".:".contains(&b)),
        None => {
            !host.is_empty()
                && !host.starts_with(['-', '.'])
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
                && (port.is_some() || host.contains('.') || host == "localhost")
        }
    };
    port_ok && host_ok
}

checked_string!(
    /// An application: the unit that is tested, released and deployed together.
    AppName, "an app name", "lower-case letters, digits and `-`, at most 63, as in a DNS label", is_label
);
checked_string!(
    /// One image of an application, such as `frontend`.
    ComponentName, "a component name", "lower-case letters, digits and `-`, at most 63, as in a DNS label", is_label
);
checked_string!(
    /// A place an application runs in, such as `staging`.
    EnvironmentName, "an environment name", "lower-case letters, digits and `-`, at most 63, as in a DNS label", is_label
);
checked_string!(
    /// A configured sender of webhooks; the last part of its URL.
    SourceName, "a source name", "lower-case letters, digits and `-`, at most 63, as in a DNS label", is_label
);
checked_string!(
    /// A full Git object id: SHA-1 (40 hex digits) or SHA-256 (64), lower case.
    CommitSha, "a commit id", "40 or 64 lower-case hex digits",
    |s| matches!(s.len(), 40 | 64) && is_lower_hex(s)
);
checked_string!(
    /// A branch name without `refs/heads/`.
    Branch, "a branch name", "what `git check-ref-format --branch` accepts, not starting with `-`", is_branch
);
checked_string!(
    /// The digest of a manifest: `sha256:` and 64 hex digits (OCI image specification 1.1, digests).
    Digest, "a digest", "`sha256:` and 64 lower-case hex digits",
    |s| s.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_lower_hex(hex))
);
checked_string!(
    /// A repository in a registry, host included, without tag or digest: `ghcr.io/acme/shop-frontend`.
    ImageName, "an image name", "`host/path` without tag or digest, host with a dot, a port or `localhost`, path in lower case",
    is_image_name
);

impl CommitSha {
    /// Whether this is Git's "no commit": GitHub sends it as `after` of a deleted branch.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| b == b'0')
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl Digest {
    /// The digest with its hex part cut to twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..19]
    }
}

impl Branch {
    /// The branch as an image tag: what a tag does not allow becomes `-` (tags: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`).
    pub fn as_tag(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let tag: String = self.0.chars().map(safe).take(128).collect();
        let starts_well = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if starts_well { tag } else { format!("b{}", tag.chars().take(127).collect::<String>()) }
    }
}

/// Names that Docker Hub's registry goes by.
const DOCKER_HUB: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

impl ImageName {
    /// The same repository under one name, whichever of its names this is: the host in lower case and without HTTPS's
    /// own port, Docker Hub as `docker.io`, and its images without an owner in `library/`.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let host = self.registry().to_ascii_lowercase();
        // A name without a dot is a registry's only by its port.
        let host = host.strip_suffix(":443").filter(|bare| is_registry(bare)).unwrap_or(&host);
        let path = self.repository();
        Self(match (DOCKER_HUB.contains(&host), path.contains('/')) {
            (true, true) => format!("docker.io/{path}"),
            (true, false) => format!("docker.io/library/{path}"),
            (false, _) => format!("{host}/{path}"),
        })
    }

    /// The registry: `ghcr.io` or `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        self.0.split_once('/').map_or("", |(host, _)| host)
    }

    /// The path in the registry: `acme/shop-frontend`.
    pub fn repository(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }
}

/// The id of an event. Derived ids are UUIDs of version 5, so what happens twice carries the same id twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(#[schemars(with = "String")] pub Uuid);

impl EventId {
    /// Namespace of every id Windlass derives; fixed for ever, or a redelivery after an upgrade would look new.
    const NAMESPACE: Uuid = Uuid::from_u128(0x6a1f_3a50_95d7_5c1b_8a4e_2f0b_77c1_d9e3);

    /// The id of a webhook: its source, and what identifies it there (which each source states).
    pub fn of_webhook(source: &SourceName, identity: &[u8]) -> Self {
        let space = Uuid::new_v5(&Self::NAMESPACE, source.as_str().as_bytes());
        Self(Uuid::new_v5(&space, identity))
    }

    /// The id of an outcome: its cause, its type, its app if it has one, its subject. One cause may have the same
    /// outcome for several apps (a push to a repository they share).
    pub fn of_outcome(cause: Self, kind: super::EventType, app: Option<&AppName>, subject: &str) -> Self {
        let app = app.map_or("", AppName::as_str);
        Self(Uuid::new_v5(&cause.0, format!("{kind}\n{app}\n{subject}").as_bytes()))
    }

    /// The id of a tag's change that was seen at its registry and that nobody told of: what it stands for now, and how
    /// often it was seen to change before. No source's name holds a line feed, so it is no webhook's.
    pub fn of_tag(image: &ImageName, tag: &str, digest: &Digest, changes: u32) -> Self {
        let space = Uuid::new_v5(&Self::NAMESPACE, b"tag\n");
        Self(Uuid::new_v5(&space, format!("{image}\n{tag}\n{digest}\n{changes}").as_bytes()))
    }

    /// The id of a person's order: its type, what it says (who gives it among that), and the key it was given under, which
    /// is one for what is sent twice.
    pub fn of_order(kind: super::EventType, says: &str, key: &str) -> Self {
        let space = Uuid::new_v5(&Self::NAMESPACE, b"order\n");
        let space = Uuid::new_v5(&space, format!("{kind}\n{says}").as_bytes());
        Self(Uuid::new_v5(&space, key.as_bytes()))
    }

    /// A fresh, random id (a UUID of version 4), for what has no identity of its own. Not one that begins with the time:
    /// people write an id's first digits, and those of one minute would all have the same.
    pub fn fresh() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;
    fn from_str(s: &str) -> Result<Self, uuid::Error> {
        s.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_options_paths_or_patterns_are_refused() {
        for bad in ["", "-x", "a b", "../a", "A", "a.b", "a*", "a#", "x-", &"a".repeat(64)] {
            assert!(AppName::new(bad).is_err(), "{bad:?}");
        }
        assert!(AppName::new("backstage-2").is_ok());
    }

    #[test]
    fn branches_follow_git() {
        for bad in
            ["-upload-pack=x", "a..b", "a b", "/a", "a/", "a.lock", "a/.b", "x.lock/y", "a@{1}", "@", "a~1", "a\nb"]
        {
            assert!(Branch::new(bad).is_err(), "{bad:?}");
        }
        for good in ["main", "hotfix/login-500", "release/1.2", "träger"] {
            assert!(Branch::new(good).is_ok(), "{good:?}");
        }
        assert_eq!(Branch::new("hotfix/login-500").unwrap().as_tag(), "hotfix-login-500");
        assert_eq!(Branch::new("ü/x").unwrap().as_tag(), "b--x");
    }

    #[test]
    fn image_names_need_a_host_and_no_tag() {
        for bad in
            ["nginx", "acme/web", "ghcr.io/acme/web:1", "ghcr.io/Acme/web", "ghcr.io/", "-o.io/x", "ghcr.io/a/../b"]
        {
            assert!(ImageName::new(bad).is_err(), "{bad:?}");
        }
        for bad in
            [":443/a", ":/a", "ghcr.io:/a", "ghcr.io:x/a", "a:1:2/a", "[::1/a", "[]:5000/a", "::1/a", ".io/a", "a]/b"]
        {
            assert!(ImageName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["[::1]:5000/a", "[fd00::1]/a", "registry:5000/a", "localhost/a", "10.0.0.1/a"] {
            assert!(ImageName::new(good).is_ok(), "{good:?}");
        }
        let image = ImageName::new("127.0.0.1:5000/acme/web").unwrap();
        assert_eq!((image.registry(), image.repository()), ("127.0.0.1:5000", "acme/web"));
    }

    #[test]
    fn an_image_has_one_canonical_name() {
        for (name, canonical) in [
            ("GHCR.io/acme/web", "ghcr.io/acme/web"),
            ("ghcr.io:443/acme/web", "ghcr.io/acme/web"),
            ("registry:443/acme/web", "registry:443/acme/web"),
            ("127.0.0.1:5000/web", "127.0.0.1:5000/web"),
            ("index.docker.io/acme/web", "docker.io/acme/web"),
            ("registry-1.docker.io/nginx", "docker.io/library/nginx"),
            ("docker.io/library/nginx", "docker.io/library/nginx"),
        ] {
            assert_eq!(ImageName::new(name).unwrap().canonical().as_str(), canonical);
        }
    }

    #[test]
    fn errors_name_what_and_why_and_are_bounded() {
        let error = Digest::new("sha1:abc").unwrap_err().to_string();
        assert_eq!(error, "`sha1:abc` is not a digest: `sha256:` and 64 lower-case hex digits");
        assert!(Digest::new("x".repeat(10_000)).unwrap_err().to_string().len() < 250);
    }
}
