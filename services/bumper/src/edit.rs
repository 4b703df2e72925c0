//! What an environment's files ask for, and which bytes must change so that they ask for something else.
//!
//! Pure: files in, files out. Where they come from and go to is the clone's business.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use proto::{AppName, BumpReason, CommitSha, ComponentName, EnvironmentName, EventId, Release, ReleasedImage};
use runtime::config::{App, Component, Pin, TagRule, Write, Writing};

use crate::{
    image::Reference,
    tree::{self, Changed, Reader, Tree},
    write::{Finding, Slot, Use},
    yaml::Id,
};

/// What is known to stand in an environment's files.
#[derive(Debug, Clone)]
pub(crate) struct Over {
    /// What was written last.
    pub(crate) release: Release,
    /// What was found there since.
    pub(crate) values: BTreeSet<String>,
}

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
    /// Where and how every component of the app is written.
    pub(crate) slots: BTreeMap<ComponentName, Slot>,
    /// What is to run.
    pub(crate) wanted: Release,
    /// The source commit that is of as a whole.
    pub(crate) commit: Option<CommitSha>,
    /// When given: only while the files still ask for these.
    pub(crate) instead_of: Option<Release>,
    /// When given: what the files are known to ask for. Where they ask for anything else, that is told, and nothing is
    /// written.
    pub(crate) over: Option<Over>,
    /// By which rule a component's tag must not be older than what the files ask for.
    pub(crate) rules: BTreeMap<ComponentName, TagRule>,
    /// For people.
    pub(crate) note: Option<String>,
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
    /// The files ask for these values, which nobody knew of.
    Unforeseen(BTreeSet<(ComponentName, String)>),
}

/// Changed files, and what that means.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) files: Vec<Changed>,
    pub(crate) changed: Vec<ComponentName>,
    pub(crate) previous: BTreeMap<ComponentName, String>,
}

/// Why the files cannot be edited; somebody must mend the repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Fault(pub(crate) String);

/// What each component's image is in an environment's files. One that cannot be found there, because its file is broken
/// for instance, is left out: what is asked for the others must not hang on it.
pub(crate) fn values(tree: &Tree, ask: &Ask) -> BTreeMap<ComponentName, String> {
    let reader = Reader::new(tree);
    let value = |(name, slot): (&ComponentName, &Slot)| match slot.find(&reader, &ask.path, name) {
        Ok(Finding::Uses(uses)) => Some((name.clone(), uses.first()?.value())),
        Ok(Finding::Missing(_)) | Err(Fault(_)) => None,
    };
    ask.slots.iter().filter_map(value).collect()
}

/// What must change so that the environment asks for what is wanted.
pub(crate) fn plan(tree: &Tree, ask: &Ask) -> Result<Plan, Fault> {
    let reader = Reader::new(tree);
    let mut sought = Vec::with_capacity(ask.wanted.len());
    for (name, wanted) in &ask.wanted {
        let slot = ask.slot(name, wanted);
        match slot.find(&reader, &ask.path, name)? {
            Finding::Uses(uses) => sought.push((name, wanted, slot, uses)),
            Finding::Missing(why) => return Err(Fault(why)),
        }
    }
    let mut changes = Changes::default();
    let (mut previous, mut unforeseen) = (BTreeMap::new(), BTreeSet::new());
    for (name, wanted, slot, uses) in sought {
        for used in uses {
            let value = used.value();
            if slot.is_met(&used, wanted) {
                ask.can_be_told_apart(name, wanted, &slot)?;
                continue;
            }
            if let Some(now) = moved_on(ask, name, &slot, &value) {
                return Ok(Plan::MovedOn(now));
            }
            if let Some(older) = older(ask, name, &value) {
                return Ok(Plan::Older(older));
            }
            if !is_foreseen(ask, name, &slot, &value) {
                unforeseen.insert((name.clone(), value.clone()));
            }
            changes.add(name, &used, wanted, slot.pin)?;
            previous.entry(name.clone()).or_insert(value);
        }
    }
    if !unforeseen.is_empty() {
        return Ok(Plan::Unforeseen(unforeseen));
    }
    if previous.is_empty() {
        return Ok(Plan::Same);
    }
    Ok(Plan::Edit(Edit { files: changes.files(&reader)?, changed: previous.keys().cloned().collect(), previous }))
}

/// What is to be written, by file and node.
#[derive(Default)]
struct Changes<'t>(BTreeMap<&'t str, BTreeMap<Id, (ComponentName, String)>>);

