//! What a token must be, and what is done while the provider's keys change, or it is away.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, web};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;

const LONG: Duration = Duration::from_hours(1);
/// Keys are fresh all along, and asked for whenever one is unknown.
pub(super) const FRESH: Times = Times { fresh: LONG, stale: LONG, pause: Duration::ZERO };
/// Keys are old at once, and good while the provider is away.
const OLD: Times = Times { fresh: Duration::ZERO, ..FRESH };

/// RFC 7515, appendix A.2: the key, what was signed, and its signature.
pub(super) const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEM\
    a2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g\
    b54h4FRWyuXpoQ";
pub(super) const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
    S9pc19yb290Ijp0cnVlfQ";
pub(super) const SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
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
    // A sign's byte before a number, as some libraries write it, changes no number.
    let mut modulus = vec![0];
    modulus.extend(BASE64_URL_SAFE_NO_PAD.decode(N).unwrap());
    let padded = json!({ "kty": "RSA", "n": BASE64_URL_SAFE_NO_PAD.encode(modulus), "e": "AAEAAQ" });
    let padded: Jwk = serde_json::from_value(padded).unwrap();
    assert!(padded.is_usable() && padded.signed("RS256", SIGNED.as_bytes(), &signature));
    assert!(!rsa(None).signed("RS256", &SIGNED.as_bytes()[1..], &signature));
    assert!(!rsa(None).signed("RS256", SIGNED.as_bytes(), &signature[1..]));
}

#[test]
fn a_key_is_usable_only_for_what_it_is_and_what_is_known_here() {
    let pair = Pair::new("one");
    let rsa =
        json!({ "kty": "RSA", "n": N, "e": "AQAB", "kid": "a", "use": "sig", "alg": "RS256", "key_ops": ["verify"] });
    let usable = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        serde_json::from_value::<Jwk>(key).is_ok_and(|key| key.is_usable())
    };
    for key in [&rsa, &pair.jwk()] {
        assert!(usable(key, "kid", json!("a")) && usable(key, "alg", Value::Null) && usable(key, "use", Value::Null));
        for (name, value) in [
            ("use", json!("enc")),
            ("key_ops", json!(["encrypt"])),
            ("alg", json!("RS512")),
            ("alg", json!("HS256")),
            ("kty", json!("OKP")),
            ("kty", json!("oct")),
        ] {
            assert!(!usable(key, name, value.clone()), "{name}: {value}: {key}");
        }
    }
    assert!(!usable(&rsa, "n", json!("")) && !usable(&rsa, "e", json!("")) && !usable(&rsa, "n", json!("AQAB")));
    assert!(!usable(&pair.jwk(), "crv", json!("P-384")) && !usable(&pair.jwk(), "x", json!("AQAB")));
}

#[tokio::test]
async fn only_keys_that_could_verify_something_are_counted_as_usable() {
    let pair = Pair::new("one");
    let provider = Provider::with(&pair);
    let count = async || provider.issuer(Times::default()).count_keys().await.unwrap();
    assert_eq!(count().await, IssuerKeys { told: 2, usable: 1 });
    let mut other = pair.jwk();
    other["use"] = json!("enc");
    *provider.keys.lock().unwrap() = json!({ "keys": [other, { "kty": "RSA", "alg": "RS512", "n": N, "e": "AQAB" }] });
    assert_eq!(count().await, IssuerKeys { told: 2, usable: 0 });
}

/// A key of a provider's.
pub(super) struct Pair {
    kid: &'static str,
    key: EcdsaKeyPair,
}

impl Pair {
    pub(super) fn new(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { kid, key }
    }

    fn point(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (encode(&self.point()[1..33]), encode(&self.point()[33..]));
        json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256", "x": x, "y": y })
    }

