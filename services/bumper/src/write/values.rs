//! Values at JSON pointers in a YAML or JSON file: a Helm chart's values, or anything else.

use proto::ImageName;
use runtime::config::{Pointer, Values};

use super::{Finding, Part, Use};
use crate::{
    edit::Fault,
    tree::Reader,
    yaml::{Found, Id, Yaml},
};

/// A part, its pointer, and what stands there.
struct Looked<'c> {
    part: Part,
    pointer: &'c Pointer,
    found: Option<Found>,
}

pub(super) fn find<'t>(
    config: &Values,
    reader: &Reader<'t>,
    path: &str,
    image: &ImageName,
) -> Result<Finding<'t>, Fault> {
    let file = match reader.tree.file(path, config.file.as_ref(), &["values.yaml"])? {
        Ok(file) => file,
        Err(file) => {
            let hint = "mend the environment's `path`, or name the `file`";
            return Ok(Finding::Missing(format!("there is no `{file}`; {hint}")));
        }
    };
    let looked = looked(&*reader.yaml(file)?, config).map_err(|why| Fault(format!("`{file}`, {why}")))?;
    if !is_any_meant(&*reader.yaml(file)?, config).map_err(|why| Fault(format!("`{file}`, {why}")))? {
        let wanted = config.when.iter().map(|(pointer, value)| format!("`{value}` at `{pointer}`"));
        let wanted = wanted.collect::<Vec<_>>().join(" and ");
        return Ok(Finding::Missing(format!("`{file}` has no document with {wanted}; mend it, or `when`")));
    }
    let absent: Vec<_> = looked.iter().filter(|it| it.found.is_none()).map(|it| format!("`{}`", it.pointer)).collect();
    if !absent.is_empty() {
        let absent = absent.join(", ");
        return Ok(Finding::Missing(format!("`{file}` has nothing at {absent}; add it there, or mend `write`")));
    }
    let parts: Vec<_> = looked.into_iter().filter_map(|it| Some((it.part, it.found?))).collect();
    let line = parts.first().map_or(0, |(_, found)| found.line);
    Ok(Finding::Uses(vec![Use { file, line, parts, name: image.to_string(), lacks: None }]))
}

/// What stands at the pointers in the one document that has anything there, or nothing at all of them.
fn looked<'c>(yaml: &Yaml<'_>, config: &'c Values) -> Result<Vec<Looked<'c>>, String> {
    let mut matching: Vec<(Id, Vec<Looked<'c>>)> = Vec::new();
    for document in yaml.documents() {
        if !is_meant(yaml, *document, config)? {
            continue;
        }
        let found =
            pointers(config).map(|(part, pointer)| Ok(Looked { part, pointer, found: yaml.at(*document, pointer)? }));
        let found = found.collect::<Result<Vec<_>, String>>()?;
        if found.iter().any(|it| it.found.is_some()) {
            matching.push((*document, found));
        }
    }
    if let [(one, _), (other, _), ..] = matching.as_slice() {
        let (one, other) = (yaml.line(*one), yaml.line(*other));
        return Err(format!(
            "line {one}: the document that begins here and the one on line {other} both have the values; say which by \
             `when`"
        ));
    }
    let nothing = || pointers(config).map(|(part, pointer)| Looked { part, pointer, found: None }).collect();
    Ok(matching.pop().map_or_else(nothing, |(_, found)| found))
}

fn pointers(config: &Values) -> impl Iterator<Item = (Part, &Pointer)> {
    let all = [
        (Part::Whole, &config.image),
        (Part::Registry, &config.registry),
        (Part::Name, &config.repository),
        (Part::Tag, &config.tag),
        (Part::Digest, &config.digest),
    ];
    all.into_iter().filter_map(|(part, pointer)| Some((part, pointer.as_ref()?)))
}

/// Whether any document has what `when` asks for.
fn is_any_meant(yaml: &Yaml<'_>, config: &Values) -> Result<bool, String> {
    for document in yaml.documents() {
        if is_meant(yaml, *document, config)? {
            return Ok(true);
        }
    }
    // An empty file has no document.
    Ok(config.when.is_empty())
}

fn is_meant(yaml: &Yaml<'_>, document: Id, config: &Values) -> Result<bool, String> {
    for (pointer, wanted) in &config.when {
        if yaml.at(document, pointer)?.is_none_or(|found| found.value != *wanted) {
            return Ok(false);
        }
    }
    Ok(true)
}
