//! Images that need not be built: nothing a component is made of differs from a commit that has one.
//!
//! Two commits are compared, not the pushes between them: whatever was reverted, rewritten or pushed meanwhile, an image
//! of one is the image of the other when the files are the same. What is barred is built anew, or it would bar the rest.

use anyhow::Context as _;
use proto::{Change, CommitSha, ComponentName, Digest};
use runtime::{
    Failure,
    config::{App, BranchPattern, Component, PathPattern, RelativePath},
    oci::Resolved,
};
use sha2::{Digest as _, Sha256};

use crate::{Builder, changed, reuse};

/// The label that says how an image was built: another Dockerfile, stage or argument makes another image of the same
/// files.
pub(crate) const RECIPE: &str = "io.windlass.recipe";

/// An earlier commit's image that is this one's as well.
pub(crate) struct Unchanged {
    pub(crate) digest: Digest,
    /// The commit it was built from.
    pub(crate) since: CommitSha,
    /// For people.
    pub(crate) reason: String,
}

/// The image that stands for this commit too, if there is one.
pub(crate) async fn find(
    builder: &Builder,
    app: &App,
    change: &Change,
    (name, component): (&ComponentName, &Component),
) -> Result<Option<Unchanged>, Failure> {
    if component.paths.is_empty() {
        return Ok(None);
    }
    let mut seen = Vec::new();
    for tag in tags(app, change) {
        let Some(image) = reuse::resolve(&builder.context, &component.image, &tag).await? else { continue };
        let Some(since) = image.revision.clone().filter(|_| !seen.contains(&image.digest)) else { continue };
        seen.push(image.digest.clone());
        if !may_stand(builder, app, change, component, &image).await? {
            continue;
        }
        let Some(files) = changed::files(builder, app, &since, change).await? else { continue };
        if files.iter().any(|file| is_of(component, file)) {
            continue;
        }
        let key = format!("apps.{}.components.{name}.paths", change.app);
        let none = changed::none_of(&files, &since, &key, &component.paths);
        let (digest, commit) = (image.digest, change.commit.short());
        let reason = format!("{name} is not built: {none}, so {} stands for {commit} too", digest.short());
        return Ok(Some(Unchanged { digest, since, reason }));
    }
    Ok(None)
}

/// Where to look: what an earlier run gave this commit, what the branch has, and what the branches have that others
/// begin at.
fn tags(app: &App, change: &Change) -> Vec<String> {
    let plain = app.deploy.iter().filter_map(BranchPattern::plain).filter_map(|name| proto::Branch::new(name).ok());
    let mut tags = vec![change.commit.to_string(), change.branch.as_tag()];
    tags.extend(plain.map(|branch| branch.as_tag()));
    tags
}

/// Whether the image was built as this one would be, and may be deployed.
async fn may_stand(
    builder: &Builder,
    app: &App,
    change: &Change,
    component: &Component,
    image: &Resolved,
) -> Result<bool, Failure> {
    if image.labels.get(RECIPE) != Some(&recipe(app, component)) {
        return Ok(false);
    }
    let chain = builder.context.ledger.chain(&change.app).await;
    let (_, chain) = chain.context("asking for quarantined digests")?;
    Ok(!chain.barred.contains_key(&image.digest))
}

/// Whether a file goes into the image: what is named, and what says how it is built.
fn is_of(component: &Component, file: &str) -> bool {
    let dockerfile = component.dockerfile.as_str();
    let context = component.context.as_ref().map(RelativePath::as_str).filter(|path| !path.is_empty());
    let in_context = |name: &str| context.map_or_else(|| name.to_owned(), |context| format!("{context}/{name}"));
    let ignored = [".dockerignore", ".containerignore"];
    file == dockerfile
        || ignored.iter().any(|name| file == in_context(name) || file == format!("{dockerfile}{name}"))
        || PathPattern::let_in(&component.paths, file)
}

/// What stands in the label: a text that differs when the way of building does.
pub(crate) fn recipe(app: &App, component: &Component) -> String {
    let Component { dockerfile, context, build_args, target, .. } = component;
    hex::encode(Sha256::digest(format!("{:?}", (&app.build, dockerfile, context, build_args, target))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use runtime::Config;

    use super::*;

    fn app(keys: &str) -> App {
        let text = format!(
            "apps: {{ shop: {{ repository: a/b, deploy: [main, 'release/*'], \
             components: {{ web: {{ image: ghcr.io/a/web, dockerfile: web/Dockerfile, {keys} }} }} }} }}"
        );
        Config::parse(&text, "test.yaml".as_ref()).unwrap().apps.into_values().next().unwrap()
    }

    #[test]
    fn what_says_how_it_is_built_belongs_to_an_image_as_well() {
        let of = |keys: &str, file: &str| is_of(app(keys).components.values().next().unwrap(), file);
        let paths = "paths: [web/src, '!**/*.md']";
        for file in ["web/src/a", "web/Dockerfile", ".dockerignore", "web/Dockerfile.dockerignore"] {
            assert!(of(paths, file), "{file}");
        }
        for file in ["web/src/a.md", "web/other", "web/.dockerignore", "Dockerfile"] {
            assert!(!of(paths, file), "{file}");
        }
        assert!(of(&format!("{paths}, context: web"), "web/.dockerignore"));
    }

    #[test]
    fn another_way_of_building_is_another_recipe() {
        let of = |keys: &str| recipe(&app(keys), app(keys).components.values().next().unwrap());
        let plain = of("");
        assert_eq!((plain.len(), of("timeout: 1h")), (64, plain.clone()));
        for keys in ["target: x", "context: web", "build_args: { A: b }"] {
            assert_ne!(of(keys), plain, "{keys}");
        }
    }
}
