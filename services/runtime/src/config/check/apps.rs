//! Whether an app's parts fit each other, and others' apps.

use std::collections::BTreeSet;

use proto::{AppName, EnvironmentName};

use super::super::{App, Config, apps::SCAN_PRESETS, fast_path, filters, health, idle, proposals, writing};
use crate::names::there_are;

pub(super) fn check_app(name: &AppName, app: &App, found: &mut Vec<String>) {
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

pub(super) fn check_images(config: &Config, found: &mut Vec<String>) {
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

pub(super) fn check_polls(config: &Config, found: &mut Vec<String>) {
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

#[cfg(test)]
mod tests {
    use super::super::super::testing::contradictions as of;

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
}
