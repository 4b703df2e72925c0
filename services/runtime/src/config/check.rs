//! What no single key can say: keys that must fit each other.

use std::collections::BTreeSet;

use proto::{AppName, EnvironmentName};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    App, Config, apps::SCAN_PRESETS, fast_path, filters, health, idle, proposals, repositories, routes, writing,
};
use crate::{names::there_are, network::Guard};

/// What a webhook may hold beside its body, in bytes: its attributes.
const SPOOL_MARGIN: u64 = 64 << 10;

/// Every contradiction, each beginning with the path of the key to mend.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let data = &config.data;
    if let Err(error) = bus::Location::parse(&config.bus, data) {
        found.push(format!("`bus`: {error}"));
    }
    if let Err(error) = ledger::Location::parse(&config.ledger, data) {
        found.push(format!("`ledger`: {error}"));
    }
    found.extend(unfit_servers(config));
    if data.as_os_str().is_empty() {
        found.push("`data`: it is empty; write a folder, or leave it out".to_owned());
    }
    // Where it is read, an error would end the process before a log says so.
    if let Err(error) = EnvFilter::try_new(&config.log.filter) {
        found.push(format!("`log.filter`: {error}; write `info`, or `info,bumper=debug`"));
    }
    check_listeners(config, &mut found);
    check_bodies(config, &mut found);
    check_spool(config, &mut found);
    found.extend(idle::problems(config));
    found.extend(config.git.problems().into_iter().map(|(key, why)| format!("`{key}`: {why}")));
    for (name, source) in &config.sources {
        found.extend(source.problems().into_iter().map(|(key, why)| format!("`sources.{name}.{key}`: {why}")));
    }
    for (name, app) in &config.apps {
        check_app(name, app, &mut found);
        let unnamed = repositories::problem(config, app);
        found.extend(unnamed.map(|why| format!("`apps.{name}.repository`: {why}")));
        for unknown in app.sources.iter().filter(|source| !config.sources.contains_key(source)) {
            found.push(format!(
                "`apps.{name}.sources`: there is no source `{unknown}`; {}",
                there_are(config.sources.keys())
            ));
        }
    }
    found.extend(routes::problems(config));
    found.extend(config.console.iter().flat_map(super::Console::problems));
    check_images(config, &mut found);
    check_polls(config, &mut found);
    check_addresses(config, &mut found);
    found
}

/// Addresses of servers that are no URLs. They are not repeated: there may be a password in them.
fn unfit_servers(config: &Config) -> Vec<String> {
    let parsed = |text: &str| Url::parse(text).ok();
    let mut found = Vec::new();
    if config.bus.starts_with("amqp") && !parsed(&config.bus).is_some_and(|url| url.has_host()) {
        found.push("`bus`: it is no URL with a host; write `amqps://windlass@rabbitmq.example:5671/%2f`".to_owned());
    }
    // PostgreSQL knows URLs of several hosts, which others do not.
    let is_one = !config.ledger.contains(',');
    if config.ledger.starts_with("postgres") && is_one && parsed(&config.ledger).is_none() {
        found.push("`ledger`: it is no URL; write `postgres://windlass@db.example:5432/windlass`".to_owned());
    }
    let idle = [("bus", &config.bus_password), ("ledger", &config.ledger_password)];
    let idle = idle.into_iter().filter(|(key, password)| {
        let address = if *key == "bus" { &config.bus } else { &config.ledger };
        password.is_some() && address.starts_with("sqlite")
    });
    found.extend(
        idle.map(|(key, _)| format!("`{key}_password`: a file has none; take it out, or write `{key}` as a URL")),
    );
    found
}

