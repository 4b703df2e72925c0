//! What is done while the provider's keys change, or it is away.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{super::*, provider::*};

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
async fn a_set_without_a_usable_key_is_no_answer() {
    let (old, new) = (Pair::new("old"), Pair::new("new"));
    let provider = Provider::with(&old);
    let (patient, strict) = (provider.issuer(OLD), provider.issuer(Times { stale: Duration::ZERO, ..OLD }));
    for issuer in [&patient, &strict] {
        ask(issuer, &old.token()).await.unwrap();
    }
    let mut encrypts = old.jwk();
    encrypts["use"] = json!("enc");
    for told in [vec![], vec![json!({ "kty": "OKP", "crv": "Ed25519", "x": 7 })], vec![encrypts]] {
        provider.tells(&told);
        ask(&patient, &old.token()).await.unwrap();
        assert!(open(&patient, &new.token()).await, "it may be one that is told next");
        assert!(open(&strict, &old.token()).await, "whoever withdraws all keys is heeded in time");
    }
    provider.has(&new);
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
