//! What a secret's text is to its proof, and which texts can be none. No error repeats any of the text.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use runtime::config::{HmacAlgorithm, Proof};

use crate::proof::Mac;

/// The shortest key that is taken for Standard Webhooks, in bytes. Version 1.0.0 asks for 24 to 64 ("Signature scheme");
/// a little less still cannot be guessed, and what is much less was cut off on its way.
const SHORTEST_KEY: usize = 16;

/// What a secret's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The key itself, for this MAC.
    Plain(HmacAlgorithm),
    /// The key in base64, perhaps after `whsec_` (Standard Webhooks 1.0.0).
    Base64,
    /// What is shown in a header.
    InHeader,
    /// What is shown as the last part of a URL.
    InPath,
    /// What is shown as a password.
    Password,
}

impl Form {
    pub(super) fn of(proof: &Proof) -> Self {
        match proof {
            Proof::Hmac(hmac) => Self::Plain(hmac.algorithm),
            Proof::Slack => Self::Plain(HmacAlgorithm::Sha256),
            Proof::StandardWebhooks => Self::Base64,
            Proof::Token(_) => Self::InHeader,
            Proof::Path => Self::InPath,
            // The last two are proven by no secret.
            Proof::Basic(_) | Proof::Jwt(_) | Proof::ProxyTls(_) => Self::Password,
        }
    }

    /// A MAC keyed with this text. Fails when the text does not have the form, or nobody could ever show it.
    pub(super) fn mac(self, secret: &str) -> Result<Mac> {
        ensure!(!secret.trim().is_empty(), "it is empty; write a secret into it");
        match self {
            Self::InHeader => check_header(secret)?,
            Self::InPath => check_path(secret)?,
            Self::Plain(_) | Self::Base64 | Self::Password => {}
        }
        let mac = match self {
            Self::Plain(algorithm) => Mac::new(algorithm, secret.as_bytes()),
            Self::Base64 => Mac::new(HmacAlgorithm::Sha256, &decoded(secret)?),
            // They are compared by their digests.
            Self::InHeader | Self::InPath | Self::Password => Mac::new(HmacAlgorithm::Sha256, secret.as_bytes()),
        };
        mac.context("no MAC can be keyed with it")
    }
}

fn decoded(secret: &str) -> Result<Vec<u8>> {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok();
    let key = key.context("it must be base64, after `whsec_` or alone")?;
    ensure!(
        key.len() >= SHORTEST_KEY,
        "it holds a key of {} bytes, and Standard Webhooks asks for 24 to 64: copy all of it, or make a new one \
         (`openssl rand -base64 32`) and set it at the sender too",
        key.len()
    );
    Ok(key)
}

/// A header's value (RFC 9110, 5.5) has no spaces around it, and nothing in it that is not seen.
fn check_header(secret: &str) -> Result<()> {
    let outer = |c: char| c == ' ' || c == '\t';
    ensure!(
        !secret.starts_with(outer) && !secret.ends_with(outer),
        "it begins or ends with a space, which no header's value does; take that off"
    );
    ensure!(
        !secret.chars().any(|c| c != '\t' && c.is_ascii_control()),
        "it holds a line's end or another control character, which no header can carry; take that out"
    );
    Ok(())
}

/// A part of a URL's path (RFC 3986, 3.3), of what stands there for itself: anything else comes escaped, or not at all.
fn check_path(secret: &str) -> Result<()> {
    let stands = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&b);
    ensure!(
        secret.bytes().all(stands) && secret != "." && secret != "..",
        "it cannot stand in a URL as it is (`?`, `#`, `%`, `/` or a space are in it, or the like); make one of letters, \
         digits, `-`, `_` and `.`, and set it at the sender too"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn refused(form: Form, secret: &str, says: &str) {
        let why = form.mac(secret).err().unwrap_or_else(|| panic!("{form:?} takes {secret:?}"));
        assert!(why.to_string().contains(says), "{form:?} {secret:?}: {why}");
    }

    #[test]
    fn what_is_empty_is_no_secret_whatever_proves_with_it() {
        let plain = [HmacAlgorithm::Sha1, HmacAlgorithm::Sha256, HmacAlgorithm::Sha512].map(Form::Plain);
        for form in plain.into_iter().chain([Form::Base64, Form::InHeader, Form::InPath, Form::Password]) {
            for nothing in ["", " ", "\t\n "] {
                refused(form, nothing, "it is empty");
            }
        }
    }

    #[test]
    fn a_key_in_base64_is_neither_empty_nor_cut_off() {
        refused(Form::Base64, "whsec_", "a key of 0 bytes");
        refused(Form::Base64, "whsec_AAAA", "a key of 3 bytes");
        refused(Form::Base64, "b2xk", "24 to 64");
        refused(Form::Base64, "whsec_no base64", "base64");
        refused(Form::Base64, "whsec_whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64");
        for whole in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "AAAAAAAAAAAAAAAAAAAAAA=="] {
            assert!(Form::Base64.mac(whole).is_ok(), "{whole}");
        }
    }

    #[test]
    fn what_no_header_carries_is_no_token() {
        for outer in [" token", "token ", "\ttoken", "token\t"] {
            refused(Form::InHeader, outer, "space");
        }
        for control in ["to\nken", "token\r", "to\0ken", "to\u{7f}ken"] {
            refused(Form::InHeader, control, "control character");
        }
        for whole in ["token", "to ken", "Bearer token", "to\tken", "t\u{f6}ken", "%2F?#/"] {
            assert!(Form::InHeader.mac(whole).is_ok(), "{whole}");
        }
        // Where it is no header, it may be meant.
        assert!(
            Form::Plain(HmacAlgorithm::Sha256).mac(" token\n").is_ok() && Form::Password.mac(" pass\nword").is_ok()
        );
    }

    #[test]
    fn what_no_url_carries_as_it_is_is_no_secret_in_a_path() {
        for escaped in ["a?b", "a#b", "a%62", "a/b", "a b", "a\\b", "\u{e4}b", "a\nb", "a\"b", "a<b", "a|b", ".", ".."]
        {
            refused(Form::InPath, escaped, "URL");
        }
        for whole in ["aB9-._~", "a+b=c&d", "...", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(Form::InPath.mac(whole).is_ok(), "{whole}");
        }
    }
}