/// Names are looked up only when they are listened on: they may be known there and not here.
fn check_listeners(config: &Config, found: &mut Vec<String>) {
    let (receiver, ops) = (&config.receiver.listen, &config.ops.listen);
    let console = config.console.as_ref().map(|console| &console.listen);
    let listeners = [("receiver.listen", receiver), ("ops.listen", ops)].into_iter();
    for (key, address) in listeners.chain(console.map(|listen| ("console.listen", listen))) {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(host, port)| host.contains('*') || port.parse::<u16>().is_err()) {
            found.push(format!("`{key}`: `{address}` is no address and port; write `0.0.0.0:8080`"));
        }
    }
    if receiver == ops && !receiver.ends_with(":0") {
        found.push(format!("`ops.listen`: `{ops}` is the receiver's; give it a port of its own"));
    }
    if let Some(listen) = console.filter(|listen| [receiver, ops].contains(listen) && !listen.ends_with(":0")) {
        found.push(format!("`console.listen`: `{listen}` is taken by another part; give it a port of its own"));
    }
}

/// A limit above the bus's own would only look like one: what is between the two is read, and then refused.
fn check_bodies(config: &Config, found: &mut Vec<String>) {
    for (key, _) in body_limits(config).into_iter().filter(|(_, bytes)| *bytes > bus::MAX_BODY) {
        found.push(format!("`{key}`: no bus takes a body of more than {} bytes; write that, or less", bus::MAX_BODY));
    }
}

/// The largest bodies there may be, by the key that says so.
fn body_limits(config: &Config) -> Vec<(String, usize)> {
    let of_source = |(name, source): (_, &super::Source)| {
        Some((format!("sources.{name}.max_body_bytes"), source.max_body_bytes?)) as Option<(String, usize)>
    };
    let all = ("receiver.max_body_bytes".to_owned(), config.receiver.max_body_bytes);
    std::iter::once(all).chain(config.sources.iter().filter_map(of_source)).collect()
}

/// A spool that a webhook does not fit into would only look like one.
fn check_spool(config: &Config, found: &mut Vec<String>) {
    let Some(spool) = &config.receiver.spool else { return };
    let largest = body_limits(config).into_iter().max_by_key(|(_, bytes)| *bytes);
    if let Some((key, bytes)) = largest
        && let least = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(SPOOL_MARGIN)
        && spool.max_bytes < least
    {
        found.push(format!(
            "`receiver.spool.max_bytes`: {} holds no body of `{key}`; give it {least} or more, or write \
             `receiver.spool: off`",
            spool.max_bytes
        ));
    }
    if spool.max_age.is_zero() {
        found.push("`receiver.spool.max_age`: nothing would ever be taken; write `24h`".to_owned());
    }
}

fn check_app(name: &AppName, app: &App, found: &mut Vec<String>) {
    let at = format!("apps.{name}");
    found.extend(filters::problems(&at, app));
    found.extend(writing::problems(&at, app));
    found.extend(proposals::problems(&at, app));
    found.extend(idle::of_app(&at, app));
    for scan in app.scan.iter().filter(|s| s.run.is_none() && !SCAN_PRESETS.contains(&s.tool.as_str())) {
        let presets = SCAN_PRESETS.join(", ");
        found.push(format!("`{at}.scan`: `{}` is no preset ({presets}); give `run` and `format`", scan.tool));
    }
    if !app.environments.is_empty() && app.gitops.is_none() {
        found.push(format!("`{at}.gitops`: environments need a GitOps repository"));
    }
    let clone = app.clone_url();
    let gitops = app.gitops.as_ref().map(|g| ("gitops.repository", g.repository.as_str()));
    for (key, url) in gitops.into_iter().chain([("clone", clone.as_str())]) {
        if !["https://", "http://", "ssh://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
            found.push(format!("`{at}.{key}`: a repository is https://, ssh:// or file://, not `{url}`"));
        }
    }
    check_order(&at, app, found);
    for (environment, e) in &app.environments {
        found.extend(health::problems(&format!("{at}.environments.{environment}"), app, e));
    }
}

