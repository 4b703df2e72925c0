//! What an environment's files ask for, and which bytes must change so that they ask for something else.
//!
//! Pure: files in, files out. Where they come from and go to is the clone's business.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use proto::{AppName, BumpReason, ComponentName, Digest, EnvironmentName, EventId, ImageName, Release};
use runtime::config::TagRule;

use crate::{
    image::{self, Reference},
    yaml::{self, Found},
};

/// More than any environment has; beyond it the path in the config is a mistake.
const MOST_FILES: usize = 2_000;
/// The largest file that is read. Manifests are small; this is somebody's data.
pub(crate) const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// What one event asks of one environment.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) app: AppName,
    pub(crate) environment: EnvironmentName,
    /// Its folder or file; empty for the repository's root.
    pub(crate) path: String,
    /// The event that asks; its commit is known by it.
    pub(crate) event: EventId,
    pub(crate) reason: BumpReason,
    /// Every component of the app.
    pub(crate) components: BTreeMap<ComponentName, ImageName>,
    /// What is to run.
    pub(crate) wanted: Release,
    /// When given: only while the files still ask for these.
    pub(crate) instead_of: Option<BTreeMap<ComponentName, Digest>>,
    /// By which rule a component's tag must not be older than what the files ask for.
    pub(crate) rules: BTreeMap<ComponentName, TagRule>,
    /// For people.
    pub(crate) note: Option<String>,
}

/// Files of the repository, by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree(pub(crate) BTreeMap<String, Entry>);

/// What stands at a path.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A file that was read.
    File { mode: String, bytes: Arc<[u8]> },
    /// A file that is too large to be read.
    TooLarge(u64),
    /// A symbolic link or a submodule, which lead elsewhere.
    Elsewhere(&'static str),
    /// A file that is no YAML, and was not read.
    Other,
}

/// What is to be done for an ask.
#[derive(Debug)]
pub(crate) enum Plan {
    /// These files change.
    Edit(Edit),
    /// The files already ask for it.
    Same,
    /// The files no longer ask for what was to be replaced; this is what stands there now.
    MovedOn(String),
    /// What is wanted is older than what the files ask for; said in a line.
    Older(String),
}

/// Changed files, and what that means.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) files: Vec<(String, String, Arc<[u8]>)>,
    pub(crate) changed: Vec<ComponentName>,
    pub(crate) previous: BTreeMap<ComponentName, String>,
}

/// Why the files cannot be edited; somebody must mend the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(pub(crate) String);

/// Whether a file's name says YAML.
pub(crate) fn is_yaml(path: &str) -> bool {
    matches!(path.rsplit_once('.'), Some((_, "yaml" | "yml")))
}

fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// An `image:` value and the file it stands in.
struct Use<'a> {
    path: &'a str,
    found: Found,
}

impl Tree {
    /// What each component's first `image:` value in an environment is.
    pub(crate) fn values(
        &self,
        path: &str,
        components: &BTreeMap<ComponentName, ImageName>,
    ) -> Result<BTreeMap<ComponentName, String>, Fault> {
        let uses = self.uses(path, components)?;
        Ok(uses.into_iter().filter_map(|(name, uses)| Some((name, uses.into_iter().next()?.found.value))).collect())
    }

    /// Takes an edit over, so that the next ask of the same batch builds on it.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        for (path, mode, bytes) in &edit.files {
            self.0.insert(path.clone(), Entry::File { mode: mode.clone(), bytes: Arc::clone(bytes) });
        }
    }

    /// Every use of each image below a path. Files that do not mention an image are not parsed: what is broken or
    /// templated there is none of ours.
    fn uses(
        &self,
        path: &str,
        components: &BTreeMap<ComponentName, ImageName>,
    ) -> Result<BTreeMap<ComponentName, Vec<Use<'_>>>, Fault> {
        let mut uses: BTreeMap<ComponentName, Vec<Use<'_>>> = BTreeMap::new();
        for (file, bytes) in self.files(path)? {
            let here: Vec<_> = components.iter().filter(|(_, image)| mentions(bytes, image)).collect();
            if here.is_empty() {
                continue;
            }
            let text = std::str::from_utf8(bytes).map_err(|_| Fault(format!("`{file}` is not UTF-8")))?;
            let images = yaml::images(text)
                .map_err(|broken| Fault(format!("`{file}`, line {}: not valid YAML: {}", broken.line, broken.why)))?;
            for found in images {
                let reference = Reference::parse(&found.value);
                if let Some((name, _)) = here.iter().find(|(_, image)| reference.is_of(image)) {
                    uses.entry((*name).clone()).or_default().push(Use { path: file, found });
                }
            }
        }
        Ok(uses)
    }

    fn files(&self, path: &str) -> Result<Vec<(&str, &[u8])>, Fault> {
        let mut files = Vec::new();
        let mut is_there = false;
        for (file, entry) in &self.0 {
            let is_it = file == path;
            if let (Entry::Elsewhere(kind), true) = (entry, is_it || is_below(path, file)) {
                return Err(Fault(format!("`{file}` is a {kind}, which is not followed; give the real path")));
            }
            if !is_it && !is_below(file, path) {
                continue;
            }
            is_there = true;
            match entry {
                Entry::File { bytes, .. } if is_it || is_yaml(file) => files.push((file.as_str(), &**bytes)),
                Entry::TooLarge(size) if is_it || is_yaml(file) => {
                    return Err(Fault(format!("`{file}` has {size} bytes; only files to {LARGEST_FILE} are edited")));
                }
                _ => {}
            }
        }
        if !is_there {
            return Err(Fault(format!("there is no `{}`", if path.is_empty() { "." } else { path })));
        }
        if files.len() > MOST_FILES {
            return Err(Fault(format!("`{path}` holds {} YAML files; at most {MOST_FILES} are edited", files.len())));
        }
        Ok(files)
    }

    /// Whether anything stands at or below a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.keys().any(|file| file == path || is_below(file, path))
    }

    fn elsewhere(&self, path: &str) -> String {
        let links = self.0.iter().filter(|(file, entry)| is_below(file, path) && matches!(entry, Entry::Elsewhere(_)));
        let links: Vec<_> = links.map(|(file, _)| format!("`{file}`")).take(5).collect();
        if links.is_empty() { String::new() } else { format!(" (not followed: {})", links.join(", ")) }
    }
}

