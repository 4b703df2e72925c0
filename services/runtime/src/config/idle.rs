//! What would do nothing, or never end, as it is written: programs without a name, and times and counts of zero.

use std::time::Duration;

use super::{App, BuildDriver, Config, Registry, Step, Sync};

/// What of the installation, each beginning with the path of the key to mend.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    if config.workers.is_empty() {
        found.push("`workers`: nobody would do anything; leave it out for all of them".to_owned());
    }
    for worker in
        config.workers.iter().enumerate().filter(|(n, it)| config.workers[..*n].contains(it)).map(|(_, it)| it)
    {
        found.push(format!("`workers`: `{worker}` stands there twice; take one of them out"));
    }
    let receiver = &config.receiver;
    for (key, count) in
        [("receiver.max_connections", receiver.max_connections), ("receiver.max_body_bytes", receiver.max_body_bytes)]
    {
        if count == 0 {
            found.push(format!("`{key}`: it lets nothing in; give it at least 1"));
        }
    }
    found.extend(no_time("receiver.body_deadline", receiver.body_deadline, "20s"));
    found.extend(no_time("receiver.publish_deadline", receiver.publish_deadline, "5s"));
    found.extend(no_time("harness.lease", config.harness.lease, "30s"));
    for (host, registry) in &config.registries {
        found.extend(of_registry(host, registry));
    }
    found
}

fn of_registry(host: &str, registry: &Registry) -> Vec<String> {
    let mut found = Vec::new();
    let bare = host.split_once("://").map_or(host, |(_, rest)| rest);
    let plain = bare.split('/').next().unwrap_or_default();
    if plain != host {
        found.push(format!("`registries.{host}`: images name a registry by its host and port; write `{plain}`"));
    }
    if registry.username.is_some() && registry.password.is_none() {
        found.push(format!("`registries.{host}.username`: it lets nobody in without a `password`"));
    }
    found
}

/// What of an app.
pub(super) fn of_app(at: &str, app: &App) -> Vec<String> {
    let mut found = steps(at, &app.test);
    for scan in &app.scan {
        if scan.run.as_ref().is_some_and(Vec::is_empty) {
            found.push(format!("`{at}.scan`: `{}` runs nothing; give `run` a program, or leave it out", scan.tool));
        }
        found.extend(no_time(&format!("{at}.scan"), scan.timeout, "15m"));
    }
    if matches!(&app.build, BuildDriver::Command(argv) if argv.is_empty()) {
        found.push(format!("`{at}.build.command`: it runs nothing; give it a program"));
    }
    for (name, component) in &app.components {
        found.extend(no_time(&format!("{at}.components.{name}.timeout"), component.timeout, "30m"));
    }
    for (name, environment) in &app.environments {
        let at = format!("{at}.environments.{name}");
        found.extend(steps(&at, &environment.test));
        match &environment.sync {
            Sync::Command(argv) if argv.is_empty() => {
                found.push(format!("`{at}.sync.command`: it runs nothing; give it a program"));
            }
            Sync::Argocd(name) if name.trim().is_empty() => {
                found.push(format!("`{at}.sync.argocd`: it is empty; write the Application's name"));
            }
            _ => {}
        }
        if environment.approval.as_ref().is_some_and(|rules| rules.expires.is_some_and(|it| it.is_zero())) {
            found.push(format!("`{at}.approval.expires`: nobody could answer in time; write `24h`, or `never`"));
        }
        for (n, freeze) in environment.freezes.iter().enumerate().filter(|(_, freeze)| freeze.never()) {
            let from = freeze.from;
            found
                .push(format!("`{at}.freezes[{n}].until`: it is not after `from`, {from}; nothing would be held back"));
        }
    }
    found
}

fn steps(at: &str, steps: &[Step]) -> Vec<String> {
    let mut found = Vec::new();
    for step in steps {
        if step.run.is_empty() {
            found.push(format!("`{at}.test`: the step `{}` runs nothing; give `run` a program", step.name));
        }
        found.extend(no_time(&format!("{at}.test"), step.timeout, "15m"));
    }
    found
}