/// Whether releases can come to each environment, and by which way.
fn check_order(at: &str, app: &App, found: &mut Vec<String>) {
    let known = |name: &EnvironmentName| app.environments.contains_key(name);
    for (environment, e) in &app.environments {
        let key = format!("{at}.environments.{environment}");
        let unknown: Vec<_> = e.after.iter().filter(|wanted| !known(wanted)).collect();
        let known = || there_are(app.environments.keys());
        found.extend(
            unknown.iter().map(|wanted| format!("`{key}.after`: there is no environment `{wanted}`; {}", known())),
        );
        if unknown.is_empty() && in_circle(app, environment) {
            found.push(format!("`{key}.after`: it comes after itself; nothing would ever reach it; take it out"));
        }
        if e.after.is_empty() && !e.soak.is_zero() {
            found.push(format!(
                "`{key}.soak`: it comes after no environment in which a release could have been healthy"
            ));
        }
        for window in e.windows.iter().filter(|window| window.from == window.to) {
            found.push(format!("`{key}.windows`: one begins and ends at {}; write when it ends", window.from));
        }
    }
    found.extend(fast_path::problems(at, app));
}

/// Whether an environment comes after itself, by whatever way.
fn in_circle(app: &App, start: &EnvironmentName) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
    while let Some(name) = next.pop() {
        for before in app.environments.get(name).into_iter().flat_map(|e| &e.after) {
            if before == start {
                return true;
            }
            if seen.insert(before) {
                next.push(before);
            }
        }
    }
    false
}

fn check_images(config: &Config, found: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (name, app) in &config.apps {
        for (component, c) in &app.components {
            if !seen.insert(c.image.canonical()) {
                found.push(format!(
                    "`apps.{name}.components.{component}.image`: `{}` is another component's too; give each one of its own",
                    c.image
                ));
            }
        }
    }
}

fn check_polls(config: &Config, found: &mut Vec<String>) {
    for (host, poll) in config.registries.iter().filter_map(|(host, registry)| Some((host, registry.poll?))) {
        if poll.is_zero() {
            found.push(format!("`registries.{host}.poll`: it would be asked without end; write `5m`"));
        }
        let mut images = config.apps.values().flat_map(|app| app.components.values()).map(|component| &component.image);
        if !images.any(|image| image.registry() == host) {
            found.push(format!("`registries.{host}.poll`: no component's image is there, so nobody would look"));
        }
    }
}

