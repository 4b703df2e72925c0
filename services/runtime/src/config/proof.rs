//! What users write of how a sender proves itself, and what in it cannot be.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::AddressRange;

/// How a sender proves itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proof {
    /// An HMAC of the body, keyed with the secret, in a header.
    Hmac(HmacProof),
    /// The secret itself in a header.
    Token(TokenProof),
    /// The secret as the password of HTTP basic authentication.
    Basic(BasicProof),
    /// The secret as the last part of the URL: `/webhooks/<source>/<secret>`.
    Path,
    /// A token that an identity provider signed (JWT, RFC 7519).
    Jwt(JwtProof),
    /// `webhook-id`, `webhook-timestamp` and `webhook-signature` (Standard Webhooks 1.0.0).
    StandardWebhooks,
    /// `x-slack-request-timestamp` and `x-slack-signature` (docs.slack.dev, "Verifying requests from Slack").
    Slack,
    /// A client certificate that the proxy in front has verified, and names in a header.
    ProxyTls(ProxyTlsProof),
}

/// An HMAC of the body in a header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacProof {
    /// The header's name.
    pub header: String,
    /// The hash function.
    #[serde(default)]
    pub algorithm: HmacAlgorithm,
    /// How the bytes are written.
    #[serde(default)]
    pub encoding: Encoding,
    /// What stands before them, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
}

/// The hash function of an HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HmacAlgorithm {
    /// For senders that know no other; as a MAC it is not broken.
    Sha1,
    /// What most use.
    #[default]
    Sha256,
    /// The long one.
    Sha512,
}

/// How bytes are written in a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two digits a byte, of either case.
    #[default]
    Hex,
    /// RFC 4648, 4, padded.
    Base64,
}

/// The secret itself in a header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenProof {
    /// The header's name. In `Authorization`, `Bearer ` may stand before the secret.
    pub header: String,
}

/// HTTP basic authentication (RFC 7617).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BasicProof {
    /// The user name; any when none is given.
    pub username: Option<String>,
}

/// A token that an identity provider signed. Everything stated here must hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtProof {
    /// Who may have issued it (`iss`).
    pub issuers: Vec<String>,
    /// For whom it must be (`aud`).
    pub audience: String,
    /// Where the issuer's keys are: the URL of a JSON Web Key Set (RFC 7517).
    pub jwks: String,
    /// Whom it must speak for: a verified `email`.
    #[serde(default)]
    pub email: Option<String>,
    /// Whom it must speak for (`sub`).
    #[serde(default)]
    pub subject: Option<String>,
}

/// A client certificate that the proxy in front has verified.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyTlsProof {
    /// The header in which the proxy names the certificate's subject.
    pub header: String,
    /// The subjects that are let in.
    pub subjects: Vec<String>,
    /// The proxy's addresses; the header is believed from these alone.
    pub from: Vec<AddressRange>,
}

/// How long a stated time may differ from ours, as Standard Webhooks and Slack recommend.
pub const TOLERANCE: Duration = Duration::from_mins(5);

impl Proof {
    /// Its name in the config, which is also what events carry where no secret stands behind it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "hmac",
            Self::Token(_) => "token",
            Self::Basic(_) => "basic",
            Self::Path => "path",
            Self::Jwt(_) => "jwt",
            Self::StandardWebhooks => "standard_webhooks",
            Self::Slack => "slack",
            Self::ProxyTls(_) => "proxy_tls",
        }
    }

    /// What would make it prove nothing, or never hold.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Hmac(HmacProof { header, .. }) | Self::Token(TokenProof { header }) => bad_header(header),
            Self::Basic(_) | Self::Path | Self::StandardWebhooks | Self::Slack => None,
            Self::Jwt(jwt) => jwt.problem(),
            Self::ProxyTls(proxy) => proxy.problem(),
        }
    }
}

impl JwtProof {
    fn problem(&self) -> Option<String> {
        if self.issuers.is_empty() || self.issuers.iter().any(String::is_empty) {
            return Some("`issuers` must name who issues the tokens".to_owned());
        }
        if self.audience.is_empty() {
            return Some("`audience` is empty; a token for anybody else would pass".to_owned());
        }
        if self.email.is_none() && self.subject.is_none() {
            return Some("give `email` or `subject`; everybody the issuer knows would pass".to_owned());
        }
        let fetched_safely = Url::parse(&self.jwks)
            .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
        (!fetched_safely).then(|| "`jwks` must be an https:// URL; plain http only from this machine".to_owned())
    }
}

impl ProxyTlsProof {
    fn problem(&self) -> Option<String> {
        if self.subjects.is_empty() || self.subjects.iter().any(String::is_empty) {
            return Some("`subjects` must name whose certificates are let in".to_owned());
        }
        if self.from.is_empty() || self.from.iter().any(|range| range.network().prefix_len() == 0) {
            return Some(
                "`from` must name the proxy's addresses; from anywhere else the header can be forged".to_owned(),
            );
        }
        bad_header(&self.header)
    }
}

/// A header's name is a token (RFC 9110, 5.1).
fn bad_header(name: &str) -> Option<String> {
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let good = !name.is_empty() && name.bytes().all(is_token);
    (!good).then(|| format!("`{name}` is no name of a header"))
}

/// Whether it leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}
