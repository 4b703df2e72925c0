//! Addresses that could never be asked.

use url::Url;

use super::super::Config;
use crate::network::Guard;

/// Addresses that could never be asked. Where a name leads is seen when it is looked up.
pub(super) fn check_addresses(config: &Config, found: &mut Vec<String>) {
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
    use super::super::super::testing::contradictions as of;

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
}