/// Addresses that could never be asked. Where a name leads is seen when it is looked up.
fn check_addresses(config: &Config, found: &mut Vec<String>) {
    let guard = Guard::new(&config.network);
    let mut check = |key: String, url: &str| {
        // With a placeholder for its host it may be no URL yet.
        if let Some(Err(blocked)) = Url::parse(url).ok().map(|url| guard.check(&url)) {
            found.push(format!("`{key}`: {blocked}"));
        }
    };
    for (n, credential) in config.git.credentials.iter().enumerate() {
        if let Some(api) = credential.app.as_ref().and_then(|app| app.api.as_ref()) {
            check(format!("git.credentials[{n}].app.api"), api);
        }
    }
    for (name, app) in &config.apps {
        let at = format!("apps.{name}");
        check(format!("{at}.clone"), &app.clone_url());
        app.gitops.iter().for_each(|gitops| check(format!("{at}.gitops.repository"), &gitops.repository));
        if let Some(api) = app.gitops.as_ref().and_then(|gitops| gitops.forge.as_ref()?.api.as_ref()) {
            check(format!("{at}.gitops.forge.api"), api);
        }
        for (component, c) in &app.components {
            check(format!("{at}.components.{component}.image"), &format!("https://{}/", c.image.registry()));
        }
        for (environment, e) in &app.environments {
            let at = format!("{at}.environments.{environment}");
            for (n, health) in e.health.iter().enumerate() {
                check(format!("{at}.health[{n}].url"), &health.url);
            }
            e.smoke.iter().enumerate().for_each(|(n, url)| check(format!("{at}.smoke[{n}]"), url));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Vec<String> {
        match Config::parse(text, "windlass.yaml".as_ref()) {
            Ok(_) => Vec::new(),
            Err(super::super::ConfigError::Contradictions { problems, .. }) => problems,
            Err(other) => vec![other.to_string()],
        }
    }

    #[test]
    fn a_spool_holds_at_least_one_webhook_or_is_off() {
        for off in ["receiver: { spool: off }", "receiver: { spool: false }"] {
            assert!(Config::parse(off, "windlass.yaml".as_ref()).unwrap().receiver.spool.is_none());
        }
        let config = Config::parse("receiver: { spool: { max_age: 1h } }", "windlass.yaml".as_ref()).unwrap();
        assert_eq!(config.receiver.spool.unwrap().max_bytes, 1 << 30);
        for (wrong, key) in [
            ("{ max_bytes: 1000 }", "`receiver.spool.max_bytes`"),
            ("{ max_age: 0s }", "`receiver.spool.max_age`"),
            ("{ max_age: soon }", "`receiver.spool.max_age`"),
            ("{ max_size: 1 }", "`receiver.spool.max_size`"),
            ("on", "`receiver.spool`"),
        ] {
            let found = of(&format!("receiver: {{ spool: {wrong} }}")).concat();
            assert!(found.contains(key), "{wrong}: {found}");
        }
    }

    #[test]
    fn the_largest_body_of_every_source_fits_the_bus_and_the_spool() {
        let source =
            |limit: &str| format!("sources: {{ it: {{ kind: quay, secrets: [env:S], max_body_bytes: {limit} }} }}");
        let spool = "receiver: { spool: { max_bytes: 30000000 } }\n";
        assert_eq!(of(&format!("{spool}{}", source("29000000"))), Vec::<String>::new());
        let found = of(&format!("{spool}{}", source("31000000")));
        let named = found.len() == 1 && found[0].starts_with("`receiver.spool.max_bytes`");
        assert!(named && found[0].contains("`sources.it.max_body_bytes`"), "{found:?}");
        assert_eq!(of(&source("67108864")), Vec::<String>::new());
        for (text, key) in [
            (source("67108865"), "sources.it.max_body_bytes"),
            ("receiver: { max_body_bytes: 100000000 }".to_owned(), "receiver.max_body_bytes"),
        ] {
            let found = of(&text);
            assert!(found.len() == 1 && found[0].starts_with(&format!("`{key}`: no bus")), "{found:?}");
        }
    }

    #[test]
    fn servers_have_addresses_and_files_no_passwords() {
        for (wrong, key, hint) in [
            ("bus: 'amqp://'", "bus", "write `amqps://"),
            ("bus: 'amqp://u:hunter2@h:99999/'", "bus", "write `amqps://"),
            ("ledger: 'postgres://u:hunter2@h:x/db'", "ledger", "write `postgres://"),
            ("bus_password: 'env:P'", "bus_password", "take it out"),
            ("ledger_password: 'env:P'", "ledger_password", "take it out"),
            ("data: ''", "data", "leave it out"),
            ("log: { filter: 'info,bumper=loud=x' }", "log.filter", "write `info`"),
        ] {
            let found = of(wrong);
            let one = found.len() == 1 && found[0].starts_with(&format!("`{key}`: ")) && found[0].contains(hint);
            assert!(one && !found[0].contains("hunter2"), "{wrong}: {found:?}");
        }
        for right in [
            "bus: 'amqps://me@mq.example:5671/%2f'\nbus_password: env:P",
            "ledger: 'postgres://u@a.example:1,b.example:2/db'",
            "ledger: 'postgres:///db?host=/run/postgresql'",
            "log: { filter: 'warn,bumper=debug' }",
        ] {
            assert_eq!(of(right), Vec::<String>::new(), "{right}");
        }
    }

    #[test]
    fn listeners_are_addresses_of_their_own() {
        for wrong in ["abc", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:99999", ":8080", "*:8080"] {
            let found = of(&format!("receiver: {{ listen: '{wrong}' }}"));
            assert!(found.len() == 1 && found[0].starts_with("`receiver.listen`"), "{wrong}: {found:?}");
        }
        let found = of("receiver: { listen: '127.0.0.1:80' }\nops: { listen: '127.0.0.1:80' }");
        assert!(found.len() == 1 && found[0].starts_with("`ops.listen`"), "{found:?}");
        for right in ["127.0.0.1:0", "[::1]:8080", "windlass.internal:8080"] {
            assert_eq!(of(&format!("receiver: {{ listen: '{right}' }}")), Vec::<String>::new());
        }
        let both = "receiver: { listen: '127.0.0.1:0' }\nops: { listen: '127.0.0.1:0' }";
        assert_eq!(of(both), Vec::<String>::new());
    }

    #[test]
    fn addresses_that_could_never_be_asked_are_named() {
        const APPS: &str = "
apps:
  shop:
    repository: acme/shop
    clone: http://127.0.0.1:3000/shop.git
    components: { web: { image: '10.0.0.1:5000/web' } }
    gitops: { repository: 'ssh://git@[fd00::1]/gitops' }
    environments:
      staging:
        path: staging
        sync: { argocd: shop }
        health: [{ url: 'https://shop.example/' }, { url: 'http://169.254.169.254/{web.commit}' }]
        smoke: ['http://0x7f.1/', 'http://{web.tag}/']";
        let found = of(APPS);
        for (key, words) in [
            ("apps.shop.clone", "127.0.0.1 is this machine itself"),
            ("apps.shop.gitops.repository", "fd00::1 is a private address"),
            ("apps.shop.components.web.image", "10.0.0.1 is a private address"),
            ("apps.shop.environments.staging.health[1].url", "`169.254.169.254/32` itself to `network.allow`"),
            ("apps.shop.environments.staging.smoke[0]", "127.0.0.1"),
        ] {
            let named = found.iter().filter(|p| p.starts_with(&format!("`{key}`")) && p.contains(words)).count();
            assert_eq!(named, 1, "{key}: {found:?}");
        }
        assert_eq!(found.len(), 5, "{found:?}");
        let allowed = "network: { allow: [127.0.0.1, 10.0.0.0/8, 'fd00::/8', 169.254.169.254] }";
        assert_eq!(of(&format!("{allowed}{APPS}")), Vec::<String>::new());
    }

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
    fn an_app_listens_only_to_sources_there_are() {
        let app = |source: &str| {
            of(&format!(
                "sources: {{ github: {{ kind: github, secrets: [env:S] }} }}\n\
                 apps: {{ shop: {{ repository: acme/shop, sources: [{source}] }} }}"
            ))
        };
        assert_eq!(app("github"), Vec::<String>::new());
        assert_eq!(app("gitlab"), ["`apps.shop.sources`: there is no source `gitlab`; there are: github"]);
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
    fn a_registry_is_polled_for_images_that_are_there() {
        let polled = |poll: &str, image: &str| {
            of(&format!(
                "registries: {{ ghcr.io: {{ poll: {poll} }} }}\n\
                 apps: {{ shop: {{ repository: acme/shop, components: {{ web: {{ image: {image} }} }} }} }}"
            ))
        };
        assert_eq!(polled("5m", "ghcr.io/acme/web"), Vec::<String>::new());
        for (poll, image) in [("0s", "ghcr.io/acme/web"), ("5m", "docker.io/acme/web")] {
            let found = polled(poll, image);
            assert!(found.len() == 1 && found[0].starts_with("`registries.ghcr.io.poll`"), "{found:?}");
        }
    }

    #[test]
    fn every_kind_is_written_as_events_name_it() {
        for kind in super::super::SourceKind::ALL {
            let read: super::super::SourceKind =
                serde_json::from_value(serde_json::Value::from(kind.as_str())).unwrap();
            assert_eq!(read, kind);
        }
    }
}
