//! Finds the values of `image:` keys in YAML and replaces them to the byte.
//!
//! The text is never written anew from a model: a parser says where the scalars stand, and only their bytes change.
//! So comments, quotes, line ends, blank lines, anchors and whatever else people care for stay as they were.

use std::{collections::HashMap, ops::Range};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// The value of one `image:` key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: String,
    /// The line it stands on, from 1.
    pub(crate) line: usize,
    /// Its bytes in the text, without quotes; or why they cannot be replaced.
    pub(crate) place: Result<Range<usize>, String>,
}

/// The text is no YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) line: usize,
    pub(crate) why: String,
}

/// Every value of an `image:` key, in every document, in order.
pub(crate) fn images(text: &str) -> Result<Vec<Found>, Broken> {
    let mut finder = Finder { text, depth: Vec::new(), anchors: HashMap::new(), found: Vec::new(), cursor: (0, 0) };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|why| Broken { line: why.marker().line(), why: why.info().to_owned() })?;
        finder.take(event, span);
    }
    Ok(finder.found)
}

/// The text with these places replaced.
pub(crate) fn splice(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
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

/// Where the events have led to.
struct Finder<'a> {
    text: &'a str,
    depth: Vec<Level>,
    /// Anchored scalars: what they say, and on which line.
    anchors: HashMap<usize, (String, usize)>,
    found: Vec<Found>,
    /// A character index and its byte index: places come in order, so the text is walked once.
    cursor: (usize, usize),
}

enum Level {
    Sequence,
    /// A mapping that waits for a key.
    Key,
    /// A mapping that waits for a value, and whether its key is `image`.
    Value(bool),
}

