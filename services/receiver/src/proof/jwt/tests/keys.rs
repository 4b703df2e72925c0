//! Which keys are of use, and what each signed.

use serde_json::{Value, json};

use super::{
    super::*,
    provider::{Pair, Provider},
};

/// RFC 7515, appendix A.2: the key, what was signed, and its signature.
pub(in super::super) const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
    T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEM\
    a2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9g\
    b54h4FRWyuXpoQ";
pub(in super::super) const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb\
    S9pc19yb290Ijp0cnVlfQ";
pub(in super::super) const SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
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
    provider.tells(&[other, json!({ "kty": "RSA", "alg": "RS512", "n": N, "e": "AQAB" })]);
    assert_eq!(count().await, IssuerKeys { told: 2, usable: 0 });
}
