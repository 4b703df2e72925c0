//! Whatever YAML there is around a value: only the value's bytes change.
//!
//! Texts are made around a hole, so what must come out is known without reading any of it.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use proptest::{collection::vec, prelude::*};
use proto::{BumpReason, EventId};
use runtime::Config;
use serde_json::json;

use crate::{
    edit::{Ask, Plan, plan},
    tree::{Entry, Tree},
};

const HOLE: &str = "\u{e000}";
const PATH: &str = "staging/values.yaml";

/// What stands beside the way to the value.
#[derive(Debug, Clone)]
enum Other {
    Scalar(&'static str),
    Block(&'static str, Vec<&'static str>),
    List(Vec<&'static str>),
}

/// One step of the way: a mapping or a list, with what stands before and after.
#[derive(Debug, Clone)]
struct Level {
    is_list: bool,
    key: &'static str,
    before: Vec<Other>,
    after: Vec<Other>,
    comment: &'static str,
    blank: bool,
    wide: bool,
}

/// A text around a hole.
#[derive(Debug, Clone)]
struct Around {
    levels: Vec<Level>,
    /// From this level on all is in flow style.
    flow_from: usize,
    begin: &'static str,
    end: &'static str,
    crlf: bool,
    last_line_ends: bool,
    props: &'static str,
}

fn any_of(these: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(these)
}

fn other() -> impl Strategy<Value = Other> {
    let scalars =
        &["1", "1.10", "ü", "'it''s'", "\"a: b # \\u00fc\"", "~", "", "&b x", "!!str 1", "a#b", "\"\u{1f6a2}\"", "yes"];
    let lines = &["image: no", "", "  deeper", "# no comment", "tag: 1", "\u{2028}", "- x", "'"];
    prop_oneof![
        4 => any_of(scalars).prop_map(Other::Scalar),
        1 => (any_of(&["|", ">-", "|+", ">"]), vec(any_of(lines), 1..4))
            .prop_map(|(kind, lines)| Other::Block(kind, lines)),
        1 => vec(any_of(scalars), 0..3).prop_map(Other::List),
    ]
}

fn level() -> impl Strategy<Value = Level> {
    let keys = &["web", "\"a/b\"", "'it''s'", "ü", "\"\"", "0", "image tag"];
    let comments = &["", " # why", "  #", " \t# '\"{"];
    let (key, comment) = (any_of(keys), any_of(comments));
    let all = (any::<bool>(), key, vec(other(), 0..3), vec(other(), 0..3), comment, any::<bool>(), any::<bool>());
    all.prop_map(|(is_list, key, before, after, comment, blank, wide)| Level {
        is_list,
        key,
        before,
        after,
        comment,
        blank,
        wide,
    })
}

fn around() -> impl Strategy<Value = Around> {
    let begins = &["", "\u{feff}", "# first\n", "---\n", "\u{feff}%YAML 1.2\n---\n", "--- # one\n", "\n\n"];
    let ends = &["", "# last", "...\n", "---\nother: document\n", "\n\n", "---\n"];
    let props = &["", "", "", "&n ", "!!str ", "!!str &n  "];
    let (begin, end) = (any_of(begins), any_of(ends));
    let all = (vec(level(), 1..5), 0..6_usize, begin, end, any::<bool>(), any::<bool>(), any_of(props));
    all.prop_map(|(levels, flow_from, begin, end, crlf, last_line_ends, props)| Around {
        levels,
        flow_from,
        begin,
        end,
        crlf,
        last_line_ends,
        props,
    })
}

impl Around {
    fn text(&self) -> String {
        let mut text = self.begin.to_owned();
        self.block(&mut text, 0, 0);
        text.push_str(self.end);
        if !self.last_line_ends {
            text.truncate(text.trim_end_matches('\n').len());
        }
        if self.crlf { text.replace('\n', "\r\n") } else { text }
    }

    /// Where the hole is.
    fn pointer(&self) -> String {
        self.levels.iter().fold(String::new(), |way, level| {
            let part = if level.is_list { level.before.len().to_string() } else { key_text(level.key) };
            format!("{way}/{part}")
        })
    }

    /// The lines of a level and those within, at this indentation.
    fn block(&self, text: &mut String, n: usize, indent: usize) {
        let Some(level) = self.levels.get(n) else { return };
        if n >= self.flow_from {
            // A root in flow style; deeper ones are begun on their key's line.
            return writeln!(text, "{}", self.flow(n)).unwrap();
        }
        let pad = " ".repeat(indent);
        level.others(text, &pad, "p", &level.before);
        if level.blank {
            text.push('\n');
        }
        let head = if level.is_list { format!("{pad}-") } else { format!("{pad}{}:", level.key) };
        let gap = if level.wide { "   " } else { " " };
        match self.levels.get(n + 1) {
            None => writeln!(text, "{head}{gap}{}{HOLE}{}", self.props, level.comment).unwrap(),
            Some(_) if n + 1 >= self.flow_from => {
                writeln!(text, "{head}{gap}{}{}", self.flow(n + 1), level.comment).unwrap();
            }
            Some(_) => {
                writeln!(text, "{head}{}", level.comment).unwrap();
                self.block(text, n + 1, indent + if level.wide { 4 } else { 2 });
            }
        }
        level.others(text, &pad, "q", &level.after);
    }

    fn flow(&self, n: usize) -> String {
        let Some(level) = self.levels.get(n) else { return format!("{}{HOLE}", self.props) };
        let gap = if level.wide { "  " } else { " " };
        let inner = self.flow(n + 1);
        let others = |others: &[Other], name: &str| {
            let item = |(n, other): (usize, &Other)| match other {
                Other::Scalar(value) if !level.is_list => format!("{name}{n}: {value}"),
                _ if level.is_list => format!("[{n}]"),
                _ => format!("{name}{n}: '{{'"),
            };
            others.iter().enumerate().map(item).collect::<Vec<_>>()
        };
        let it = if level.is_list { inner } else { format!("{}:{gap}{inner}", level.key) };
        let items = [others(&level.before, "p"), vec![it], others(&level.after, "q")].concat();
        let items = items.join(&format!(",{gap}"));
        if level.is_list { format!("[{items}]") } else { format!("{{{gap}{items} }}") }
    }
}

impl Level {
    fn others(&self, text: &mut String, pad: &str, name: &str, others: &[Other]) {
        for (n, other) in others.iter().enumerate() {
            let head = if self.is_list { format!("{pad}-") } else { format!("{pad}{name}{n}:") };
            match other {
                Other::Scalar(value) => writeln!(text, "{head} {value}{}", self.comment).unwrap(),
                Other::Block(kind, lines) => {
                    writeln!(text, "{head} {kind}").unwrap();
                    // The first line sets the indentation.
                    writeln!(text, "{pad}    first").unwrap();
                    for line in lines {
                        writeln!(text, "{pad}    {line}").unwrap();
                    }
                }
                Other::List(items) => {
                    writeln!(text, "{head}").unwrap();
                    for item in items {
                        writeln!(text, "{pad}  - {item}").unwrap();
                    }
                    if self.blank {
                        text.push_str("  # between\n");
                    }
                }
            }
        }
    }
}

fn key_text(key: &str) -> String {
    let key = match key.as_bytes() {
        [b'\'', .., b'\''] => key[1..key.len() - 1].replace("''", "'"),
        [b'"', .., b'"'] => key[1..key.len() - 1].to_owned(),
        _ => key.to_owned(),
    };
    key.replace('~', "~0").replace('/', "~1")
}

/// The file after an image of this tag was asked for, written in this way.
fn edited(text: &str, write: &serde_json::Value, tag: &str) -> Result<String, String> {
    let app = json!({ "apps": { "shop": {
        "repository": "acme/shop",
        "gitops": { "repository": "https://git.example/g" },
        "components": { "web": { "image": "ghcr.io/acme/web", "write": write, "pin": "tag" } },
        "environments": { "staging": { "path": PATH, "sync": { "argocd": "s" } } },
    } } });
    let config = Config::parse(&app.to_string(), "windlass.yaml".as_ref()).unwrap();
    let web = json!({ "image": "ghcr.io/acme/web", "digest": format!("sha256:{}", "a".repeat(64)), "tag": tag });
    let ask = Ask {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        path: PATH.to_owned(),
        event: EventId::fresh(),
        reason: BumpReason::Deploy,
        slots: Ask::slots(&config.apps[&"shop".parse().unwrap()], &"staging".parse().unwrap()),
        wanted: serde_json::from_value(json!({ "web": web })).unwrap(),
        commit: None,
        instead_of: None,
        over: None,
        rules: BTreeMap::new(),
        note: None,
    };
    let file = Entry::File { mode: "100644".to_owned(), bytes: Arc::from(text.as_bytes()) };
    match plan(&Tree(BTreeMap::from([(PATH.to_owned(), file)])), &ask) {
        Ok(Plan::Edit(edit)) => Ok(String::from_utf8(edit.files[0].bytes.to_vec()).unwrap()),
        other => Err(format!("{other:?}")),
    }
}

/// A value in the quotes of another.
fn like(token: &str, value: &str) -> String {
    match token.as_bytes()[0] {
        quote @ (b'\'' | b'"') => format!("{0}{value}{0}", char::from(quote)),
        _ => value.to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn only_the_value_at_a_pointer_changes(
        around in around(),
        old in any_of(&["was", "'was'", "\"was\"", "1.10", "\"\\x41\"", "'it''s'", "v1@sha256:0"]),
        tag in "v[0-9]{1,3}(-[a-z]{1,4})?",
    ) {
        let text = around.text();
        let write = json!({ "values": { "tag": around.pointer() } });
        let is = edited(&text.replace(HOLE, old), &write, &tag);
        prop_assert_eq!(is, Ok(text.replace(HOLE, &like(old, &tag))), "{}", text);
    }

    #[test]
    fn only_the_image_in_a_manifest_changes(
        mut around in around(),
        quote in any_of(&["", "'", "\""]),
        tag in "v[0-9]{1,3}(-[a-z]{1,4})?",
    ) {
        let last = around.levels.last_mut().unwrap();
        (last.is_list, last.key) = (false, "image");
        let text = around.text();
        let image = |tag: &str| text.replace(HOLE, &format!("{quote}ghcr.io/acme/web:{tag}{quote}"));
        prop_assert_eq!(edited(&image("old"), &json!("manifests"), &tag), Ok(image(&tag)), "{}", text);
    }
}
