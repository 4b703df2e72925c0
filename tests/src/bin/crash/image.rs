//! The build of the apps that take no builder: a small image, pushed by plain HTTP.
//!
//! No two builds of a commit give the same image, as is usual; so a commit that is built twice shows.

use std::env;

use anyhow::{Context, Result};
use testkit::registry::{self, Image};

/// Builds and pushes what the variables of the builder's `command` driver ask for.
pub(crate) async fn push() -> Result<()> {
    let read = |name: &str| env::var(name).with_context(|| format!("the variable {name} is missing"));
    let image = read("WINDLASS_IMAGE")?;
    let (host, repository) = image.split_once('/').context("WINDLASS_IMAGE names no registry")?;
    let content = format!("{} {}", std::fs::read_to_string("VERSION")?.trim(), uuid::Uuid::new_v4());
    let labels = read("WINDLASS_LABELS")?;
    let labels = labels.lines().filter_map(|line| line.split_once('='));
    let image = Image { content, labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() };
    let tags = read("WINDLASS_TAGS")?;
    let tags: Vec<&str> = tags.lines().collect();
    let digest = registry::push(&format!("http://{host}"), repository, &tags, &image).await?;
    println!("pushed {digest}");
    Ok(())
}
