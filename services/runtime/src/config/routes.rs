//! Routes of notifications that would tell nobody anything, and buttons that lead nowhere.

use proto::{AppName, SourceName};

use super::{App, Config, Notify, Promotion, SourceKind, Topic};
use crate::names::there_are;

/// What is wrong with them, each beginning with the path of the key to mend.
pub(super) fn problems(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for (n, route) in config.notify.iter().enumerate() {
        let at = format!("notify[{n}]");
        // Without any app nothing is known of what others do.
        if !config.apps.is_empty() {
            found.extend(unknown(config, route).into_iter().map(|(key, why)| format!("`{at}.{key}`: {why}")));
        }
        let button = route.buttons.as_ref().and_then(|source| dead(config, route, source));
        found.extend(button.map(|why| format!("`{at}.buttons`: {why}")));
    }
    found
}

fn unknown(config: &Config, route: &Notify) -> Vec<(&'static str, String)> {
    let mut found: Vec<_> = route
        .apps
        .iter()
        .filter(|app| !config.apps.contains_key(app))
        .map(|app| ("apps", format!("there is no app `{app}`; {}", there_are(config.apps.keys()))))
        .collect();
    if !found.is_empty() {
        return found;
    }
    for environment in &route.environments {
        if !apps(config, route).any(|(_, app)| app.environments.contains_key(environment)) {
            let whose = if route.apps.is_empty() { "no app has" } else { "none of the route's `apps` has" };
            found.push(("environments", format!("{whose} an environment `{environment}`")));
        }
    }
    found
}

/// The apps a route tells of.
fn apps<'a>(config: &'a Config, route: &'a Notify) -> impl Iterator<Item = (&'a AppName, &'a App)> {
    config.apps.iter().filter(|(name, _)| route.apps.is_empty() || route.apps.contains(name))
}

/// Why nobody would ever see the route's buttons, or nobody hear their clicks.
fn dead(config: &Config, route: &Notify, source: &SourceName) -> Option<String> {
    match config.sources.get(source) {
        None => return Some(format!("there is no source `{source}`; {}", there_are(config.sources.keys()))),
        Some(it) if it.kind != SourceKind::Slack => {
            return Some(format!("`{source}` is not of the kind `slack`, so it hears no clicks"));
        }
        Some(_) => {}
    }
    if !route.when.is_empty() && !route.when.contains(&Topic::Approval) {
        return Some("they stand under what asks for an approval; add `approval` to `when`".to_owned());
    }
    let deaf = apps(config, route)
        .find(|(_, app)| !app.sources.is_empty() && !app.sources.contains(source) && asks(app, route));
    deaf.map(|(name, _)| {
        format!("clicks for `{name}` would be ignored; add `{source}` to `apps.{name}.sources`, or leave the app out of the route's `apps`")
    })
}

/// Whether anybody is asked about one of the app's environments that the route tells of.
fn asks(app: &App, route: &Notify) -> bool {
    let told =
        app.environments.iter().filter(|(name, _)| route.environments.is_empty() || route.environments.contains(name));
    told.into_iter().any(|(_, e)| e.approval.is_some() || e.promotion == Promotion::Manual)
}

#[cfg(test)]
mod tests {
    use super::super::{Config, testing::contradictions};

    fn of(sources: &str, route: &str) -> Vec<String> {
        let environment = |keys: &str| format!("{{ path: p, sync: {{ argocd: a }}, {keys} }}");
        let text = format!(
            "sources: {{ github: {{ kind: github, secrets: [env:S] }}, \
             people: {{ kind: slack, secrets: [env:S], slack: {{ team: T0 }} }} }}\n\
             apps:\n  shop: {{ repository: acme/shop, sources: [{sources}], gitops: {{ repository: 'https://git.example/g.git' }}, \
             environments: {{ staging: {}, production: {} }} }}\n  till: {{ repository: acme/till }}\n\
             notify: [{{ slack: env:U, {route} }}]",
            environment(""),
            environment("after: staging, approval: required"),
        );
        contradictions(&text)
    }

    #[test]
    fn routes_that_tell_nothing_and_buttons_that_lead_nowhere_are_told() {
        for (sources, route, key, hint) in [
            ("", "apps: [shpo]", "apps", "no app `shpo`"),
            ("", "environments: [produktion]", "environments", "no app has an environment `produktion`"),
            ("", "apps: [till], environments: [staging]", "environments", "none of the route's `apps`"),
            ("", "buttons: slack", "buttons", "no source `slack`"),
            ("", "buttons: github", "buttons", "hears no clicks"),
            ("", "buttons: people, when: [failed, deployed]", "buttons", "add `approval` to `when`"),
            ("github", "buttons: people", "buttons", "`apps.shop.sources`"),
            ("github", "buttons: people, when: [approval], apps: [shop]", "buttons", "`apps.shop.sources`"),
        ] {
            let found = of(sources, route);
            let at = format!("`notify[0].{key}`: ");
            assert!(found.len() == 1 && found[0].starts_with(&at) && found[0].contains(hint), "{route}: {found:?}");
        }
    }

    #[test]
    fn routes_that_may_tell_something_are_let_be() {
        for (sources, route) in [
            ("", "buttons: people"),
            ("", "buttons: people, when: [approval, failed], apps: [shop], environments: [production]"),
            ("github, people", "buttons: people"),
            ("github", "buttons: people, apps: [till]"),
            ("github", "buttons: people, environments: [staging]"),
            ("github", "apps: [shop, till], environments: [staging]"),
        ] {
            assert_eq!(of(sources, route), Vec::<String>::new(), "{route}");
        }
    }

    #[test]
    fn where_no_apps_are_written_any_may_be_told_of() {
        let read = Config::parse("notify: [{ slack: env:U, apps: [shop], environments: [qa] }]", "x.yaml".as_ref());
        assert!(read.is_ok(), "{read:?}");
    }
}
