//! Replacing values, and the proof that nothing else changed.

use std::{collections::BTreeMap, ops::Range};

use saphyr_parser::ScalarStyle;

use super::{Id, Kind, Node, Yaml, place::Place, scalar};

impl Yaml<'_> {
    /// The text with these scalars replaced. `Err` where that cannot be, or would change anything else.
    pub(crate) fn replaced(&self, values: &BTreeMap<Id, String>, is_json: bool) -> Result<String, String> {
        let mut edits = Vec::with_capacity(values.len());
        for (id, value) in values {
            edits.push(self.edit(*id, value, is_json)?);
        }
        let text = splice(self.text, edits);
        let again = Yaml::parse(&text).map_err(|broken| format!("line {}: {}", broken.line, broken.why))?;
        match self.difference(&again, values) {
            None => Ok(text),
            Some(line) => {
                Err(format!("what stands on line {line} would be read as something else; write it otherwise"))
            }
        }
    }

    fn edit(&self, id: Id, value: &str, is_json: bool) -> Result<(Range<usize>, String), String> {
        let Kind::Scalar { style, place, .. } = &self.nodes[id].kind else {
            return Err(format!("line {}: no plain value stands there", self.line(id)));
        };
        let written = scalar::written(value, *style, is_json);
        match place {
            Place::Token(range) => Ok((range.clone(), written)),
            Place::Nothing(colon) => Ok((*colon..*colon, format!(" {written}"))),
            Place::Fixed(why) => Err(format!("line {}: {why}", self.line(id))),
        }
    }

    /// Both texts without the scalars in which they differ.
    #[cfg(test)]
    pub(crate) fn apart(&self, other: &Yaml<'_>) -> (String, String) {
        let differing = (0..self.nodes.len()).filter(|id| !is_same(&self.nodes[*id], &other.nodes[*id]));
        let differing: Vec<_> = differing.collect();
        let without = |yaml: &Yaml<'_>| {
            let places = differing.iter().filter_map(|id| match &yaml.nodes[*id].kind {
                Kind::Scalar { place: Place::Token(range), .. } => Some((range.clone(), String::new())),
                // A value comes after a space.
                Kind::Scalar { place: Place::Nothing(colon), .. } => Some((*colon..*colon, " ".to_owned())),
                _ => None,
            });
            splice(yaml.text, places.collect())
        };
        (without(self), without(other))
    }

    /// The line of the first node that is another, besides these, which must be what was wanted.
    fn difference(&self, other: &Yaml<'_>, wanted: &BTreeMap<Id, String>) -> Option<usize> {
        if self.nodes.len() != other.nodes.len() || self.documents != other.documents {
            return Some(1);
        }
        let nodes = self.nodes.iter().zip(&other.nodes).enumerate();
        let mut differing = nodes.filter(|(id, (was, is))| match wanted.get(id) {
            Some(value) => !is_only(was, is, value),
            None => !is_same(was, is),
        });
        differing.next().map(|(_, (was, _))| was.line)
    }
}

/// The text with these places replaced, which do not overlap.
fn splice(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(place, _)| place.start);
    let mut result = String::with_capacity(text.len() + edits.len() * 128);
    let mut done = 0;
    for (place, value) in edits {
        result.push_str(&text[done..place.start]);
        result.push_str(&value);
        done = place.end;
    }
    result.push_str(&text[done..]);
    result
}

fn is_same(was: &Node, is: &Node) -> bool {
    let kinds = match (&was.kind, &is.kind) {
        (Kind::Scalar { value, style, .. }, Kind::Scalar { value: v, style: s, .. }) => value == v && style == s,
        (Kind::Sequence(items), Kind::Sequence(i)) => items == i,
        (Kind::Mapping(pairs), Kind::Mapping(p)) => pairs == p,
        (Kind::Alias(anchor), Kind::Alias(a)) => anchor == a,
        _ => false,
    };
    kinds && same_place(was, is)
}

/// Whether a scalar says this now, as a text and in the quotes it was in, if it was in any.
fn is_only(was: &Node, is: &Node, wanted: &str) -> bool {
    let (Kind::Scalar { style: was_in, .. }, Kind::Scalar { value, style, .. }) = (&was.kind, &is.kind) else {
        return false;
    };
    let quotes = style == was_in || *style == ScalarStyle::DoubleQuoted;
    value == wanted && quotes && same_place(was, is)
}

fn same_place(was: &Node, is: &Node) -> bool {
    was.line == is.line && was.parent == is.parent && was.anchor == is.anchor && was.tag == is.tag
}
