//! An identity provider to test with, and what is asked of an issuer that stands for it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::*;

pub(super) const LONG: Duration = Duration::from_hours(1);
/// Keys are fresh all along, and asked for whenever one is unknown.
pub(in super::super) const FRESH: Times = Times { fresh: LONG, stale: LONG, pause: Duration::ZERO };
/// Keys are old at once, and good while the provider is away.
pub(super) const OLD: Times = Times { fresh: Duration::ZERO, ..FRESH };

/// A key of a provider's.
pub(in super::super) struct Pair {
    kid: &'static str,
    key: EcdsaKeyPair,
}

impl Pair {
    pub(in super::super) fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { kid, key }
    }

    pub(super) fn point(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    pub(super) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (encode(&self.point()[1..33]), encode(&self.point()[33..]));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256", "x": x, "y": y })
    }

    pub(in super::super) fn signs(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with everything in order.
    pub(in super::super) fn token(&self) -> String {
        self.signs(&json!({ "alg": "ES256", "kid": self.kid }), &claims())
    }
}

pub(super) fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    Answers,
    Fails,
    /// Takes the question, and says nothing until it is in another mode.
    Hangs,
}

/// An identity provider.
pub(in super::super) struct Provider {
    url: String,
    asked: Arc<AtomicUsize>,
    pub(super) mode: watch::Sender<Mode>,
    keys: Arc<Mutex<Value>>,
}

impl Provider {
    pub(in super::super) fn with(pair: &Pair) -> Self {
        let (asked, mode) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(Mode::Answers));
        let keys = Arc::new(Mutex::new(Value::Null));
        let (counted, watched, told) = (asked.clone(), mode.clone(), keys.clone());
        let answer = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let (mut mode, told) = (watched.subscribe(), told.clone());
            async move {
                let mode = *mode.wait_for(|mode| *mode != Mode::Hangs).await.unwrap();
                if mode == Mode::Fails {
                    return HttpResponse::BadGateway().finish();
                }
                HttpResponse::Ok().json(&*told.lock().unwrap())
            }
        };
        let app = move || App::new().default_service(web::to(answer.clone()));
        let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/certs", server.addrs()[0]);
        tokio::spawn(server.run());
        let provider = Self { url, asked, mode, keys };
        provider.has(pair);
        provider
    }

    /// From now on this is its key, besides one of a kind that nobody here knows.
    pub(super) fn has(&self, pair: &Pair) {
        self.tells(&[json!({ "kty": "OKP", "crv": "Ed25519", "x": 7 }), pair.jwk()]);
    }

    pub(super) fn tells(&self, keys: &[Value]) {
        *self.keys.lock().unwrap() = json!({ "keys": keys });
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(in super::super) fn issuer(&self, times: Times) -> Issuer {
        self.issuer_of(Some("push@acme.example"), None, times)
    }

    /// With those named whom a token must speak for.
    pub(super) fn issuer_of(&self, email: Option<&str>, subject: Option<&str>, times: Times) -> Issuer {
        let (email, subject) = (email.map(ToOwned::to_owned), subject.map(ToOwned::to_owned));
        let (issuers, audience) = (vec!["https://accounts.example".to_owned()], "https://windlass.example".to_owned());
        Issuer::with(JwtProof { issuers, audience, jwks: self.url.clone(), email, subject }, times).unwrap()
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(in super::super) fn claims() -> Value {
    json!({
        "iss": "https://accounts.example", "aud": "https://windlass.example", "exp": now() + 600, "sub": "1",
        "email": "push@acme.example", "email_verified": true,
    })
}

pub(super) async fn ask(issuer: &Issuer, token: &str) -> Result<String, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert(actix_web::http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    issuer.known(&headers).await
}

pub(super) async fn refused(issuer: &Issuer, token: &str) -> bool {
    matches!(ask(issuer, token).await, Err(Refusal::NotAuthentic(_)))
}

/// Nobody can say whether it is genuine.
pub(super) async fn open(issuer: &Issuer, token: &str) -> bool {
    matches!(ask(issuer, token).await, Err(Refusal::NoSecret))
}
