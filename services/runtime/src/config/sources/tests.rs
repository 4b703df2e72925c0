//! How sources may be written, and what is told of those that are not.
#![allow(clippy::unwrap_used)]

use super::{super::testing::contradictions as of, *};

#[test]
fn a_source_that_proves_nothing_or_contradicts_itself_is_told_by_its_key() {
    let secret = "secrets: [env:S]";
    let jwt = |rest: &str| format!("kind: google-artifact-registry, proof: {{ jwt: {{ {rest} }} }}");
    let proxy = |rest: &str| format!("{secret}, kind: ecr, proof: {{ proxy_tls: {{ {rest} }} }}");
    let whole = "issuers: [https://i], audience: us, email: e@x, jwks: 'https://keys.example/certs'";
    for (source, key) in [
        ("kind: github".to_owned(), "secrets"),
        ("kind: docker-hub".to_owned(), "secrets"),
        (format!("kind: github, insecure: true, {secret}"), "secrets"),
        ("kind: github, insecure: true, proof: path".to_owned(), "insecure"),
        ("kind: google-artifact-registry".to_owned(), "proof"),
        (format!("kind: slack, {secret}"), "slack"),
        (format!("kind: github, {secret}, slack: {{ team: T0 }}"), "slack"),
        (format!("kind: slack, {secret}, slack: {{ team: acme }}"), "slack.team"),
        (format!("kind: slack, {secret}, slack: {{ team: T0, users: {{ ada: ada }} }}"), "slack.users"),
        (format!("kind: slack, {secret}, slack: {{ team: T0, users: {{ U0: ' ' }} }}"), "slack.users"),
        (format!("kind: slack, {secret}, slack: {{ team: T0, users: {{ U0: 'slack:U1' }} }}"), "slack.users"),
        (format!("kind: slack, {secret}, proof: path, slack: {{ team: T0 }}"), "proof"),
        ("kind: slack, insecure: true, slack: { team: T0 }".to_owned(), "insecure"),
        (format!("kind: github, {secret}, rate: {{ per_second: 0 }}"), "rate"),
        (format!("kind: github, {secret}, max_body_bytes: 0"), "max_body_bytes"),
        (format!("kind: github, {secret}, read: {{ image: /image }}"), "read"),
        (format!("kind: standard-webhooks, {secret}"), "read"),
        (format!("kind: standard-webhooks, {secret}, read: {{ image: /image }}"), "read"),
        (format!("kind: standard-webhooks, {secret}, read: {{ when: {{ /type: push }} }}"), "read"),
        (format!("kind: standard-webhooks, {secret}, read: {{ repository: /r, branch: /b }}"), "read"),
        (format!("kind: standard-webhooks, {secret}, read: {{ image: /i, tag: /t, before: /b }}"), "read.before"),
        (format!("kind: nexus, {secret}"), "registry"),
        (format!("kind: acr, {secret}, registry: 'https://acme.azurecr.io'"), "registry"),
        (format!("kind: acr, {secret}, proof: {{ token: {{ header: 'a b' }} }}"), "proof"),
        (format!("{secret}, {}", jwt(whole)), "secrets"),
        (jwt(&whole.replace("email: e@x, ", "")), "proof"),
        (jwt(&whole.replace("[https://i]", "[]")), "proof"),
        (jwt(&whole.replace("us", "''")), "proof"),
        (jwt(&whole.replace("https://keys", "http://keys")), "proof"),
        (proxy("header: x-subject, subjects: [], from: [10.0.0.1/32]"), "proof"),
        (proxy("header: x-subject, subjects: [CN=a], from: []"), "proof"),
        (proxy("header: x-subject, subjects: [CN=a], from: [0.0.0.0/0]"), "proof"),
    ] {
        let found = of(&format!("sources: {{ it: {{ {source} }} }}"));
        let at = format!("`sources.it.{key}`: ");
        assert!(found.iter().any(|problem| problem.starts_with(&at)), "{source}: {found:?}");
    }
}

#[test]
fn a_proxys_addresses_are_written_as_networks_are_everywhere() {
    let from = |range: &str| {
        let proof = format!("proxy_tls: {{ header: x-s, subjects: [CN=a], from: [{range}] }}");
        of(&format!("sources: {{ it: {{ kind: ecr, proof: {{ {proof} }} }} }}")).concat()
    };
    for (wrong, words) in [("10.1.2.3/8", "write `10.0.0.0/8`"), ("proxy", "write `10.0.0.0/8`, or one address")] {
        let found = from(wrong);
        assert!(found.contains("`sources.it.proof") && found.contains(words), "{wrong}: {found}");
    }
}

