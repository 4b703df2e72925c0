//! Tokens that an identity provider signed: JWS compact form (RFC 7515) of a JWT (RFC 7519), by RS256 or ES256
//! (RFC 7518), with keys from the provider's JSON Web Key Set (RFC 7517).
//!
//! The signatures are ring's, which is in every build of ours; the crates for JWT bring a second set of cryptography,
//! and what is theirs besides it are the few checks below. The token says which key; the key says which algorithm.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::http::header::HeaderMap;
use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use runtime::config::JwtProof;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{sync::Mutex, time::Instant};

use super::only;
use crate::answer::Refusal;

/// How long keys are used before they are asked for again.
const FRESH: Duration = Duration::from_hours(1);
/// The least time between two questions, so that tokens with invented keys do not make us ask again and again.
const PAUSE: Duration = Duration::from_secs(30);
/// How far the issuer's clock and ours may lie apart, in seconds.
const LEEWAY: u64 = 60;
/// The largest token, and the largest key set, in bytes.
const LARGEST_TOKEN: usize = 16 * 1024;
const LARGEST_SET: usize = 256 * 1024;

/// An identity provider whose word is believed, about those the config names.
pub(crate) struct Issuer {
    proof: JwtProof,
    client: reqwest::Client,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: BTreeMap<String, Jwk>,
    fetched: Option<Instant>,
    asked: Option<Instant>,
}

#[derive(Debug, Clone, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    /// RSA: modulus and exponent. EC: coordinates. Each in base64url.
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
    /// Extensions that must be understood; we understand none.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    #[serde(default)]
    nbf: Option<u64>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Issuer {
    pub(super) fn new(proof: JwtProof) -> Result<Self> {
        Ok(Self { proof, client: runtime::http::trusted()?, keys: Mutex::default() })
    }

    /// Judges the bearer's token.
    pub(super) async fn known(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let value = only(headers, "authorization").and_then(|value| std::str::from_utf8(value).ok());
        let token = value.and_then(|value| value.split_at_checked(7)).ok_or(Refusal::NotAuthentic)?;
        let (_, token) = Some(token).filter(|(s, _)| s.eq_ignore_ascii_case("bearer ")).ok_or(Refusal::NotAuthentic)?;
        let (header, signed, signature) = parts(token).ok_or(Refusal::NotAuthentic)?;
        let key = self.key(&header.kid).await?.ok_or(Refusal::NotAuthentic)?;
        let claims = Some(signed)
            .filter(|_| header.crit.is_none() && key.signed(&header.alg, signed.as_bytes(), &signature))
            .and_then(|signed| decode::<Claims>(signed.split_once('.')?.1));
        match claims {
            Some(claims) if self.holds(&claims) => Ok("jwt".to_owned()),
            _ => Err(Refusal::NotAuthentic),
        }
    }

    /// Whether the token is for us, from them, valid now, and about whom the config names.
    fn holds(&self, claims: &Claims) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let audience = match &claims.aud {
            Audience::One(one) => *one == self.proof.audience,
            Audience::Several(several) => several.contains(&self.proof.audience),
        };
        let email = self.proof.email.is_none() || (claims.email == self.proof.email && claims.email_verified);
        let subject = self.proof.subject.is_none() || claims.sub == self.proof.subject;
        let begun = claims.nbf.is_none_or(|begin| begin <= now + LEEWAY);
        self.proof.issuers.contains(&claims.iss)
            && audience
            && email
            && subject
            && begun
            && now <= claims.exp.saturating_add(LEEWAY)
    }

    /// The key of this id. Asked for under a lock, so that many tokens at once are one question to the provider.
    async fn key(&self, id: &str) -> Result<Option<Jwk>, Refusal> {
        let mut keys = self.keys.lock().await;
        let since = |time: Option<Instant>| time.map(|time| time.elapsed());
        let fresh = since(keys.fetched).is_some_and(|age| age < FRESH);
        let may_ask = since(keys.asked).is_none_or(|age| age >= PAUSE);
        if may_ask && !(fresh && keys.by_id.contains_key(id)) {
            keys.asked = Some(Instant::now());
            match self.fetch().await {
                Ok(by_id) => {
                    keys.by_id = by_id;
                    keys.fetched = Some(Instant::now());
                }
                // The keys we have are as good as before.
                Err(error) => tracing::warn!("the keys at `proof.jwt.jwks` are not to be had: {error:#}"),
            }
        }
        if keys.fetched.is_none() { Err(Refusal::NoSecret) } else { Ok(keys.by_id.get(id).cloned()) }
    }

    async fn fetch(&self) -> Result<BTreeMap<String, Jwk>> {
        let answer = self.client.get(&self.proof.jwks).timeout(Duration::from_secs(10)).send().await;
        let answer = answer.map_err(runtime::http::HttpError::from)?;
        if !answer.status().is_success() {
            bail!("it answered {}", answer.status());
        }
        let body = runtime::http::read_bounded(answer, LARGEST_SET).await?;
        let set: KeySet = serde_json::from_slice(&body).context("it is no JSON Web Key Set")?;
        // Keys of other kinds may stand among them.
        let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(keys.filter(|key| key.purpose.as_deref() != Some("enc")).map(|key| (key.kid.clone(), key)).collect())
    }
}