fn no_time(key: &str, time: Duration, usual: &str) -> Option<String> {
    time.is_zero().then(|| format!("`{key}`: it gives no time at all; write `{usual}`"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::contradictions;

    const SHOP: &str = "
workers: [bumper]
receiver: { max_connections: 9, body_deadline: 9s, publish_deadline: 9s, max_body_bytes: 9 }
harness: { lease: 9s }
registries: { ghcr.io: { username: me, password: env:P }, docker.io: { password: env:P } }
apps:
  shop:
    repository: acme/shop
    deploy: [main]
    hotfix: ['hotfix/*']
    test: [{ name: unit, run: [make, test], timeout: 9s }]
    scan: [{ tool: trivy, run: [trivy, x], timeout: 9m }]
    build: { command: [./build] }
    components: { web: { image: ghcr.io/acme/web, timeout: 9h, branches: [main, hotfix/x, 'release/*'] } }
    write: { values: { image: '/{component}/{{x}}/image' } }
    gitops: { repository: 'https://github.com/acme/g.git', mode: pull_request, forge: { kind: github, token: env:T } }
    environments:
      staging: { path: s, sync: { argocd: shop }, test: [{ name: e2e, run: [make, e2e] }] }
      production: { path: p, after: staging, sync: { command: [./sync] }, approval: { expires: 9h },
        freezes: [{ from: 2026-12-20, until: 2026-12-20, reason: x }, { from: 2026-12-20T18:00, until: 2026-12-20, reason: x }] }
";

    #[test]
    fn what_would_do_nothing_is_told_by_its_key() {
        assert_eq!(contradictions(SHOP), Vec::<String>::new());
        for (from, to, key, hint) in [
            ("[bumper]", "[]", "workers", "leave it out"),
            ("[bumper]", "[bumper, syncer, bumper]", "workers", "`bumper` stands there twice"),
            ("max_connections: 9", "max_connections: 0", "receiver.max_connections", "at least 1"),
            ("body_deadline: 9s", "body_deadline: 0s", "receiver.body_deadline", "`20s`"),
            ("publish_deadline: 9s", "publish_deadline: 0s", "receiver.publish_deadline", "`5s`"),
            ("lease: 9s", "lease: 0s", "harness.lease", "`30s`"),
            ("ghcr.io:", "ghcr.io/acme:", "registries.ghcr.io/acme", "write `ghcr.io`"),
            ("ghcr.io:", "'https://ghcr.io/v2':", "registries.https://ghcr.io/v2", "write `ghcr.io`"),
            ("username: me, password: env:P", "username: me", "registries.ghcr.io.username", "`password`"),
            ("[make, test]", "[]", "apps.shop.test", "`unit` runs nothing"),
            ("timeout: 9s", "timeout: 0s", "apps.shop.test", "`15m`"),
            ("[trivy, x]", "[]", "apps.shop.scan", "`trivy` runs nothing"),
            ("timeout: 9m", "timeout: 0s", "apps.shop.scan", "`15m`"),
            ("[./build]", "[]", "apps.shop.build.command", "program"),
            ("timeout: 9h", "timeout: 0s", "apps.shop.components.web.timeout", "`30m`"),
            ("[main, hotfix/x", "[mian, hotfix/x", "apps.shop.components.web.branches", "`mian`"),
            ("/{component}/", "/{component}/{compnent}/", "apps.shop.write.values.image", "`{component}`"),
            ("kind: github", "kind: gitlab", "apps.shop.gitops.forge.kind", "`github`"),
            ("argocd: shop", "argocd: ''", "apps.shop.environments.staging.sync.argocd", "name"),
            ("[make, e2e]", "[]", "apps.shop.environments.staging.test", "`e2e` runs nothing"),
            ("[./sync]", "[]", "apps.shop.environments.production.sync.command", "program"),
            ("expires: 9h", "expires: 0s", "apps.shop.environments.production.approval.expires", "`never`"),
            (
                "until: 2026-12-20,",
                "until: 2026-12-19,",
                "apps.shop.environments.production.freezes[0].until",
                "2026-12-20",
            ),
            (
                "from: 2026-12-20T18:00, until: 2026-12-20,",
                "from: 2026-12-20T18:00, until: 2026-12-20T18:00,",
                "apps.shop.environments.production.freezes[1].until",
                "2026-12-20T18:00",
            ),
        ] {
            let text = SHOP.replacen(from, to, 1);
            assert_ne!(text, SHOP, "{from}");
            let found = contradictions(&text);
            let is_it = found.len() == 1 && found[0].starts_with(&format!("`{key}`: ")) && found[0].contains(hint);
            assert!(is_it, "{to}: {found:?}");
        }
    }
}