#[test]
fn every_way_to_prove_oneself_can_be_written() {
    for source in [
        "kind: github, secrets: [env:S]",
        "kind: forgejo, secrets: [env:S]",
        "kind: azure-devops, secrets: [env:S], proof: { basic: { username: azure } }",
        "kind: gitlab, secrets: [env:S], proof: standard_webhooks",
        "kind: artifactory, secrets: [env:S], proof: { hmac: { header: x-jfrog-event-auth } }",
        "kind: nexus, registry: 'nexus.example:8082', secrets: [env:S], proof: { hmac: { header: h, algorithm: sha512, encoding: base64, prefix: p } }",
        "kind: slack, secrets: [env:S, env:T], slack: { team: T0123ABCD, users: { U0123ABCD: ada, W0123ABCD: grace } }",
        "kind: quay, insecure: true, max_body_bytes: 10000, rate: { per_second: 5, burst: 20 }",
        "kind: harbor, secrets: [env:S], proof: path, registry: harbor.example",
        "kind: ecr, proof: { proxy_tls: { header: x-s, subjects: ['CN=a'], from: [10.0.0.0/24, 10.1.0.1, '::1'] } }",
        "kind: google-artifact-registry, proof: { jwt: { issuers: [https://i], audience: us, subject: s, jwks: 'http://127.0.0.1:1/' } }",
        "kind: generic, secrets: [env:S], proof: { token: { header: x-key } }, read: { image: /image, tag: /tag }",
    ] {
        assert_eq!(of(&format!("sources: {{ it: {{ {source} }} }}")), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn what_is_to_be_reconciled_is_told_by_its_key() {
    let of_source = |rest: &str| of(&format!("sources: {{ it: {{ secrets: [env:S], {rest} }} }}"));
    for (reconcile, key) in [
        ("hooks: [{ repository: a/b }]", "reconcile"),
        ("token: env:T", "reconcile.hooks"),
        ("token: env:T, app: { id: 1, private_key: env:K }, hooks: [{ repository: a/b }]", "reconcile"),
        ("token: env:T, hooks: [{ repository: ab }]", "reconcile.hooks"),
        ("token: env:T, hooks: [{ repository: a/../b }]", "reconcile.hooks"),
        ("token: env:T, hooks: [{ organisation: a/b }]", "reconcile.hooks"),
        ("token: env:T, hooks: [{ id: 1 }]", "reconcile.hooks"),
        ("token: env:T, hooks: [{ repository: a/b, organisation: a }]", "reconcile.hooks"),
        ("token: env:T, hooks: [{ repository: a/b }, { repository: a/b }]", "reconcile.hooks"),
        ("token: env:T, hooks: [{ repository: a/b }], every: 0s", "reconcile.every"),
        ("token: env:T, hooks: [{ repository: a/b }], api: api.github.com", "reconcile.api"),
    ] {
        let found = of_source(&format!("kind: github, reconcile: {{ {reconcile} }}"));
        let at = format!("`sources.it.{key}`: ");
        assert!(found.len() == 1 && found[0].starts_with(&at), "{reconcile}: {found:?}");
    }
    for right in [
        "token: env:T, hooks: [{ repository: acme/shop.js }, { organization: acme, id: 7 }], every: 90s",
        "app: { id: 12345, private_key: env:K }",
        "app: { id: Iv23abc, private_key: env:K }, hooks: [{ organisation: acme }], api: 'https://ghe.example/api/v3'",
    ] {
        let found = of_source(&format!("kind: github, reconcile: {{ {right} }}"));
        assert_eq!(found, Vec::<String>::new(), "{right}");
    }
    let other = of_source("kind: gitlab, reconcile: { token: env:T, hooks: [{ repository: a/b }] }");
    assert!(other.len() == 1 && other[0].starts_with("`sources.it.reconcile`: only GitHub"), "{other:?}");
}

#[test]
fn every_kind_is_written_as_events_name_it() {
    for kind in SourceKind::ALL {
        let read: SourceKind = serde_json::from_value(serde_json::Value::from(kind.as_str())).unwrap();
        assert_eq!(read, kind);
    }
}