impl Jwk {
    /// Whether it signed this. A key is for one algorithm: its own, if it says one, and its kind's in any case; so
    /// neither `none` nor an HMAC keyed with the public key is ever asked for.
    fn signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        if self.alg.as_deref().is_some_and(|own| own != algorithm) {
            return false;
        }
        let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        match (self.kty.as_str(), algorithm) {
            ("RSA", "RS256") => RsaPublicKeyComponents { n: bytes(&self.n), e: bytes(&self.e) }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            ("EC", "ES256") if self.crv.as_deref() == Some("P-256") => {
                let point = [vec![4], bytes(&self.x), bytes(&self.y)].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// The token's header, the text that is signed, and the signature.
fn parts(token: &str) -> Option<(Header, &str, Vec<u8>)> {
    let (signed, signature) = token.rsplit_once('.').filter(|_| token.len() <= LARGEST_TOKEN)?;
    let (header, claims) = signed.split_once('.')?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    (!claims.contains('.')).then_some((decode(header)?, signed, signature))
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use actix_web::{App, HttpServer, web};
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    use serde_json::{Value, json};

    use super::*;

    /// RFC 7515, appendix A.2: the key, what was signed, and its signature.
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
        T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEM\
        a2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g\
        b54h4FRWyuXpoQ";
    const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
        S9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
        jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383\
        LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig\
        cN_IoypGlUPQGe77Rw";

    #[test]
    fn the_specifications_own_example_is_verified_and_only_as_what_it_is() {
        let rsa = |alg: Option<&str>| -> Jwk {
            serde_json::from_value(json!({ "kty": "RSA", "n": N, "e": "AQAB", "alg": alg })).unwrap()
        };
        let signature = BASE64_URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap();
        assert!(rsa(None).signed("RS256", SIGNED.as_bytes(), &signature));
        assert!(rsa(Some("RS256")).signed("RS256", SIGNED.as_bytes(), &signature));
        for algorithm in ["none", "HS256", "RS512", "ES256", ""] {
            assert!(!rsa(None).signed(algorithm, SIGNED.as_bytes(), &signature), "{algorithm}");
        }
        assert!(!rsa(Some("RS512")).signed("RS256", SIGNED.as_bytes(), &signature), "a key for something else");
        assert!(!rsa(None).signed("RS256", &SIGNED.as_bytes()[1..], &signature));
        assert!(!rsa(None).signed("RS256", SIGNED.as_bytes(), &signature[1..]));
    }

    /// An identity provider: a key of its own, and a server that tells it.
    struct Provider {
        key: EcdsaKeyPair,
        url: String,
        asked: &'static AtomicUsize,
        up: &'static AtomicUsize,
    }

    impl Provider {
        fn start() -> Self {
            let random = SystemRandom::new();
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
            let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
            let point = key.public_key().as_ref();
            let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
            let set = json!({ "keys": [
                { "kty": "OKP", "crv": "Ed25519", "x": 7 },
                { "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": x, "y": y },
            ]});
            let asked: &AtomicUsize = Box::leak(Box::default());
            let up: &AtomicUsize = Box::leak(Box::new(AtomicUsize::new(1)));
            let answer = move || {
                let set = set.clone();
                async move {
                    asked.fetch_add(1, Ordering::SeqCst);
                    let there = up.load(Ordering::SeqCst) == 1;
                    if there {
                        actix_web::HttpResponse::Ok().json(set)
                    } else {
                        actix_web::HttpResponse::BadGateway().finish()
                    }
                }
            };
            let app = move || App::new().default_service(web::to(answer.clone()));
            let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/certs", server.addrs()[0]);
            tokio::spawn(server.run());
            Self { key, url, asked, up }
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", encode(header), encode(claims));
            let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
        }

        fn issuer(&self) -> Issuer {
            let (issuers, email) = (vec!["https://accounts.example".to_owned()], Some("push@acme.example".to_owned()));
            let (audience, jwks) = ("https://windlass.example".to_owned(), self.url.clone());
            Issuer::new(JwtProof { issuers, audience, jwks, email, subject: None }).unwrap()
        }
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    fn claims() -> Value {
        json!({
            "iss": "https://accounts.example", "aud": "https://windlass.example", "exp": now() + 600, "sub": "1",
            "email": "push@acme.example", "email_verified": true,
        })
    }

    async fn ask(issuer: &Issuer, token: &str) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(actix_web::http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        issuer.known(&headers).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_is_believed_when_everything_stated_holds() {
        let provider = Provider::start();
        let issuer = provider.issuer();
        let header = json!({ "alg": "ES256", "kid": "one" });
        assert_eq!(ask(&issuer, &provider.token(&header, &claims())).await.unwrap(), "jwt");
        let mut several = claims();
        several["aud"] = json!(["https://other.example", "https://windlass.example"]);
        ask(&issuer, &provider.token(&header, &several)).await.unwrap();
        let wrong = [
            ("iss", json!("https://evil.example")),
            ("aud", json!("https://other.example")),
            ("aud", json!([])),
            ("exp", json!(now() - 120)),
            ("nbf", json!(now() + 120)),
            ("email", json!("else@acme.example")),
            ("email", Value::Null),
            ("email_verified", json!(false)),
            ("email_verified", json!("true")),
        ];
        for (name, value) in wrong {
            let mut claims = claims();
            claims[name] = value.clone();
            let refused = ask(&issuer, &provider.token(&header, &claims)).await;
            assert!(matches!(refused, Err(Refusal::NotAuthentic)), "{name}: {value}: {refused:?}");
        }
        for header in [
            json!({ "alg": "none", "kid": "one" }),
            json!({ "alg": "HS256", "kid": "one" }),
            json!({ "alg": "RS256", "kid": "one" }),
            json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }),
            json!({ "alg": "ES256" }),
            json!({ "kid": "one" }),
        ] {
            let refused = ask(&issuer, &provider.token(&header, &claims())).await;
            assert!(matches!(refused, Err(Refusal::NotAuthentic)), "{header}: {refused:?}");
        }
        let good = provider.token(&header, &claims());
        let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
        for token in [&good[1..], &good[..good.len() - 1], &unsigned, "", "..", "a.b.c", &format!("{good}.x")] {
            assert!(matches!(ask(&issuer, token).await, Err(Refusal::NotAuthentic)), "{token}");
        }
        let another = Provider::start();
        assert!(matches!(ask(&issuer, &another.token(&header, &claims())).await, Err(Refusal::NotAuthentic)));
        assert_eq!(provider.asked.load(Ordering::SeqCst), 1, "the keys were asked for once, whatever was invented");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn without_the_providers_keys_nobody_is_refused_for_good_and_nobody_is_let_in() {
        let provider = Provider::start();
        provider.up.store(0, Ordering::SeqCst);
        let issuer = provider.issuer();
        let token = provider.token(&json!({ "alg": "ES256", "kid": "one" }), &claims());
        for _ in 0..3 {
            assert!(matches!(ask(&issuer, &token).await, Err(Refusal::NoSecret)));
        }
        assert_eq!(provider.asked.load(Ordering::SeqCst), 1, "it is not asked at each request");
    }
}
