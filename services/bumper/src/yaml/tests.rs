#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use runtime::config::Pointer;

use super::*;

/// Every value of an `image:` key.
fn images(text: &str) -> Vec<Found> {
    let yaml = Yaml::parse(text).unwrap();
    yaml.mappings().filter_map(|mapping| yaml.value_of(mapping, "image").unwrap()).collect()
}

fn values(text: &str) -> Vec<(String, usize)> {
    images(text).into_iter().map(|found| (found.value, found.line)).collect()
}

/// Sets every value that can be set, and undoes it again: what is left must be the text itself.
fn there_and_back(text: &str) -> String {
    let set = |text: &str, values: &mut dyn Iterator<Item = String>| {
        let found = images(text).into_iter().filter(|found| found.fixed.is_none());
        let values: BTreeMap<_, _> = found.map(|found| (found.node, values.next().unwrap())).collect();
        Yaml::parse(text).unwrap().replaced(&values, false).unwrap()
    };
    let old: Vec<_> = images(text).into_iter().filter(|f| f.fixed.is_none()).map(|f| f.value).collect();
    let new = set(text, &mut (0..).map(|n| format!("longer.example/x:{n}")));
    assert_eq!(set(&new, &mut old.into_iter()), text);
    new
}

fn replaced(text: &str, pointer: &str, value: &str, is_json: bool) -> Result<String, String> {
    let yaml = Yaml::parse(text).unwrap();
    let pointer = Pointer::try_from(pointer.to_owned()).unwrap();
    let found = yaml.at(yaml.documents()[0], &pointer)?.ok_or("nothing stands there")?;
    match found.fixed {
        Some(why) => Err(format!("line {}: {why}", found.line)),
        None => yaml.replaced(&BTreeMap::from([(found.node, value.to_owned())]), is_json),
    }
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
fn a_tab_sets_a_value_apart_from_its_key_as_well_and_stays() {
    let text = "#\tü:\tx\nspec:\n  - image:\ta/b:1 # why\n    name:\t\tx\n  - image: \t a/b:2\n  - {image:\ta/b:3, x:\t'y:\tz'}\n  \
                - image:\t\"a/b:4\"\n    args: |\n      a:\tb\n";
    let mut wanted = text.to_owned();
    for n in 0..4 {
        wanted = wanted.replace(&format!("a/b:{}", n + 1), &format!("longer.example/x:{n}"));
    }
    assert_eq!(there_and_back(text), wanted);
    for broken in ["image:\tx: y\n", "image:\t- x\n", "image:\tx\n  y: z\n"] {
        assert!(Yaml::parse(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn what_only_looks_like_an_image_is_left_alone() {
    let text = "cm: |\n  image: a:1\nimages: b:2\nimage:\n  repository: c:3\nx: \"image: d:4\"\n? image\n: e:5\n\
                ---\n- image\n- f:6\n---\nimage: g:7\nlist: [image, h:8]\n? [image]\n: i:9\n";
    assert_eq!(
        values(&text.replace("image:\n  rep", "other:\n  rep")),
        [("e:5".to_owned(), 8), ("g:7".to_owned(), 13)]
    );
    there_and_back(&text.replace("image:\n  rep", "other:\n  rep"));
}

#[test]
fn what_cannot_be_edited_says_why() {
    for (text, words) in [
        ("x: &a r/i:1\n\nimage: *a\n", &["line 3: ", "anchor on line 1"][..]),
        ("image: &a r/i:1\n\nx: *a\n", &["line 1: ", "an alias on line 3"]),
        ("x: &a { image: r/i:1 }\n<<: *a\n", &["line 2: ", "anchor on line 1"]),
        ("x: &a { image: r/i:1 }\n<<: [*a]\n", &["line 2: ", "anchor on line 1"]),
        ("image: |\n  r/i:1\n", &["block scalar"]),
        ("image: >-\n  r/i:1\n", &["block scalar"]),
        ("image: r/i:1\n  and more\n", &["broken over lines"]),
        ("image: \"r/i:1\\\n  and more\"\n", &["broken over lines"]),
        ("image: !!int 5\n", &["a tag of its own"]),
        ("image: !vault x\n", &["a tag of its own"]),
        ("image: &a\n", &["not understood"]),
        ("image: [a]\n", &["line 1: at `/image` stands no plain value"]),
        ("image: a\nx: b\nimage: c\n", &["line 1: the key `image` stands here and on line 3"]),
        ("x: a\n", &["nothing stands there"]),
    ] {
        let why = replaced(text, "/image", "v2", false).unwrap_err();
        assert!(words.iter().all(|word| why.contains(word)), "{text:?}: {why}");
    }
    let why = replaced("base: &b\n  tag: v1\nweb: *b\n", "/web/tag", "v2", false).unwrap_err();
    assert!(why.contains("line 3: its value is an alias of an anchor on line 1"), "{why}");
    let why = replaced("base: &b\n  tag: v1\nweb: *b\n", "/base/tag", "v2", false).unwrap_err();
    assert!(why.contains("an alias on line 3 stands for it too, by the anchor on line 1"), "{why}");
}

#[test]
fn a_text_is_written_in_the_quotes_it_was_in_and_stays_a_text() {
    for (was, value, is) in [
        ("v1", "v2", "v2"),
        ("'v1'", "v2", "'v2'"),
        ("\"v1\"", "v2", "\"v2\""),
        ("\"v\\u0031 '\"", "v2", "\"v2\""),
        ("'it''s'", "v2", "'v2'"),
        ("1.9", "1.10", "\"1.10\""),
        ("1.9", "1.10.0", "1.10.0"),
        ("v1", "12e4567", "\"12e4567\""),
        ("v1", "1234567", "\"1234567\""),
        ("v1", "0x1f", "\"0x1f\""),
        ("v1", "0b12", "0b12"),
        ("v1", "1_000", "\"1_000\""),
        ("v1", "2026-01-02", "\"2026-01-02\""),
        ("v1", "2026-rc", "2026-rc"),
        ("v1", "1:30", "\"1:30\""),
        ("v1", "yes", "\"yes\""),
        ("v1", "NULL", "\"NULL\""),
        ("v1", "", "\"\""),
        ("'v1'", "", "''"),
        ("v1", "a: b # c", "\"a: b # c\""),
        ("v1", "*a", "\"*a\""),
        ("'v1'", "it's\n", "\"it's\\n\""),
        ("~", "v2", "v2"),
        ("null", "1.10", "\"1.10\""),
        ("sha256:1", "sha256:2", "sha256:2"),
        ("'1'", "h:5000/a/b:1@sha256:2", "'h:5000/a/b:1@sha256:2'"),
    ] {
        for (before, after) in
            [("a: 0\nx: ", " # why\r\nb: 1\n"), ("{y: \"ü\", x: ", "}"), ("---\n? x\n: ", "\n...\n"), ("x:  &n ", "")]
        {
            let text = format!("{before}{was}{after}");
            assert_eq!(replaced(&text, "/x", value, false), Ok(format!("{before}{is}{after}")), "{text:?}");
        }
    }
}

#[test]
fn where_nothing_is_written_a_value_comes_after_the_colon() {
    for (text, is) in [
        ("x:\ny: 1\n", "x: v2\ny: 1\n"),
        ("x:   # none\ny: 1", "x: v2   # none\ny: 1"),
        ("x:", "x: v2"),
        ("x:\r\n", "x: v2\r\n"),
        ("'x' :\n", "'x' : v2\n"),
        ("{x: , y: 1}", "{x: v2 , y: 1}"),
        ("{x:}", "{x: v2}"),
    ] {
        assert_eq!(replaced(text, "/x", "v2", false).as_deref(), Ok(is), "{text:?}");
    }
    assert!(replaced("{x}", "/x", "v2", false).is_err());
    assert!(replaced("? x\n", "/x", "v2", false).is_err());
}

#[test]
fn json_stays_json() {
    let text = "{\n\t\"a/b\": [ { \"tag\": null, \"n\": 1 }, {\"tag\":\"r\\/i:1\"} ]\n}\n";
    let first = replaced(text, "/a~1b/0/tag", "v2", true).unwrap();
    assert_eq!(first, text.replace("null", "\"v2\""));
    let second = replaced(text, "/a~1b/1/tag", "v2", true).unwrap();
    assert_eq!(second, text.replace("r\\/i:1", "v2"));
    assert_eq!(replaced(text, "/a~1b/0/n", "2", true).unwrap(), text.replace(": 1", ": \"2\""));
    for is in [first, second] {
        serde_json::from_str::<serde_json::Value>(&is).unwrap();
    }
}

#[test]
fn pointers_lead_where_they_say() {
    let yaml = Yaml::parse("a: {b: [x, {c: d}], \"\": e, 1: f}\n---\nother\n").unwrap();
    let at = |pointer: &str| {
        let pointer = Pointer::try_from(pointer.to_owned()).unwrap();
        yaml.at(yaml.documents()[0], &pointer).map(|found| found.map(|found| found.value))
    };
    assert_eq!(at("/a/b/1/c").unwrap().as_deref(), Some("d"));
    assert_eq!(at("/a/").unwrap().as_deref(), Some("e"));
    assert_eq!(at("/a/1").unwrap().as_deref(), Some("f"));
    for nothing in ["/b", "/a/b/2", "/a/b/-", "/a/b/0/c", "/a/b/x"] {
        assert_eq!(at(nothing), Ok(None), "{nothing}");
    }
    assert!(at("/a/b").is_err());
}

#[test]
fn broken_yaml_says_where() {
    let line = |text: &str| Yaml::parse(text).err().unwrap().line;
    assert_eq!(line("a: b\nc: [\n"), 3);
    assert_eq!(line("a: b\n  c: d\n"), 2);
    assert_eq!(line("a: b\nc: \0\n"), 2);
    assert!(Yaml::parse(&"[".repeat(100_000)).is_err());
    let deep = format!("image: a\nx: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(values(&deep).len(), 1);
}

#[test]
fn nothing_makes_it_panic() {
    let text = "\u{feff}a: &x [b, {image: 'c'}]\r\nimage: \"d\" # e\n---\n? |\n  f\n: *x\n...\n";
    let whole: Vec<char> = text.chars().collect();
    for cut in 0..whole.len() {
        let start: String = whole[..cut].iter().collect();
        let without: String = whole.iter().enumerate().filter(|(n, _)| *n != cut).map(|(_, c)| *c).collect();
        let _ = (Yaml::parse(&start).map(drop), Yaml::parse(&without).map(drop));
    }
}
