//! YAML as people wrote it: a tree whose nodes know their bytes, so that one value can be replaced and nothing else.
//!
//! The text is never written anew from a model: a parser says where the scalars stand, and only their bytes change.
//! So comments, quotes, line ends, blank lines, anchors and whatever else people care for stay as they were. What was
//! written is then read again, and must be what was read before but for these values.

mod build;
mod find;
mod place;
mod replace;
mod scalar;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use saphyr_parser::{ScalarStyle, Tag};

pub(crate) use find::Found;
use place::Place;

/// The text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) line: usize,
    pub(crate) why: String,
}

/// A node, by its number in the order of the text.
pub(crate) type Id = usize;

/// The documents of a text. JSON is YAML too.
pub(crate) struct Yaml<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    /// The root of each document.
    documents: Vec<Id>,
    /// By the parser's number of an anchor: the node that has it.
    anchors: HashMap<usize, Id>,
    /// By the parser's number of an anchor: the first line that it is used on.
    aliases: HashMap<usize, usize>,
}

/// One node. Their tree is kept flat: people can nest deeper than a thread's stack bears.
#[derive(Debug)]
struct Node {
    kind: Kind,
    /// The line it begins on, from 1.
    line: usize,
    parent: Option<Id>,
    /// The parser's number of its anchor; 0 without one.
    anchor: usize,
    tag: Option<Tag>,
}

#[derive(Debug)]
enum Kind {
    Scalar {
        value: String,
        style: ScalarStyle,
        place: Place,
    },
    Sequence(Vec<Id>),
    Mapping(Vec<(Id, Id)>),
    /// It stands for the node with this anchor.
    Alias(usize),
}

impl Yaml<'_> {
    /// The roots of its documents, in order.
    pub(crate) fn documents(&self) -> &[Id] {
        &self.documents
    }

    /// The line a node begins on, from 1.
    pub(crate) fn line(&self, id: Id) -> usize {
        self.nodes[id].line
    }

    /// What a scalar says.
    pub(crate) fn scalar(&self, id: Id) -> Option<&str> {
        match &self.nodes[id].kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Every mapping, in order.
    pub(crate) fn mappings(&self) -> impl Iterator<Item = Id> {
        let is_mapping = |id: &Id| matches!(self.nodes[*id].kind, Kind::Mapping(_));
        (0..self.nodes.len()).filter(is_mapping)
    }

    /// The keys and values of a mapping; none of another node.
    pub(crate) fn pairs(&self, id: Id) -> &[(Id, Id)] {
        match &self.nodes[id].kind {
            Kind::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    /// The elements of a sequence; none of another node.
    pub(crate) fn items(&self, id: Id) -> &[Id] {
        match &self.nodes[id].kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// A node and those it stands in, from the inside out.
    pub(crate) fn around(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(id), |id| self.nodes[*id].parent)
    }

    /// The key a node is the value of.
    pub(crate) fn key_of(&self, id: Id) -> Option<&str> {
        let parent = self.nodes[id].parent?;
        let (key, _) = self.pairs(parent).iter().find(|(_, value)| *value == id)?;
        self.scalar(*key)
    }
}
