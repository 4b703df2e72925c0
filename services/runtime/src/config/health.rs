//! Checks that could never pass: seen here, or a good release would be taken back for them.

use super::{
    App, Environment, HealthCheck, Pointer,
    deployed::{Deployed, StandsForNothing, fill, fill_json, http_url},
};

/// A tag may be a name or a number, and an address may be one with either of them only.
const TAGS: [&str; 2] = ["main", "1"];

/// What is wrong with an environment's checks, each beginning with the path of the key to mend.
pub(super) fn problems(at: &str, app: &App, environment: &Environment) -> Vec<String> {
    let mut found = Vec::new();
    for (n, check) in environment.health.iter().enumerate() {
        let at = format!("{at}.health[{n}]");
        found.extend(of_health(app, check).into_iter().map(|(key, why)| format!("`{at}.{key}`: {why}")));
    }
    for (n, url) in environment.smoke.iter().enumerate() {
        found.extend(of_url(app, url).map(|why| format!("`{at}.smoke[{n}]`: {why}")));
    }
    found
}

fn of_health(app: &App, check: &HealthCheck) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> =
        of_url(app, &check.url).map(|why| ("url".to_owned(), why)).into_iter().collect();
    if !(100..600).contains(&check.status) {
        found.push(("status".to_owned(), format!("nothing answers {}; write a status from 100 to 599", check.status)));
    }
    let contains =
        check.contains.iter().filter_map(|text| fill(text, &app.components.keys(), &with_tag(TAGS[0])).err());
    found.extend(contains.map(|why| ("contains".to_owned(), why.to_string())));
    for (pointer, wanted) in &check.json {
        // An empty one is the whole body.
        let judged = (!pointer.is_empty()).then(|| Pointer::try_from(pointer.clone()));
        found.extend(judged.and_then(Result::err).map(|why| ("json".to_owned(), why)));
        if let Err(why) = fill_json(wanted, &app.components.keys(), &with_tag(TAGS[0])) {
            found.push((format!("json.{pointer}"), why.to_string()));
        }
    }
    found.extend(of_times(check).map(|(key, why)| (key.to_owned(), why)));
    found
}

/// What leaves no time to ask, or to ask often enough.
fn of_times(check: &HealthCheck) -> impl Iterator<Item = (&'static str, String)> {
    let times = [("interval", check.interval), ("max_latency", check.max_latency), ("deadline", check.deadline)];
    let zero: Vec<_> = times.into_iter().filter(|(_, time)| time.is_zero()).map(|(key, _)| key).collect();
    let least = check.interval.saturating_mul(check.passes.saturating_sub(1));
    let too_late = zero.is_empty() && check.passes > 1 && least >= check.deadline;
    let too_late = too_late.then(|| {
        let (passes, interval, deadline) = (check.passes, check.interval, check.deadline);
        let why = format!(
            "{passes} passes, {interval:?} apart, take longer than {deadline:?}; give it more, or ask for less"
        );
        ("deadline", why)
    });
    let never = (check.passes == 0).then(|| ("passes", "nothing would have to be healthy; write 1 or more".to_owned()));
    zero.into_iter().map(|key| (key, "it is no time at all; write `2s`".to_owned())).chain(never).chain(too_late)
}

fn of_url(app: &App, text: &str) -> Option<String> {
    let filled = TAGS.map(|tag| fill(text, &app.components.keys(), &with_tag(tag)));
    match &filled[0] {
        Err(why) => Some(why.to_string()),
        Ok(_) if filled.iter().flatten().any(|url| http_url(url).is_some()) => None,
        Ok(_) => Some(format!("`{text}` is no http:// or https:// URL; write `https://shop.example/health`")),
    }
}