    pub(super) fn signs(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with everything in order.
    pub(super) fn token(&self) -> String {
        self.signs(&json!({ "alg": "ES256", "kid": self.kid }), &claims())
    }
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Answers,
    Fails,
    /// Takes the question, and says nothing until it is in another mode.
    Hangs,
}

/// An identity provider.
pub(super) struct Provider {
    url: String,
    asked: Arc<AtomicUsize>,
    mode: watch::Sender<Mode>,
    keys: Arc<Mutex<Value>>,
}

impl Provider {
    pub(super) fn with(pair: &Pair) -> Self {
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
    fn has(&self, pair: &Pair) {
        self.tells(&[json!({ "kty": "OKP", "crv": "Ed25519", "x": 7 }), pair.jwk()]);
    }

    fn tells(&self, keys: &[Value]) {
        *self.keys.lock().unwrap() = json!({ "keys": keys });
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn issuer(&self, times: Times) -> Issuer {
        self.issuer_of(Some("push@acme.example"), None, times)
    }

    /// With those named whom a token must speak for.
    fn issuer_of(&self, email: Option<&str>, subject: Option<&str>, times: Times) -> Issuer {
        let (email, subject) = (email.map(ToOwned::to_owned), subject.map(ToOwned::to_owned));
        let (issuers, audience) = (vec!["https://accounts.example".to_owned()], "https://windlass.example".to_owned());
        Issuer::with(JwtProof { issuers, audience, jwks: self.url.clone(), email, subject }, times).unwrap()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(super) fn claims() -> Value {
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

async fn refused(issuer: &Issuer, token: &str) -> bool {
    matches!(ask(issuer, token).await, Err(Refusal::NotAuthentic(_)))
}

/// Nobody can say whether it is genuine.
async fn open(issuer: &Issuer, token: &str) -> bool {
    matches!(ask(issuer, token).await, Err(Refusal::NoSecret))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_believed_when_everything_stated_holds() {
    let pair = Pair::new("one");
    let provider = Provider::with(&pair);
    let issuer = provider.issuer(Times::default());
    let header = json!({ "alg": "ES256", "kid": "one" });
    assert_eq!(ask(&issuer, &pair.token()).await.unwrap(), "jwt");
    let fraction = |seconds: u64| f64::from(u32::try_from(seconds).unwrap()) + 0.25;
    for (name, value) in [
        ("aud", json!(["https://other.example", "https://windlass.example"])),
        ("exp", json!(fraction(now() + 600))),
        ("nbf", json!(fraction(now() - 1))),
        ("iat", json!(fraction(now() - 1))),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        ask(&issuer, &pair.signs(&header, &claims)).await.unwrap_or_else(|why| panic!("{name}: {value}: {why}"));
    }
    let wrong = [
        ("iss", json!("https://evil.example")),
        ("aud", json!("https://other.example")),
        ("aud", json!([])),
        ("exp", json!(now() - 120)),
        ("exp", json!(fraction(now() - 120))),
        ("exp", json!((now() + 600).to_string())),
        ("exp", Value::Null),
        ("nbf", json!(now() + 120)),
        ("nbf", json!(fraction(now() + 120))),
        ("email", json!("else@acme.example")),
        ("email", Value::Null),
        ("email_verified", json!(false)),
        ("email_verified", json!("true")),
    ];
    for (name, value) in wrong {
        let mut claims = claims();
        claims[name] = value.clone();
        assert!(refused(&issuer, &pair.signs(&header, &claims)).await, "{name}: {value}");
    }
    for header in [
        json!({ "alg": "RS256", "kid": "one" }),
        json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }),
        json!({ "alg": "ES256" }),
        json!({ "kid": "one" }),
    ] {
        assert!(refused(&issuer, &pair.signs(&header, &claims())).await, "{header}");
    }
    let good = pair.token();
    for token in [&good[1..], &good[..good.len() - 1], "", "..", "a.b.c", &format!("{good}.x")] {
        assert!(refused(&issuer, token).await, "{token}");
    }
    assert!(refused(&issuer, &Pair::new("one").token()).await, "another's key of the same name");
    assert_eq!(provider.asked(), 1, "the keys were asked for once, whatever was invented");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_for_is_not_judged() {
    let pair = Pair::new("one");
    let provider = Provider::with(&pair);
    let (by_subject, by_both) =
        (provider.issuer_of(None, Some("1"), FRESH), provider.issuer_of(Some("push@acme.example"), Some("1"), FRESH));
    let header = json!({ "alg": "ES256", "kid": "one" });
    for (name, value) in [
        ("email_verified", json!("true")),
        ("email_verified", json!(1)),
        ("email_verified", Value::Null),
        ("email", json!(["push@acme.example"])),
        ("email", Value::Null),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        let token = pair.signs(&header, &claims);
        assert_eq!(ask(&by_subject, &token).await.unwrap(), "jwt", "{name}: {value}");
        assert!(refused(&by_both, &token).await, "{name}: {value}");
    }
    for wrong in [json!("2"), json!(1), Value::Null] {
        let mut claims = claims();
        claims["sub"] = wrong.clone();
        assert!(refused(&by_subject, &pair.signs(&header, &claims)).await, "sub: {wrong}");
    }
    ask(&by_both, &pair.token()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_share_a_name_or_have_none_are_all_tried() {
    let nameless = [Pair::new(""), Pair::new(""), Pair::new("")];
    let named = [Pair::new("one"), Pair::new("one")];
    let provider = Provider::with(&named[0]);
    let without_name = |pair: &Pair| {
        let mut key = pair.jwk();
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    let told: Vec<_> = nameless.iter().map(without_name).chain(named.iter().map(Pair::jwk)).collect();
    provider.tells(&told);
    let issuer = provider.issuer(FRESH);
    for pair in &nameless {
        ask(&issuer, &pair.signs(&json!({ "alg": "ES256" }), &claims())).await.unwrap();
    }
    for pair in &named {
        ask(&issuer, &pair.token()).await.unwrap();
        assert!(
            refused(&issuer, &pair.signs(&json!({ "alg": "ES256" }), &claims())).await,
            "it is not among the nameless"
        );
    }
    assert!(refused(&issuer, &Pair::new("").signs(&json!({ "alg": "ES256" }), &claims())).await, "a stranger's");
    assert_eq!(issuer.count_keys().await.unwrap().usable, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_signs_nothing() {
    let pair = Pair::new("one");
    let provider = Provider::with(&pair);
    let issuer = provider.issuer(FRESH);
    ask(&issuer, &pair.token()).await.unwrap();
    let algorithm = |name: &str| json!({ "alg": name, "kid": "one" });
    // The public key in every form somebody's HMAC may take for its secret.
    let published = pair.jwk().to_string();
    for public in [pair.point(), &pair.point()[1..], published.as_bytes(), pair.jwk()["x"].as_str().unwrap().as_bytes()]
    {
        let signed = format!("{}.{}", encoded(&algorithm("HS256")), encoded(&claims()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public), signed.as_bytes());
        let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac));
        assert!(refused(&issuer, &token).await, "{token}");
    }
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let signed = format!("{}.{}", encoded(&algorithm(none)), encoded(&claims()));
        assert!(refused(&issuer, &format!("{signed}.")).await, "{none}, unsigned");
        assert!(refused(&issuer, &pair.signs(&algorithm(none), &claims())).await, "{none}, signed");
    }
    let good = pair.token();
    assert!(refused(&issuer, &format!("{}.", good.rsplit_once('.').unwrap().0)).await, "its signature cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_fetched_when_it_is_met_and_an_old_one_is_gone() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let provider = Provider::with(&old);
    let issuer = provider.issuer(FRESH);
    ask(&issuer, &old.token()).await.unwrap();
    provider.has(&new);
    ask(&issuer, &new.token()).await.unwrap();
    assert!(refused(&issuer, &old.token()).await, "the provider has it no longer");
    assert_eq!(provider.asked(), 3, "once for each key that was not known");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_under_the_same_name_is_fetched_when_it_is_met() {
    let (old, new) = (Pair::new("one"), Pair::new("one"));
    let provider = Provider::with(&old);
    let issuer = provider.issuer(FRESH);
    ask(&issuer, &old.token()).await.unwrap();
    provider.has(&new);
    ask(&issuer, &new.token()).await.unwrap();
    assert_eq!(provider.asked(), 2);
    assert!(refused(&issuer, &old.token()).await, "the provider has it no longer");
    // What is out of date is no reason to ask, whoever signed it.
    let asked = provider.asked();
    let mut late = claims();
    late["exp"] = json!(now() - 120);
    assert!(refused(&issuer, &old.signs(&json!({ "alg": "ES256", "kid": "one" }), &late)).await);
    assert_eq!(provider.asked(), asked);
    // Nor is the provider asked at each forgery.
    let slow = provider.issuer(Times { pause: LONG, ..FRESH });
    for _ in 0..3 {
        assert!(refused(&slow, &old.token()).await);
    }
    ask(&slow, &new.token()).await.unwrap();
    assert_eq!(provider.asked(), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_keys_do_not_flood_the_provider() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let provider = Provider::with(&old);
    let issuer = Arc::new(provider.issuer(Times { pause: LONG, ..FRESH }));
    ask(&issuer, &old.token()).await.unwrap();
    provider.has(&new);
    let invented = (0..100).map(|n| {
        let (issuer, header) = (issuer.clone(), json!({ "alg": "ES256", "kid": format!("invented-{n}") }));
        let token = old.signs(&header, &claims());
        tokio::spawn(async move { refused(&issuer, &token).await })
    });
    for invented in invented.collect::<Vec<_>>() {
        assert!(invented.await.unwrap(), "the provider was asked just now, and did not name it");
    }
    assert!(refused(&issuer, &new.token()).await, "it has to wait for the next question");
    ask(&issuer, &old.token()).await.unwrap();
    assert_eq!(provider.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_tokens_are_one_question() {
    let pair = Pair::new("one");
    let provider = Provider::with(&pair);
    provider.mode.send_replace(Mode::Hangs);
    let issuer = Arc::new(provider.issuer(FRESH));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (issuer, token) = (issuer.clone(), pair.token());
            tokio::spawn(async move { ask(&issuer, &token).await })
        })
        .collect();
    while provider.asked() == 0 {
        tokio::task::yield_now().await;
    }
    provider.mode.send_replace(Mode::Answers);
    for waiting in waiting {
        waiting.await.unwrap().unwrap();
    }
    assert_eq!(provider.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_providers_keys_nobody_is_refused_for_good_and_nobody_is_let_in() {
    let pair = Pair::new("one");
    let provider = Provider::with(&pair);
    provider.mode.send_replace(Mode::Fails);
    let issuer = provider.issuer(Times::default());
    for _ in 0..3 {
        assert!(open(&issuer, &pair.token()).await);
    }
    assert_eq!(provider.asked(), 1, "it is not asked at each request");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_provider_is_away_known_keys_serve_for_a_time_and_of_others_nobody_can_tell() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let provider = Provider::with(&old);
    let (patient, strict) = (provider.issuer(OLD), provider.issuer(Times { stale: Duration::ZERO, ..OLD }));
    for issuer in [&patient, &strict] {
        ask(issuer, &old.token()).await.unwrap();
    }
    provider.mode.send_replace(Mode::Fails);
    for _ in 0..3 {
        ask(&patient, &old.token()).await.unwrap();
        assert!(open(&patient, &new.token()).await, "it may be one that came since");
        assert!(open(&strict, &old.token()).await, "the provider is away for too long");
    }
    provider.has(&new);
    provider.mode.send_replace(Mode::Answers);
    for issuer in [&patient, &strict] {
        ask(issuer, &new.token()).await.unwrap();
        assert!(refused(issuer, &old.token()).await, "now it is known not to be one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_holds_up_nobody_whose_key_is_known() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let provider = Provider::with(&old);
    let issuer = Arc::new(provider.issuer(OLD));
    ask(&issuer, &old.token()).await.unwrap();
    provider.mode.send_replace(Mode::Hangs);
    // The first has it asked for again, and does not wait for the end of that.
    for _ in 0..100 {
        ask(&issuer, &old.token()).await.unwrap();
    }
    assert_eq!(provider.asked(), 2, "one question at a time");
    let waiting = tokio::spawn({
        let (issuer, token) = (issuer.clone(), new.token());
        async move { ask(&issuer, &token).await }
    });
    for _ in 0..100 {
        ask(&issuer, &old.token()).await.unwrap();
    }
    assert!(!waiting.is_finished() && provider.asked() == 2, "that question is still open");
    provider.has(&new);
    provider.mode.send_replace(Mode::Answers);
    waiting.await.unwrap().unwrap();
}
