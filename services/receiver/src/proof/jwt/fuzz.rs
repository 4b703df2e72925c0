//! Fuzz targets: tokens and key sets.
#![allow(clippy::unwrap_used)]

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use testkit::fuzz::{Fuzz, Input};

use super::{
    Claims, Header, decode,
    key::Jwk,
    tests::{FRESH, N, Pair, Provider, SIGNATURE, SIGNED, claims},
};
use crate::answer::Refusal;

#[test]
fn tokens() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (issuer, good, others) = runtime.block_on(async {
        let (pair, header) = (Pair::new("one"), json!({ "alg": "ES256", "kid": "one" }));
        let mut expired = claims();
        expired["exp"] = json!(1);
        let stranger = Pair::new("one").token();
        let unsigned = pair.signs(&json!({ "alg": "none", "kid": "one" }), &claims());
        let others = [pair.signs(&header, &expired), stranger, unsigned].map(|token| format!("Bearer {token}"));
        (Provider::with(&pair).issuer(FRESH), format!("Bearer {}", pair.token()), others)
    });
    // The one token that was signed for us is let in, and no other; what comes of its parts is no panic.
    let target = |input: &Input| {
        let Ok(value) = HeaderValue::from_bytes(&input.bytes) else { return "no header".to_owned() };
        let headers: HeaderMap = [(AUTHORIZATION, value)].into_iter().collect();
        match runtime.block_on(issuer.known(&headers)) {
            Ok(_) => {
                let (scheme, token) = input.bytes.split_at(7);
                assert!(
                    scheme.eq_ignore_ascii_case(b"bearer ") && token == &good.as_bytes()[7..],
                    "a token that is not theirs"
                );
                "let in".to_owned()
            }
            // Of a key that nobody has heard of, nobody can tell at once.
            Err(why @ (Refusal::NotAuthentic(_) | Refusal::NoSecret)) => {
                let token = input.text().unwrap_or_default();
                let mut parts = token.split('.');
                let header = parts.next().and_then(|part| decode::<Header>(part.get(7..)?)).is_some();
                format!("{why} {header} {}", parts.next().and_then(decode::<Claims>).is_some())
            }
            Err(other) => panic!("{other:?}"),
        }
    };
    let fuzz = Fuzz::new("tokens").count(3_000).seeds([good.clone()]).seeds(others);
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let words = [
        part(r#"{"alg":"none"}"#),
        part(r#"{"alg":"HS256","kid":"one"}"#),
        ".".to_owned(),
        "bearer ".to_owned(),
        "=".to_owned(),
    ];
    fuzz.words(&words.each_ref().map(String::as_str)).run(target);
}

#[test]
fn keys() {
    // Whatever stands in a key set, only the key that signed it says so.
    let signature = BASE64_URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap();
    let target = |input: &Input| {
        let set: Value = match serde_json::from_slice(&input.bytes) {
            Ok(set) => set,
            Err(error) => return error.to_string(),
        };
        let given = set["keys"].as_array().into_iter().flatten();
        let keys: Vec<(&Value, Jwk)> =
            given.filter_map(|key| Some((key, serde_json::from_value(key.clone()).ok()?))).collect();
        let mut signed = 0;
        for (given, key) in keys.iter().take(20) {
            for algorithm in ["RS256", "ES256", "none"] {
                let is = key.signed(algorithm, SIGNED.as_bytes(), &signature);
                let e = BASE64_URL_SAFE_NO_PAD.decode(given["e"].as_str().unwrap_or_default()).unwrap_or_default();
                assert!(!is || (algorithm == "RS256" && given["n"] == N && e == [1, 0, 1]), "{key:?}");
                signed += usize::from(is);
            }
        }
        format!("{} keys, {signed}", "k".repeat(keys.len().min(9)))
    };
    let point = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    let seed = json!({ "keys": [
        { "kty": "RSA", "n": N, "e": "AQAB", "alg": "RS256", "kid": "1", "use": "sig" },
        { "kty": "EC", "crv": "P-256", "kid": "2", "x": point, "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
        { "kty": "OKP", "crv": "Ed25519", "x": 7 },
    ]});
    Fuzz::new("keys")
        .count(1_500)
        .seeds([seed.to_string()])
        .words(&["AQAB", "RSA", "EC", "kid", "AA", "____"])
        .run(target);
}