/// What each placeholder may come to.
fn with_tag(tag: &'static str) -> impl Fn(Deployed) -> Result<String, StandsForNothing> {
    move |placeholder| {
        Ok(match placeholder {
            Deployed::Revision | Deployed::Commit(_) => "a".repeat(40),
            Deployed::Digest(_) => format!("sha256:{}", "d".repeat(64)),
            Deployed::Tag(_) => tag.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing::contradictions;

    fn of(keys: &str) -> Vec<String> {
        let text = format!(
            "apps: {{ shop: {{ repository: acme/shop, gitops: {{ repository: 'https://git.example/g.git' }}, \
             components: {{ web: {{ image: ghcr.io/acme/web }}, api: {{ image: ghcr.io/acme/api }} }}, \
             environments: {{ staging: {{ path: staging, sync: {{ argocd: shop }}, {keys} }} }} }} }}"
        );
        contradictions(&text)
    }

    #[test]
    fn a_check_that_could_never_pass_is_told_by_its_key() {
        const URL: &str = "url: 'https://shop.example/health'";
        for (check, key, hint) in [
            (format!("{URL}, json: {{ revision: x }}"), "json", "write `/revision`"),
            (format!("{URL}, json: {{ /a~2: x }}"), "json", "write `~0` for a `~`"),
            (format!("{URL}, json: {{ /v: ['{{wb.commit}}'] }}"), "json./v", "`{wb.commit}` stands for nothing"),
            (format!("{URL}, contains: '{{version}}'"), "contains", "`{web.tag}`"),
            (format!("{URL}, status: 99"), "status", "from 100 to 599"),
            (format!("{URL}, status: 2000"), "status", "from 100 to 599"),
            (format!("{URL}, passes: 0"), "passes", "1 or more"),
            (format!("{URL}, interval: 0s"), "interval", "no time"),
            (format!("{URL}, max_latency: 0s"), "max_latency", "no time"),
            (format!("{URL}, deadline: 0s"), "deadline", "no time"),
            (format!("{URL}, passes: 5, interval: 10s, deadline: 40s"), "deadline", "5 passes, 10s apart"),
            ("url: 'https://shop.example/{wb.commit}'".to_owned(), "url", "`{wb.commit}` stands for nothing"),
            ("url: 'https://shop.example/{web.commits}'".to_owned(), "url", "`{web.commit}`"),
            ("url: shop.example/health".to_owned(), "url", "no http:// or https:// URL"),
            ("url: 'shop.example:8080/health'".to_owned(), "url", "no http:// or https:// URL"),
            ("url: 'tcp://shop.example'".to_owned(), "url", "no http:// or https:// URL"),
            ("url: 'https://{web.digest}/'".to_owned(), "url", "no http:// or https:// URL"),
        ] {
            let found = of(&format!("health: [{{ {check} }}]"));
            let at = format!("`apps.shop.environments.staging.health[0].{key}`: ");
            assert!(found.len() == 1 && found[0].starts_with(&at) && found[0].contains(hint), "{check}: {found:?}");
        }
        for url in ["/health", "file:///etc/passwd", "https://shop.example/{version}"] {
            let found = of(&format!("smoke: ['https://shop.example/', '{url}']"));
            let at = "`apps.shop.environments.staging.smoke[1]`: ";
            assert!(found.len() == 1 && found[0].starts_with(at), "{url}: {found:?}");
        }
    }

    #[test]
    fn a_check_that_may_pass_is_let_be() {
        for check in [
            "url: 'https://{web.tag}.shop.example/{revision}?{api.digest}#{api.commit}'",
            "url: 'http://shop.example:{web.tag}/'",
            "url: 'HTTPS://shop.example'",
            "url: 'https://shop.example/{not a name}'",
            "url: 'https://shop.example/', status: 100",
            "url: 'https://shop.example/', status: 599, passes: 1, interval: 10m, deadline: 1s",
            "url: 'https://shop.example/', passes: 5, interval: 10s, deadline: 41s",
            r#"url: 'https://shop.example/', contains: '{"tag":"{web.tag}"}', json: { '': null, /a~1b/0: { x: ['{api.tag}'] } }"#,
        ] {
            assert_eq!(of(&format!("health: [{{ {check} }}]")), Vec::<String>::new(), "{check}");
        }
    }
}