/// A cheap look before parsing. The last part of an image's name stands in every way of writing it.
fn mentions(bytes: &[u8], image: &ImageName) -> bool {
    let needle = image.repository().rsplit('/').next().unwrap_or_default().as_bytes();
    bytes.windows(needle.len().max(1)).any(|window| window == needle)
}

/// What must change so that the environment asks for what is wanted.
pub(crate) fn plan(tree: &Tree, ask: &Ask) -> Result<Plan, Fault> {
    let images = ask.wanted.iter().map(|(name, released)| (name.clone(), released.image.clone())).collect();
    let uses = tree.uses(&ask.path, &images)?;
    if let Some((name, image)) = images.iter().find(|(name, _)| !uses.contains_key(*name)) {
        let (place, links) = (if ask.path.is_empty() { "." } else { &ask.path }, tree.elsewhere(&ask.path));
        let what = format!("no YAML file at or below `{place}` has an `image:` of {image} ({name}){links}");
        return Err(Fault(format!("{what}; add the component there, or mend the environment's `path`")));
    }
    let differ = |name: &ComponentName, used: &Use<'_>| {
        Reference::parse(&used.found.value).proper_digest().as_ref() != ask.wanted.get(name).map(|r| &r.digest)
    };
    let mut edits: BTreeMap<&str, Vec<(std::ops::Range<usize>, String)>> = BTreeMap::new();
    let mut previous = BTreeMap::new();
    for (name, used) in uses.iter().flat_map(|(name, uses)| uses.iter().map(move |used| (name, used))) {
        if !differ(name, used) {
            continue;
        }
        if let Some(now) = moved_on(ask, name, &used.found.value) {
            return Ok(Plan::MovedOn(now));
        }
        if let Some(older) = older(ask, name, &used.found.value) {
            return Ok(Plan::Older(older));
        }
        let place = used.found.place.clone();
        let place = place.map_err(|why| Fault(format!("`{}`, line {}: {why}", used.path, used.found.line)))?;
        edits.entry(used.path).or_default().push((place, image::value_of(&ask.wanted[name])));
        previous.entry(name.clone()).or_insert_with(|| used.found.value.clone());
    }
    if edits.is_empty() {
        return Ok(Plan::Same);
    }
    let files = edits.into_iter().filter_map(|(path, edits)| tree.spliced(path, edits)).collect();
    Ok(Plan::Edit(Edit { files, changed: previous.keys().cloned().collect(), previous }))
}

/// What stands there, when the ask holds only for something else.
fn moved_on(ask: &Ask, name: &ComponentName, value: &str) -> Option<String> {
    let expected = ask.instead_of.as_ref()?.get(name);
    let is_expected = Reference::parse(value).proper_digest().as_ref() == expected;
    (!is_expected || expected.is_none()).then(|| value.to_owned())
}

/// What the wanted tag is older than, where a rule over tags says so.
fn older(ask: &Ask, name: &ComponentName, value: &str) -> Option<String> {
    let (rule, wanted) = (ask.rules.get(name)?, ask.wanted.get(name)?.tag.as_deref()?);
    let now = Reference::parse(value).tag?;
    let is_older = rule.compare(wanted, now) == Some(Ordering::Less);
    is_older.then(|| format!("{name} {wanted} is older than {now}, which is deployed"))
}

impl Tree {
    fn spliced(&self, path: &str, edits: Vec<(std::ops::Range<usize>, String)>) -> Option<(String, String, Arc<[u8]>)> {
        let Some(Entry::File { mode, bytes }) = self.0.get(path) else { return None };
        let text = std::str::from_utf8(bytes).ok()?;
        Some((path.to_owned(), mode.clone(), yaml::splice(text, edits).into_bytes().into()))
    }
}
