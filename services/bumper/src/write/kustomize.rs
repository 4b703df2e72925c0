//! An entry of `images:` in a kustomization.
//!
//! Kustomize gives what has the image `name` another name (`newName`), tag (`newTag`) and digest (`digest`). With both
//! tag and digest it renders `name:tag@digest`, before its version 5 `name@digest`; an empty one counts as not given.

use proto::ImageName;
use runtime::config::{Kustomize, Pointer};

use super::{Finding, Part, Use};
use crate::{
    edit::Fault,
    image::Reference,
    tree::Reader,
    yaml::{Id, Yaml},
};

/// The names a kustomization may have.
const NAMES: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];
const PARTS: &[(&str, Part)] = &[("newName", Part::Name), ("newTag", Part::Tag), ("digest", Part::Digest)];

pub(super) fn find<'t>(
    config: &Kustomize,
    reader: &Reader<'t>,
    path: &str,
    image: &ImageName,
) -> Result<Finding<'t>, Fault> {
    let file = match reader.tree.file(path, config.file.as_ref(), NAMES)? {
        Ok(file) => file,
        Err(file) => {
            return Ok(Finding::Missing(format!(
                "there is no kustomization `{file}`; mend the environment's `path`, or name the `file`"
            )));
        }
    };
    let yaml = reader.yaml(file)?;
    let at = |why: String| Fault(format!("`{file}`, {why}"));
    let mut entries = Vec::new();
    for entry in images(&yaml).map_err(at)? {
        let Some(name) = yaml.value_of(entry, "name").map_err(at)? else { continue };
        let found = of_entry(&yaml, file, entry, name.value).map_err(at)?;
        let is_it = match &config.name {
            Some(wanted) => found.name == *wanted,
            None => Reference::parse(&found.value()).is_of(image),
        };
        if is_it {
            entries.push(found);
        }
    }
    match entries.as_slice() {
        [] => Ok(Finding::Missing(missing(config, file, image))),
        [_] => Ok(Finding::Uses(entries)),
        [one, other, ..] => Err(Fault(format!(
            "`{file}`, line {}: this entry of `images` and the one on line {} are both of {image}; say which by `name`, \
             or leave one of them",
            one.line, other.line
        ))),
    }
}

/// The entries of `images:`.
fn images(yaml: &Yaml<'_>) -> Result<Vec<Id>, String> {
    let mut found = Vec::new();
    for document in yaml.documents() {
        if let Some(list) = yaml.node_at(*document, &Pointer::of("images"))? {
            found.extend_from_slice(yaml.items(list));
        }
    }
    Ok(found)
}

fn of_entry<'t>(yaml: &Yaml<'_>, file: &'t str, entry: Id, name: String) -> Result<Use<'t>, String> {
    let mut parts = Vec::new();
    for (key, part) in PARTS {
        parts.extend(yaml.value_of(entry, key)?.map(|found| (*part, found)));
    }
    Ok(Use { file, line: yaml.line(entry), parts, name, lacks: Some(lacks) })
}

fn lacks(part: Part) -> String {
    match part {
        Part::Digest => "this entry of `images` has no `digest`; add `digest: \"\"` to it, or write with `pin: tag`",
        Part::Tag => "this entry of `images` has no `newTag`; add `newTag: \"\"` to it, or write with `pin: digest`",
        _ => "this entry of `images` has no `newName`; add `newName: \"\"` to it, or name the image itself",
    }
    .to_owned()
}

fn missing(config: &Kustomize, file: &str, image: &ImageName) -> String {
    let (name, new) = match &config.name {
        Some(name) => (name.as_str(), ", newName: \"\""),
        None => (image.as_str(), ""),
    };
    format!(
        "`{file}` has no entry of {name} in `images`; add `- {{ name: {name}{new}, newTag: \"\", digest: \"\" }}` there"
    )
}
