//! What a token must be.

use ring::hmac;
use serde_json::{Value, json};

use super::{super::*, provider::*};

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
