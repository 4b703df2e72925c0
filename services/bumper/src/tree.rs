//! Files of a GitOps repository as a commit has them, and what of them is read as YAML.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use runtime::config::{RelativePath, is_below};

use crate::{edit::Fault, yaml::Yaml};

/// More than any environment has; beyond it the path in the config is a mistake.
const MOST_FILES: usize = 2_000;
/// The largest file that is read. Manifests are small; this is somebody's data.
pub(crate) const LARGEST_FILE: u64 = 4 * 1024 * 1024;

/// What [`Entry::Elsewhere`] calls a file whose content Git itself has not got.
pub(crate) const IN_LFS: &str = "file that is kept in Git LFS";

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
    /// A symbolic link, a submodule, or a pointer of Git LFS, which lead elsewhere.
    Elsewhere(&'static str),
    /// A file that is no YAML, and was not read.
    Other,
}

/// A file as it is to be.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) path: String,
    pub(crate) mode: String,
    pub(crate) bytes: Arc<[u8]>,
}

/// Whether a file's name says YAML. One of Kustomize's three names for its file does not.
pub(crate) fn is_yaml(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name == "Kustomization" || matches!(name.rsplit_once('.'), Some((_, "yaml" | "yml")))
}

/// Whether a file's name says JSON, which knows no values without quotes.
pub(crate) fn is_json(path: &str) -> bool {
    matches!(path.rsplit_once('.'), Some((_, "json")))
}

/// A path below another; the root's is empty.
pub(crate) fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

impl Tree {
    /// The YAML files at and below a path.
    pub(crate) fn files(&self, path: &str) -> Result<Vec<(&str, &[u8])>, Fault> {
        let mut files = Vec::new();
        let mut is_there = false;
        for (file, entry) in &self.0 {
            let is_it = file == path;
            if let (Entry::Elsewhere(kind), true) = (entry, is_it || is_below(path, file)) {
                return Err(not_followed(file, kind));
            }
            if !is_it && !is_below(file, path) {
                continue;
            }
            is_there = true;
            match entry {
                Entry::File { bytes, .. } if is_it || is_yaml(file) => files.push((file.as_str(), &**bytes)),
                Entry::TooLarge(size) if is_it || is_yaml(file) => return Err(too_large(file, *size)),
                _ => {}
            }
        }
        if !is_there {
            return Err(nothing_at(path));
        }
        if files.len() > MOST_FILES {
            return Err(Fault(format!("`{path}` holds {} YAML files; at most {MOST_FILES} are edited", files.len())));
        }
        Ok(files)
    }

    /// The one file below a path that the configuration names, or else the path itself, or the one of these names in it.
    /// Where there is none: which it would be.
    pub(crate) fn file(
        &self,
        path: &str,
        named: Option<&RelativePath>,
        usual: &[&str],
    ) -> Result<Result<&str, String>, Fault> {
        let is_file = self.0.contains_key(path);
        let wanted: Vec<String> = match named {
            Some(named) if is_file => {
                return Err(Fault(format!(
                    "`{path}` is a file, and `{named}` is looked for below it; give the folder as the environment's \
                     `path`, or leave out `file`"
                )));
            }
            Some(named) => vec![join(path, named.as_str())],
            None if is_file => vec![path.to_owned()],
            None => usual.iter().map(|name| join(path, name)).collect(),
        };
        for (link, entry) in &self.0 {
            if let (Entry::Elsewhere(kind), true) =
                (entry, wanted.iter().any(|file| file == link || is_below(file, link)))
            {
                return Err(not_followed(link, kind));
            }
        }
        let there: Vec<_> = wanted.iter().filter_map(|file| self.0.get_key_value(file)).collect();
        match there.as_slice() {
            [] => Ok(Err(wanted.into_iter().next().unwrap_or_default())),
            [(file, Entry::TooLarge(size))] => Err(too_large(file, *size)),
            [(file, _)] => Ok(Ok(file.as_str())),
            [(one, _), (other, _), ..] => Err(Fault(format!("there are `{one}` and `{other}`; leave one of them"))),
        }
    }

    /// Takes changed files over.
    pub(crate) fn apply(&mut self, files: &[Changed]) {
        for Changed { path, mode, bytes } in files {
            self.0.insert(path.clone(), Entry::File { mode: mode.clone(), bytes: Arc::clone(bytes) });
        }
    }

    /// A file's mode and bytes.
    pub(crate) fn content(&self, path: &str) -> Option<(&str, &[u8])> {
        match self.0.get(path) {
            Some(Entry::File { mode, bytes }) => Some((mode, bytes)),
            _ => None,
        }
    }

    /// Whether anything stands at or below a path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.0.keys().any(|file| file == path || is_below(file, path))
    }

    /// What below a path is not followed, for people.
    pub(crate) fn elsewhere(&self, path: &str) -> String {
        let links = self.0.iter().filter(|(file, entry)| is_below(file, path) && matches!(entry, Entry::Elsewhere(_)));
        let links: Vec<_> = links.map(|(file, _)| format!("`{file}`")).take(5).collect();
        if links.is_empty() { String::new() } else { format!(" (not followed: {})", links.join(", ")) }
    }
}

fn not_followed(file: &str, kind: &str) -> Fault {
    let next = if kind == IN_LFS { "take it out of LFS" } else { "give the real path" };
    Fault(format!("`{file}` is a {kind}, which is not followed; {next}"))
}

fn too_large(file: &str, size: u64) -> Fault {
    Fault(format!("`{file}` has {size} bytes; only files to {LARGEST_FILE} are edited"))
}

fn nothing_at(path: &str) -> Fault {
    Fault(format!("there is no `{}`", if path.is_empty() { "." } else { path }))
}

/// Reads files as YAML, each once.
pub(crate) struct Reader<'t> {
    pub(crate) tree: &'t Tree,
    read: RefCell<BTreeMap<&'t str, Rc<Yaml<'t>>>>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(tree: &'t Tree) -> Self {
        Self { tree, read: RefCell::default() }
    }

    pub(crate) fn yaml(&self, file: &'t str) -> Result<Rc<Yaml<'t>>, Fault> {
        if let Some(yaml) = self.read.borrow().get(file) {
            return Ok(Rc::clone(yaml));
        }
        let (_, bytes) = self.tree.content(file).ok_or_else(|| Fault(format!("`{file}` was not read")))?;
        let text = std::str::from_utf8(bytes).map_err(|_| Fault(format!("`{file}` is not UTF-8")))?;
        let yaml = Yaml::parse(text)
            .map_err(|broken| Fault(format!("`{file}`, line {}: not valid YAML: {}", broken.line, broken.why)))?;
        let yaml = Rc::new(yaml);
        self.read.borrow_mut().insert(file, Rc::clone(&yaml));
        Ok(yaml)
    }
}