impl Finder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        match event {
            Event::Scalar(value, style, anchor, _) => {
                if anchor > 0 {
                    self.anchors.insert(anchor, (value.to_string(), span.start.line()));
                }
                if self.is_image() {
                    let place = self.place(&value, style, span);
                    self.found.push(Found { value: value.into_owned(), line: span.start.line(), place });
                    self.step(false);
                } else {
                    self.step(value == "image");
                }
            }
            Event::Alias(anchor) => {
                if let (true, Some((value, line))) = (self.is_image(), self.anchors.get(&anchor)) {
                    let why = format!("its value is an alias of an anchor on line {line}; write the value out here");
                    self.found.push(Found { value: value.clone(), line: span.start.line(), place: Err(why) });
                }
                self.step(false);
            }
            Event::SequenceStart(..) => self.depth.push(Level::Sequence),
            Event::MappingStart(..) => self.depth.push(Level::Key),
            Event::SequenceEnd | Event::MappingEnd => {
                self.depth.pop();
                self.step(false);
            }
            _ => {}
        }
    }

    fn is_image(&self) -> bool {
        matches!(self.depth.last(), Some(Level::Value(true)))
    }

    /// A whole node is behind us: a key is followed by its value, a value by the next key.
    fn step(&mut self, says_image: bool) {
        if let Some(level) = self.depth.last_mut() {
            *level = match level {
                Level::Sequence => return,
                Level::Key => Level::Value(says_image),
                Level::Value(_) => Level::Key,
            };
        }
    }

    /// The scalar's own bytes. The parser's span counts characters and begins at the anchor or tag before the scalar.
    fn place(&mut self, value: &str, style: ScalarStyle, span: Span) -> Result<Range<usize>, String> {
        let quote = match style {
            ScalarStyle::Plain => "",
            ScalarStyle::SingleQuoted => "'",
            ScalarStyle::DoubleQuoted => "\"",
            ScalarStyle::Literal | ScalarStyle::Folded => {
                return Err("its value is a block scalar; write it on the key's own line".to_owned());
            }
        };
        let start = self.byte_of(span.start.index());
        let end = self.byte_of(span.end.index());
        let Some(whole) = self.text.get(start..end) else { return Err("its place is not understood".to_owned()) };
        // The parser's span may begin at an anchor or a tag, and of a quoted scalar end only before the next token.
        let before = if quote.is_empty() {
            whole.trim_end().strip_suffix(value)
        } else {
            let before = whole.split_once(&format!("{quote}{value}{quote}")).map(|(before, _)| before);
            before.filter(|before| !before.contains(['"', '\'', '#', '\n', '\r']))
        };
        let Some(before) = before else {
            return Err("its value is escaped or broken over lines; write it plainly on one line".to_owned());
        };
        let at = start + before.len() + quote.len();
        Ok(at..at + value.len())
    }

    fn byte_of(&mut self, index: usize) -> usize {
        let (chars, bytes) = self.cursor;
        let (chars, bytes) = if index < chars { (0, 0) } else { (chars, bytes) };
        let rest = &self.text[bytes..];
        let ahead = rest.char_indices().nth(index - chars).map_or(rest.len(), |(at, _)| at);
        self.cursor = (index, bytes + ahead);
        bytes + ahead
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values(text: &str) -> Vec<(String, usize)> {
        images(text).unwrap().into_iter().map(|f| (f.value, f.line)).collect()
    }

    /// Sets every value that can be set, and undoes it again: what is left must be the text itself.
    fn there_and_back(text: &str) -> String {
        let set = |text: &str, values: &mut dyn Iterator<Item = String>| {
            let found = images(text).unwrap();
            splice(text, found.into_iter().filter_map(|f| Some((f.place.ok()?, values.next().unwrap()))).collect())
        };
        let old: Vec<_> = images(text).unwrap().into_iter().filter(|f| f.place.is_ok()).map(|f| f.value).collect();
        let new = set(text, &mut (0..).map(|n| format!("longer.example/x:{n}")));
        assert_eq!(set(&new, &mut old.into_iter()), text);
        new
    }

    #[test]
    fn only_the_values_bytes_change() {
        let text = "\u{feff}# image: no\r\nü: 'image'\r\nspec:\r\n\r\n  - image:   a/b:1   # why\r\n  - {image: \"a/b:2\", x: image}\r\n  \
                    - image: &img 'a/b:3'  \t # why\r\n\r\n  - name: image\r\n    image: !!str a/b:4";
        let wanted = text
            .replace("a/b:1", "longer.example/x:0")
            .replace("a/b:2", "longer.example/x:1")
            .replace("a/b:3", "longer.example/x:2")
            .replace("a/b:4", "longer.example/x:3");
        assert_eq!(there_and_back(text), wanted);
    }

    #[test]
    fn what_only_looks_like_an_image_is_left_alone() {
        let text = "cm: |\n  image: a:1\nimages: b:2\nimage:\n  repository: c:3\nx: \"image: d:4\"\n? image\n: e:5\n\
                    ---\n- image\n- f:6\n---\nimage: g:7\nlist: [image, h:8]\n? [image]\n: i:9\n";
        assert_eq!(values(text), [("e:5".to_owned(), 8), ("g:7".to_owned(), 13)]);
        there_and_back(text);
    }

    #[test]
    fn what_cannot_be_edited_says_why() {
        let why = |text: &str| images(text).unwrap().pop().unwrap().place.unwrap_err();
        assert!(why("x: &a r/i:1\n\ny: {image: *a}\n").contains("anchor on line 1"));
        assert!(why("image: |\n  r/i:1\n").contains("block scalar"));
        assert!(why("image: \"r\\/i:1\"\n").contains("escaped"));
    }

    #[test]
    fn broken_yaml_says_where() {
        assert_eq!(images("a: b\nc: [\n").unwrap_err().line, 3);
        assert_eq!(images("a: b\n  c: d\n").unwrap_err().line, 2);
        assert!(images(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn nothing_makes_it_panic() {
        let text = "\u{feff}a: &x [b, {image: 'c'}]\r\nimage: \"d\" # e\n---\n? |\n  f\n: *x\n...\n";
        let whole: Vec<char> = text.chars().collect();
        for cut in 0..whole.len() {
            let start: String = whole[..cut].iter().collect();
            let without: String = whole.iter().enumerate().filter(|(n, _)| *n != cut).map(|(_, c)| *c).collect();
            let _ = (images(&start), images(&without));
        }
    }
}
