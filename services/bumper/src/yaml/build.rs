//! From a parser's events to the tree.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{Broken, Id, Kind, Node, Yaml, place::Places};

impl<'t> Yaml<'t> {
    /// Reads a text; whatever it holds, without recursion.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Broken> {
        // The parser takes it for the end of the text.
        if let Some(at) = text.find('\0') {
            let line = text[..at].matches('\n').count() + 1;
            return Err(Broken { line, why: "a NUL is no character of YAML".to_owned() });
        }
        Self::read(text, text).or_else(|broken| match spaced(text) {
            Some(spaced) => Self::read(text, &spaced),
            None => Err(broken),
        })
    }

    /// Reads a text by what a parser is to see of it, which has its characters at the same places.
    fn read(text: &'t str, seen: &str) -> Result<Self, Broken> {
        let yaml =
            Self { text, nodes: Vec::new(), documents: Vec::new(), anchors: HashMap::new(), aliases: HashMap::new() };
        let mut builder = Builder { yaml, open: Vec::new(), places: Places::new(text) };
        for event in Parser::new_from_str(seen) {
            let (event, span) =
                event.map_err(|why| Broken { line: why.marker().line(), why: why.info().to_owned() })?;
            builder.take(event, span);
        }
        Ok(builder.yaml)
    }
}

/// The text with spaces for the tabs that set a value apart from its key's colon, if there are any: YAML 1.2 has both (6.2,
/// `s-separate-in-line`), and the parser takes such a tab for an indentation. A mapping or a sequence cannot begin on its
/// key's line, and none does for being set apart by spaces.
fn spaced(text: &str) -> Option<String> {
    text.contains(":\t").then(|| {
        let mut apart = false;
        let spaced = text.chars().map(|c| {
            apart = c == ':' || (apart && matches!(c, ' ' | '\t'));
            if apart && c == '\t' { ' ' } else { c }
        });
        spaced.collect()
    })
}

struct Builder<'t> {
    yaml: Yaml<'t>,
    /// The collections that are not at their end, and the key of a mapping that waits for its value.
    open: Vec<(Id, Option<Id>)>,
    places: Places<'t>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Scalar(value, style, anchor, tag) => self.scalar(value.into_owned(), style, anchor, tag, span),
            Event::Alias(anchor) => {
                let line = span.start.line();
                self.yaml.aliases.entry(anchor).or_insert(line);
                self.add(Kind::Alias(anchor), 0, None, line);
            }
            Event::SequenceStart(anchor, tag) => {
                let id = self.add(Kind::Sequence(Vec::new()), anchor, tag, span.start.line());
                self.open.push((id, None));
            }
            Event::MappingStart(anchor, tag) => {
                let id = self.add(Kind::Mapping(Vec::new()), anchor, tag, span.start.line());
                self.open.push((id, None));
            }
            Event::SequenceEnd | Event::MappingEnd => drop(self.open.pop()),
            _ => {}
        }
    }

    fn scalar(&mut self, value: String, style: ScalarStyle, anchor: usize, tag: Option<Cow<'_, Tag>>, span: Span) {
        let key = self.open.last().and_then(|(_, key)| *key);
        let place = if value.is_empty() && style == ScalarStyle::Plain && anchor == 0 && tag.is_none() {
            self.places.after_key(key.map(|key| &self.yaml.nodes[key].kind))
        } else {
            self.places.of(&value, style, span.start.index())
        };
        // The parser says where a block scalar's text begins; people look for its key.
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let line = key.filter(|_| is_block).map_or(span.start.line(), |key| self.yaml.line(key));
        self.add(Kind::Scalar { value, style, place }, anchor, tag, line);
    }

    fn add(&mut self, kind: Kind, anchor: usize, tag: Option<Cow<'_, Tag>>, line: usize) -> Id {
        let id = self.yaml.nodes.len();
        let parent = self.attach(id);
        let tag = tag.map(Cow::into_owned);
        self.yaml.nodes.push(Node { kind, line, parent, anchor, tag });
        if anchor > 0 {
            self.yaml.anchors.insert(anchor, id);
        }
        id
    }

    /// Makes the next node known to what it stands in.
    fn attach(&mut self, id: Id) -> Option<Id> {
        let Some((parent, key)) = self.open.last_mut() else {
            self.yaml.documents.push(id);
            return None;
        };
        match (&mut self.yaml.nodes[*parent].kind, key.take()) {
            (Kind::Mapping(pairs), Some(key)) => pairs.push((key, id)),
            (Kind::Mapping(_), None) => *key = Some(id),
            (Kind::Sequence(items), _) => items.push(id),
            (Kind::Scalar { .. } | Kind::Alias(_), _) => {}
        }
        Some(*parent)
    }
}
