//! What lies elsewhere and must be reached: Git repositories, registries, Argo CD's Applications.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use proto::{AppName, Branch, EnvironmentName, ImageName, WorkerName};
use runtime::{
    Config,
    config::{App, Environment, Gitops, Sync},
    exec::Ended,
    git::{Git, GitError, without_userinfo},
    http::{Guarded, Redirects},
    network::Guard,
    oci::{OciError, Registries},
};

use syncer::Look;

use super::report::Finding;

/// How long a server may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(20);
/// What `git ls-remote --exit-code` exits with when no ref is of that name.
const NO_SUCH_REF: i32 = 2;

/// The ways out, as the workers have them.
pub(super) struct Reach<'a> {
    pub(super) config: &'a Config,
    pub(super) git: Git,
    pub(super) http: Guarded,
    registries: Registries,
}

impl<'a> Reach<'a> {
    pub(super) fn new(config: &'a Config) -> anyhow::Result<Self> {
        let guard = Guard::new(&config.network);
        let registries = Registries::new(&config.registries, &guard)?;
        let http = Guarded::new(&guard, Redirects::None)?;
        Ok(Self { config, git: Git::new(&config.git, &guard), http, registries })
    }

    /// Whether each repository can be read: the sources where they are built from, and what is written to.
    pub(super) async fn repositories(&self) -> Vec<Finding> {
        let mut wanted: BTreeMap<(String, Option<Branch>), String> = BTreeMap::new();
        let builds = self.config.workers.contains(&WorkerName::Builder);
        for (name, app) in &self.config.apps {
            if builds {
                wanted.entry((app.clone_url(), None)).or_insert_with(|| format!("apps.{name}.repository"));
            }
            let repository = app.gitops.iter().map(|gitops| &gitops.repository);
            for (repository, (branch, key)) in
                repository.flat_map(|it| app.written_branches().into_iter().map(move |b| (it, b)))
            {
                wanted.entry((repository.clone(), Some(branch))).or_insert_with(|| format!("apps.{name}.{key}"));
            }
        }
        let asked = wanted.iter().map(|((url, branch), key)| self.repository(url, branch.as_ref(), key));
        join_all(asked).await
    }

    async fn repository(&self, url: &str, branch: Option<&Branch>, key: &str) -> Finding {
        let about = without_userinfo(url);
        let next = format!("check `{key}`, `git.credentials` and the way there");
        match self.ls_remote(url, branch).await {
            Ok(true) => {
                Finding::ok(about, branch.map_or("it can be read".to_owned(), |b| format!("`{b}` can be read")))
            }
            Ok(false) => {
                let branch = branch.map_or("HEAD", Branch::as_str);
                let next = format!("make the branch, or name another in `{key}.branch`");
                Finding::broken(about, format!("it has no branch `{branch}`"), &next)
            }
            Err(error) => Finding::broken(about, error, &next),
        }
    }

    /// Whether the branch is there; without one only whether the repository answers.
    async fn ls_remote(&self, url: &str, branch: Option<&Branch>) -> Result<bool, GitError> {
        let ask = self.git.remote(None, url).await?.timeout(ANSWER);
        let remote = without_userinfo(url);
        let ask = match branch {
            Some(branch) => ask.args(["ls-remote", "--exit-code", "--", &remote, &format!("refs/heads/{branch}")]),
            None => ask.args(["ls-remote", "--", &remote, "HEAD"]),
        };
        let finished = ask.run().await?;
        match finished.ended {
            Ended::Exited(0) => Ok(true),
            Ended::Exited(NO_SUCH_REF) if branch.is_some() => Ok(false),
            _ => Err(GitError::of(url, &finished)),
        }
    }

    /// Whether Argo CD has the Application of each environment.
    pub(super) async fn applications(&self) -> Vec<Finding> {
        let syncs = self.config.workers.contains(&WorkerName::Syncer);
        let of_app = |(app, configured): (&'a AppName, &'a App)| {
            let named = |(environment, e): (&EnvironmentName, &'a Environment)| match &e.sync {
                Sync::Argocd(name) => {
                    Some((format!("apps.{app}.environments.{environment}"), name, configured.gitops_of(environment)?))
                }
                Sync::Command(_) => None,
            };
            configured.environments.iter().filter_map(named).collect::<Vec<_>>()
        };
        let wanted = self.config.apps.iter().filter(|_| syncs).flat_map(of_app);
        let looks = wanted.map(|(key, name, written)| self.application(key, name, written));
        join_all(looks).await.into_iter().flatten().collect()
    }

    async fn application(&self, key: String, name: &str, written: Gitops) -> Vec<Finding> {
        let settings = &self.config.kubernetes;
        let about = format!("{}/{name}", settings.argocd_namespace);
        let has_it = || Finding::ok(&about, "Argo CD has it");
        match tokio::time::timeout(ANSWER, syncer::look(settings, name, &written)).await {
            Ok(Ok(Look::Follows)) => vec![has_it()],
            Ok(Ok(Look::Elsewhere(why))) => {
                let next = format!(
                    "have it follow `{}`, or mend `{key}`: whenever it syncs by itself it goes back to what it follows",
                    written.branch
                );
                vec![has_it(), Finding::warning(&about, why, &next)]
            }
            Ok(Ok(Look::Missing)) => {
                let next =
                    format!("make the Application, or mend `{key}.sync.argocd` or `kubernetes.argocd_namespace`");
                vec![Finding::broken(about, "Argo CD has no such Application", &next)]
            }
            Ok(Err(failure)) => {
                vec![Finding::broken(about, failure, "check `kubernetes`, and what its account may do")]
            }
            Err(_) => {
                let says = format!("no answer within {ANSWER:?}");
                vec![Finding::broken(about, says, "check `kubernetes` and the way there")]
            }
        }
    }

    /// Whether each image's repository can be read at its registry.
    pub(super) async fn registries(&self) -> Vec<Finding> {
        let images =
            self.config.apps.iter().flat_map(|(name, app)| app.components.values().map(move |c| (name, app, c)));
        join_all(images.map(|(name, app, component)| self.image(name, &component.image, tag(app)))).await
    }

    async fn image(&self, app: &AppName, image: &ImageName, tag: String) -> Finding {
        let host = image.registry();
        let next = format!("check `registries.{host}`, `apps.{app}.components` and the way there");
        match tokio::time::timeout(ANSWER, self.registries.resolve(image, &tag)).await {
            Ok(Ok(Some(found))) => Finding::ok(image, format!("`{tag}` is {}", found.digest.short())),
            Ok(Ok(None)) => Finding::ok(image, format!("its registry answers; there is no `{tag}` yet")),
            Ok(Err(error @ OciError::RateLimited { .. })) => Finding::warning(
                image,
                error,
                &format!("give `registries.{host}` credentials, which may ask more often"),
            ),
            Ok(Err(error)) => Finding::broken(image, error, &next),
            Err(_) => Finding::broken(image, format!("{host} did not answer within {ANSWER:?}"), &next),
        }
    }
}

/// A tag the app's images are likely to have: that of a branch which is deployed.
fn tag(app: &App) -> String {
    let plain = app.deploy.iter().find_map(|pattern| Branch::new(pattern.plain()?).ok());
    plain.map_or_else(|| "latest".to_owned(), |branch| branch.as_tag())
}
