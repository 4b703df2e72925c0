//! Where a value stands, and why it would be a guess to replace it there.

use runtime::config::Pointer;
use saphyr_parser::ScalarStyle;

use super::{Id, Kind, Yaml, place::Place, scalar};

/// A value that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) node: Id,
    /// What it says; nothing where YAML has a null.
    pub(crate) value: String,
    /// The line it stands on, from 1.
    pub(crate) line: usize,
    /// Whether every reader takes it for this text; a `1.10` without quotes is a number to some.
    pub(crate) is_text: bool,
    /// Why it cannot be replaced, if it cannot.
    pub(crate) fixed: Option<String>,
}

/// What a search led to: a node, and the lines of an alias and of its anchor, where the way led over these.
#[derive(Debug, Clone, Copy)]
struct Way {
    node: Id,
    by: Option<(usize, usize)>,
}

impl Yaml<'_> {
    /// The value of a key of this mapping; `None` where there is none, `Err` where there are two.
    pub(crate) fn value_of(&self, mapping: Id, key: &str) -> Result<Option<Found>, String> {
        let Some(way) = self.step(Way { node: mapping, by: None }, key)? else { return Ok(None) };
        Ok(self.found(self.followed(way)))
    }

    /// The value at a pointer in a document; `None` where nothing stands there, `Err` where it would be a guess to say
    /// what does.
    pub(crate) fn at(&self, document: Id, pointer: &Pointer) -> Result<Option<Found>, String> {
        let Some(way) = self.way(document, pointer)? else { return Ok(None) };
        let found = self.found(way);
        found.map(Some).ok_or_else(|| format!("line {}: at `{pointer}` stands no plain value", self.line(way.node)))
    }

    /// The node at a pointer, whatever it is.
    pub(crate) fn node_at(&self, document: Id, pointer: &Pointer) -> Result<Option<Id>, String> {
        Ok(self.way(document, pointer)?.map(|way| way.node))
    }

    fn way(&self, document: Id, pointer: &Pointer) -> Result<Option<Way>, String> {
        let mut way = self.followed(Way { node: document, by: None });
        for part in pointer.parts() {
            let Some(next) = self.step(way, &part)? else { return Ok(None) };
            way = self.followed(next);
        }
        Ok(Some(way))
    }

    fn step(&self, from: Way, part: &str) -> Result<Option<Way>, String> {
        match &self.nodes[from.node].kind {
            Kind::Sequence(items) => {
                let item = part.parse::<usize>().ok().and_then(|n| items.get(n));
                Ok(item.map(|item| Way { node: *item, ..from }))
            }
            Kind::Mapping(_) => match self.only(from.node, part)? {
                Some(node) => Ok(Some(Way { node, ..from })),
                None => Ok(self.merged(from.node, part).map(|(node, by)| Way { node, by: from.by.or(Some(by)) })),
            },
            Kind::Scalar { .. } | Kind::Alias(_) => Ok(None),
        }
    }

    /// The one value a mapping itself has for a key.
    fn only(&self, mapping: Id, key: &str) -> Result<Option<Id>, String> {
        let mut all = self.pairs(mapping).iter().filter(|(k, _)| self.scalar(*k) == Some(key));
        match (all.next(), all.next()) {
            (Some((first, _)), Some((second, _))) => {
                let (first, second) = (self.line(*first), self.line(*second));
                Err(format!("line {first}: the key `{key}` stands here and on line {second}; leave one of them"))
            }
            (found, _) => Ok(found.map(|(_, value)| *value)),
        }
    }

    /// What a mapping has by `<<` (YAML 1.1's merge key), and the lines of the `<<` and of what it names.
    fn merged(&self, mapping: Id, key: &str) -> Option<(Id, (usize, usize))> {
        let merges = self.pairs(mapping).iter().filter(|(k, _)| self.scalar(*k) == Some("<<"));
        let sources = merges.flat_map(|(k, value)| {
            let items = self.items(*value);
            let sources = if items.is_empty() { std::slice::from_ref(value) } else { items };
            sources.iter().map(|source| (self.line(*k), self.target(*source)))
        });
        let mut has = sources.filter_map(|(line, source)| {
            let (_, value) = self.pairs(source).iter().find(|(k, _)| self.scalar(*k) == Some(key))?;
            Some((*value, (line, self.line(source))))
        });
        has.next()
    }

    /// What a scalar says, or the one that an alias stands for.
    pub(crate) fn says(&self, id: Id) -> Option<&str> {
        self.scalar(self.target(id))
    }

    /// What an alias stands for; another node for itself.
    fn target(&self, id: Id) -> Id {
        match &self.nodes[id].kind {
            // An anchor stands before its aliases, and none stands on an alias.
            Kind::Alias(anchor) => self.anchors.get(anchor).copied().unwrap_or(id),
            _ => id,
        }
    }

    fn followed(&self, way: Way) -> Way {
        let node = self.target(way.node);
        let by = (node != way.node).then(|| (self.line(way.node), self.line(node)));
        Way { node, by: way.by.or(by) }
    }

    fn found(&self, way: Way) -> Option<Found> {
        let Kind::Scalar { value, style, place } = &self.nodes[way.node].kind else { return None };
        let is_text = *style != ScalarStyle::Plain || self.nodes[way.node].tag.is_some() || scalar::is_plain(value);
        let value = if self.is_null(way.node) { String::new() } else { value.clone() };
        let line = way.by.map_or(self.line(way.node), |(here, _)| here);
        let by_anchor =
            |(_, anchor)| format!("its value is an alias of an anchor on line {anchor}; write the value out here");
        let fixed = way.by.map(by_anchor).or_else(|| self.shared(way.node)).or_else(|| match place {
            Place::Fixed(why) => Some((*why).to_owned()),
            Place::Token(_) | Place::Nothing(_) => self.other_type(way.node),
        });
        Some(Found { node: way.node, value, line, is_text, fixed })
    }

    /// Why replacing a node would replace it elsewhere as well, if it would.
    fn shared(&self, id: Id) -> Option<String> {
        let anchored = self.around(id).filter(|id| self.nodes[*id].anchor > 0);
        let mut used = anchored.filter_map(|id| Some((id, *self.aliases.get(&self.nodes[id].anchor)?)));
        let (anchored, used) = used.next()?;
        let anchor = self.line(anchored);
        Some(format!("an alias on line {used} stands for it too, by the anchor on line {anchor}; write both out"))
    }

    /// Why a text would not be what a scalar's tag says it is.
    fn other_type(&self, id: Id) -> Option<String> {
        let tag = self.nodes[id].tag.as_ref()?;
        let is_text =
            (tag.is_yaml_core_schema() && tag.suffix == "str") || format!("{}{}", tag.handle, tag.suffix) == "!";
        (!is_text).then(|| "its value has a tag of its own; write it without".to_owned())
    }

    /// Whether it is one of YAML's ways to write nothing.
    fn is_null(&self, id: Id) -> bool {
        let node = &self.nodes[id];
        match &node.kind {
            Kind::Scalar { value, style: ScalarStyle::Plain, .. } => {
                node.tag.is_none() && matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }
}