impl<'t> Changes<'t> {
    fn add(&mut self, name: &ComponentName, used: &Use<'t>, wanted: &ReleasedImage, pin: Pin) -> Result<(), Fault> {
        let at = |why: String| Fault(format!("`{}`, {why}", used.file));
        let nodes = self.0.entry(used.file).or_default();
        for (found, text) in used.changes(wanted, pin).map_err(at)? {
            if let Some((other, _)) = nodes.get(&found.node).filter(|(_, written)| *written != text) {
                return Err(at(format!("line {}: both {other} and {name} are written here; mend `write`", found.line)));
            }
            nodes.insert(found.node, (name.clone(), text));
        }
        Ok(())
    }

    fn files(self, reader: &Reader<'t>) -> Result<Vec<Changed>, Fault> {
        let changed = |(path, nodes): (&'t str, BTreeMap<Id, (ComponentName, String)>)| {
            let values = nodes.into_iter().map(|(node, (_, text))| (node, text)).collect();
            let text = reader.yaml(path)?.replaced(&values, tree::is_json(path));
            let bytes = text.map_err(|why| Fault(format!("`{path}`, {why}")))?.into_bytes().into();
            let mode = reader.tree.content(path).map_or("100644", |(mode, _)| mode).to_owned();
            Ok(Changed { path: path.to_owned(), mode, bytes })
        };
        self.0.into_iter().map(changed).collect()
    }
}

impl Ask {
    /// Where and how every component of an app is written in an environment.
    pub(crate) fn slots(app: &App, environment: &EnvironmentName) -> BTreeMap<ComponentName, Slot> {
        let slot = |(name, component): (&ComponentName, &Component)| {
            let Writing { write, pin, .. } = app.writing(environment, name);
            (name.clone(), Slot { image: component.image.clone(), write, pin })
        };
        app.components.iter().map(slot).collect()
    }

    /// What must be read of the repository.
    pub(crate) fn paths(&self) -> Vec<String> {
        let named = self.slots.values().filter_map(|slot| match &slot.write {
            Write::Manifests(_) => None,
            Write::Kustomize(kustomize) => kustomize.file.as_ref(),
            Write::Values(values) => values.file.as_ref(),
        });
        // Whatever says YAML below the path is read.
        let other = named.map(|file| tree::join(&self.path, file.as_str())).filter(|file| !tree::is_yaml(file));
        std::iter::once(self.path.clone()).chain(other).collect()
    }

    /// Where a component is written. What was released may have another image than the configuration says by now.
    fn slot(&self, name: &ComponentName, wanted: &ReleasedImage) -> Slot {
        let image = wanted.image.clone();
        match self.slots.get(name) {
            Some(slot) => Slot { image, ..slot.clone() },
            None => Slot { image, write: Write::default(), pin: Pin::default() },
        }
    }

    /// A tag that stands for what is to be replaced and for what is wanted cannot say which of them is there.
    fn can_be_told_apart(&self, name: &ComponentName, wanted: &ReleasedImage, slot: &Slot) -> Result<(), Fault> {
        let replaced = self.instead_of.as_ref().and_then(|release| release.get(name));
        let same = replaced.filter(|bad| slot.pin == Pin::Tag && bad.tag == wanted.tag && bad.digest != wanted.digest);
        match same.and_then(|bad| bad.tag.as_deref()) {
            None => Ok(()),
            Some(tag) => Err(Fault(format!(
                "the tag `{tag}` of {name} was moved: it stands for what is to be taken back and for what is to be \
                 restored; write with `pin: both`"
            ))),
        }
    }
}

/// What stands there, when the ask holds only for something else.
fn moved_on(ask: &Ask, name: &ComponentName, slot: &Slot, value: &str) -> Option<String> {
    let expected = ask.instead_of.as_ref()?.get(name);
    let is_expected = expected.is_some_and(|expected| slot.asks_for(value, expected));
    (!is_expected).then(|| value.to_owned())
}

/// Whether this value is known to stand there, where only such may be replaced.
fn is_foreseen(ask: &Ask, name: &ComponentName, slot: &Slot, value: &str) -> bool {
    ask.over.as_ref().is_none_or(|over| {
        over.values.contains(value) || over.release.get(name).is_some_and(|known| slot.asks_for(value, known))
    })
}

/// What the wanted tag is older than, where a rule over tags says so.
fn older(ask: &Ask, name: &ComponentName, value: &str) -> Option<String> {
    let (rule, wanted) = (ask.rules.get(name)?, ask.wanted.get(name)?.tag.as_deref()?);
    let now = Reference::parse(value).tag?;
    let is_older = rule.compare(wanted, now) == Some(Ordering::Less);
    is_older.then(|| format!("{name} {wanted} is older than {now}, which is deployed"))
}
