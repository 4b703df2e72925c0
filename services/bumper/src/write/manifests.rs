//! `image:` in Kubernetes' own manifests: of the component's image, or of a container by its name.

use proto::{ComponentName, ImageName};
use runtime::config::{Manifests, Pointer, Workload};

use super::{Finding, Part, Use};
use crate::{
    edit::Fault,
    image::Reference,
    tree::Reader,
    yaml::{Found, Id, Yaml},
};

/// Where containers stand in a pod's spec (Kubernetes API, `PodSpec`), whatever kind of workload has one.
const LISTS: &[&str] = &["containers", "initContainers", "ephemeralContainers"];

pub(super) fn find<'t>(
    config: &Manifests,
    reader: &Reader<'t>,
    path: &str,
    component: &ComponentName,
    image: &ImageName,
) -> Result<Finding<'t>, Fault> {
    let mut uses = Vec::new();
    for (file, bytes) in reader.tree.files(path)? {
        if !mentions(bytes, config, image) {
            continue;
        }
        let yaml = reader.yaml(file)?;
        for mapping in yaml.mappings() {
            let found = image_of(&yaml, mapping, config, image);
            let found = found.map_err(|why| Fault(format!("`{file}`, {why}")))?;
            uses.extend(found.map(|found| Use {
                file,
                line: found.line,
                parts: vec![(Part::Whole, found)],
                name: image.to_string(),
                lacks: None,
            }));
        }
    }
    if let (Some(container), [one, other, ..]) = (&config.container, uses.as_slice()) {
        return Err(Fault(format!(
            "the container `{container}` stands in `{}`, line {}, and in `{}`, line {}; say which by `workload`",
            one.file, one.line, other.file, other.line
        )));
    }
    if uses.is_empty() {
        return Ok(Finding::Missing(missing(config, reader, path, component, image)));
    }
    Ok(Finding::Uses(uses))
}

fn missing(
    config: &Manifests,
    reader: &Reader<'_>,
    path: &str,
    component: &ComponentName,
    image: &ImageName,
) -> String {
    let (place, links) = (if path.is_empty() { "." } else { path }, reader.tree.elsewhere(path));
    let within = config.workload.as_ref().map(|workload| format!(" in {workload}")).unwrap_or_default();
    let what = match &config.container {
        Some(container) => format!("a container `{container}` with an `image:`{within}"),
        None => format!("an `image:` of {image} ({component}){within}"),
    };
    let what = format!("no YAML file at or below `{place}` has {what}{links}");
    format!("{what}; add the component there, or mend the environment's `path`")
}

/// A cheap look before parsing: what is broken or templated where nothing of ours stands is none of ours. The last part
/// of an image's name stands in every way of writing it.
fn mentions(bytes: &[u8], config: &Manifests, image: &ImageName) -> bool {
    let last = image.repository().rsplit('/').next().unwrap_or_default();
    let needle = config.container.as_deref().unwrap_or(last).as_bytes();
    bytes.windows(needle.len().max(1)).any(|window| window == needle)
}

/// The `image:` of a mapping, if it is the one that is looked for.
fn image_of(yaml: &Yaml<'_>, mapping: Id, config: &Manifests, image: &ImageName) -> Result<Option<Found>, String> {
    let mut images = yaml.pairs(mapping).iter().filter(|(key, _)| yaml.scalar(*key) == Some("image"));
    let is_it = match &config.container {
        Some(container) => images.next().is_some() && is_container(yaml, mapping, container)?,
        // Whatever else is wrong with images of others is none of ours.
        None => images.any(|(_, value)| yaml.says(*value).is_some_and(|value| is_of(value, image))),
    };
    if !is_it || !config.workload.as_ref().map_or(Ok(true), |workload| is_in(yaml, mapping, workload))? {
        return Ok(None);
    }
    yaml.value_of(mapping, "image")
}

/// Whether a value is a reference of this image, and no pattern of such: a policy's `web:*` means all of them.
fn is_of(value: &str, image: &ImageName) -> bool {
    let reference = Reference::parse(value);
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.-*?".contains(&b);
    let is_pattern = reference.tag.is_some_and(|tag| tag.contains(['*', '?']) && tag.bytes().all(fits));
    reference.is_of(image) && !is_pattern
}

fn is_container(yaml: &Yaml<'_>, mapping: Id, name: &str) -> Result<bool, String> {
    let list = yaml.around(mapping).nth(1);
    if !list.and_then(|list| yaml.key_of(list)).is_some_and(|key| LISTS.contains(&key)) {
        return Ok(false);
    }
    Ok(yaml.value_of(mapping, "name")?.is_some_and(|found| found.value == name))
}

/// Whether a mapping belongs to this workload: the nearest thing around it that has a `kind`, so in a `List` too.
fn is_in(yaml: &Yaml<'_>, mapping: Id, workload: &Workload) -> Result<bool, String> {
    for around in yaml.around(mapping) {
        let Some(kind) = yaml.value_of(around, "kind")? else { continue };
        let Some(metadata) = yaml.node_at(around, &Pointer::of("metadata"))? else { continue };
        let name = yaml.value_of(metadata, "name")?;
        return Ok(kind.value == workload.kind && name.is_some_and(|name| name.value == workload.name));
    }
    Ok(false)
}
