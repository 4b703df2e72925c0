//! A YAML text as values, each scalar as it was written, and the line of each key.
//!
//! To YAML `1.10` is the number 1.1, and `007` is 7. Where a version, a branch or a build argument is wanted, what was
//! lost so nobody finds again. So what is not written as numbers are printed stays a text; who wants a number reads it
//! from that.

use std::collections::{BTreeMap, HashMap};

use config::{Map, Value, ValueKind};
use yaml_rust2::{
    Event, ScanError, Yaml,
    parser::{MarkedEventReceiver, Parser, Tag},
    scanner::{Marker, TScalarStyle},
};

/// How many values a text may come to, with what aliases stand for.
const MOST_VALUES: usize = 100_000;
/// What tags of YAML's own begin with; others would be programs'.
const OWN_TAGS: &str = "tag:yaml.org,2002:";

/// What a text holds.
#[derive(Default)]
pub(super) struct Document {
    /// The keys of its top level.
    pub(super) values: Map<String, Value>,
    /// Where they and all below them stand.
    pub(super) lines: Lines,
}

/// Lines, counted from 1, by the paths of keys as errors name them.
#[derive(Default)]
pub(super) struct Lines(HashMap<String, usize>);

impl Lines {
    /// The line of a key, or of the nearest above it that stands there.
    pub(super) fn of(&self, path: &str) -> Option<usize> {
        let mut path = path;
        loop {
            if let Some(line) = self.0.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// Reads a text of one document. The error says where, and what to do.
pub(super) fn read(text: &str) -> Result<Document, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::default();
    let read = Parser::new_from_str(text).load(&mut reader, true);
    if let Some(problem) = reader.problem {
        return Err(problem);
    }
    read.map_err(|error| told(&error))?;
    match reader.document {
        None | Some(ValueKind::Nil) => Ok(Document::default()),
        Some(ValueKind::Table(values)) => Ok(Document { values, lines: reader.lines }),
        Some(_) => Err("it holds no keys; write `sources:`, `apps:` and the others at its beginning".to_owned()),
    }
}

/// What stands there without quotes.
pub(super) fn plain(text: &str) -> ValueKind {
    let as_it_is = || ValueKind::String(text.to_owned());
    match Yaml::from_str(text) {
        Yaml::Null => ValueKind::Nil,
        Yaml::Boolean(is_true) => ValueKind::Boolean(is_true),
        Yaml::Integer(number) if number.to_string() == text || text.starts_with("0x") || text.starts_with("0o") => {
            ValueKind::I64(number)
        }
        Yaml::Real(_) => match text.parse::<f64>() {
            Ok(number) if number.to_string() == text => ValueKind::Float(number),
            _ => as_it_is(),
        },
        _ => as_it_is(),
    }
}

/// The parser's words, and what most often is the matter.
fn told(error: &ScanError) -> String {
    let (why, line, column) = (error.info(), error.marker().line(), error.marker().col() + 1);
    let hint = if why.contains("tab") {
        "indent by spaces"
    } else if why.contains("mapping values are not allowed") || why.contains("placement of ':'") {
        "put a text with `: ` in it into quotes, keys below one another into the same column, and a `:` behind each"
    } else if ["quoted scalar", "unexpected character", "anchor"].iter().any(|word| why.contains(word)) {
        "see where quotes begin and end; a text that begins with one of %@`&*!|>{[ belongs into them"
    } else if why.contains("simple key") {
        "write it as `key: value`, with a space behind the `:`"
    } else if why.contains("flow") || why.contains("node content") {
        "see that each `[` and `{` is closed, and that commas stand between what is in them"
    } else {
        "see that keys below one another begin in the same column"
    };
    format!("line {line}, column {column}: {why}; {hint}")
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    document: Option<ValueKind>,
    lines: Lines,
    anchors: BTreeMap<usize, Value>,
    values: usize,
    /// The first thing that is wrong.
    problem: Option<String>,
}

/// A part whose end has not come.
struct Open {
    path: String,
    anchor: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Value>),
    /// The keys so far, and the one whose value comes next.
    Keys(Map<String, Value>, Option<String>),
}

impl MarkedEventReceiver for Reader {
    fn on_event(&mut self, event: Event, mark: Marker) {
        if self.problem.is_none() {
            self.problem = self.take(event, mark.line()).err().map(|why| format!("line {}: {why}", mark.line()));
        }
    }
}

impl Reader {
    fn take(&mut self, event: Event, line: usize) -> Result<(), String> {
        match event {
            Event::DocumentStart if self.document.is_some() => {
                Err("a second document begins there; take out `---`, and what is not meant".to_owned())
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().ok_or("it refers to what it stands in; write it out")?;
                self.put(value, 0, line)
            }
            Event::Scalar(text, style, anchor, tag) => {
                ensure_known(tag.as_ref())?;
                let is_text = style != TScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                if self.awaits_key() {
                    return self.key(text, is_text, line);
                }
                let kind = if is_text { ValueKind::String(text) } else { plain(&text) };
                self.put(Value::new(None, kind), anchor, line)
            }
            Event::SequenceStart(anchor, tag) => {
                ensure_known(tag.as_ref())?;
                self.begin(anchor, Holds::List(Vec::new()), line)
            }
            Event::MappingStart(anchor, tag) => {
                ensure_known(tag.as_ref())?;
                self.begin(anchor, Holds::Keys(Map::new(), None), line)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, holds, .. }) = self.open.pop() else { return Ok(()) };
                let kind = match holds {
                    Holds::List(items) => ValueKind::Array(items),
                    Holds::Keys(table, _) => ValueKind::Table(table),
                };
                self.put(Value::new(None, kind), anchor, line)
            }
            _ => Ok(()),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { holds: Holds::Keys(_, None), .. }))
    }

    fn begin(&mut self, anchor: usize, holds: Holds, line: usize) -> Result<(), String> {
        if self.awaits_key() {
            return Err("a key must be a word; write one before the `:`".to_owned());
        }
        let path = self.path();
        self.lines.0.entry(path.clone()).or_insert(line);
        self.open.push(Open { path, anchor, holds });
        Ok(())
    }

    fn key(&mut self, text: String, is_quoted: bool, line: usize) -> Result<(), String> {
        if text == "<<" && !is_quoted {
            let why = "`<<` is of an older YAML; write the keys out, or have `*name` stand for the whole value";
            return Err(why.to_owned());
        }
        let Some(Open { path, holds: Holds::Keys(table, awaits), .. }) = self.open.last_mut() else { return Ok(()) };
        let path = if path.is_empty() { text.clone() } else { format!("{path}.{text}") };
        if table.contains_key(&text) {
            let first = self.lines.of(&path).unwrap_or_default();
            return Err(format!("`{path}` stands there twice, the first time in line {first}; take one of them out"));
        }
        *awaits = Some(text);
        self.lines.0.insert(path, line);
        Ok(())
    }

    /// The path of what comes next.
    fn path(&self) -> String {
        match self.open.last() {
            Some(Open { path, holds: Holds::List(items), .. }) => format!("{path}[{}]", items.len()),
            Some(Open { path, holds: Holds::Keys(_, Some(key)), .. }) if !path.is_empty() => format!("{path}.{key}"),
            Some(Open { holds: Holds::Keys(_, key), .. }) => key.clone().unwrap_or_default(),
            None => String::new(),
        }
    }

    fn put(&mut self, value: Value, anchor: usize, line: usize) -> Result<(), String> {
        self.values += weight(&value);
        if self.values > MOST_VALUES {
            return Err(format!("it comes to more than {MOST_VALUES} values; take aliases out"));
        }
        let path = self.path();
        self.lines.0.entry(path).or_insert(line);
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut().map(|open| &mut open.holds) {
            None => self.document = Some(value.kind),
            Some(Holds::List(items)) => items.push(value),
            Some(Holds::Keys(table, key)) => {
                // Without a key it is one, of more than a word: an alias.
                let key = key.take().ok_or("a key must be a word; write one before the `:`")?;
                table.insert(key, value);
            }
        }
        Ok(())
    }
}

/// How many values it is, with all below it.
fn weight(value: &Value) -> usize {
    match &value.kind {
        ValueKind::Array(items) => 1 + items.iter().map(weight).sum::<usize>(),
        ValueKind::Table(table) => 1 + table.values().map(weight).sum::<usize>(),
        _ => 1,
    }
}

/// A tag that is not YAML's own wants a program that there is not: `!vault`, `!include`.
fn ensure_known(tag: Option<&Tag>) -> Result<(), String> {
    match tag.filter(|tag| !tag.handle.is_empty() && !tag.handle.starts_with(OWN_TAGS)) {
        None => Ok(()),
        Some(Tag { suffix, .. }) => Err(format!("nobody here understands the tag `!{suffix}`; write the value itself")),
    }
}
