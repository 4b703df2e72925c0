//! Fuzz targets: manifests as people write them.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use proto::{BumpReason, EventId, Release};
use saphyr_parser::{Event, Parser};
use serde_json::json;
use testkit::fuzz::{Fuzz, Input};

use crate::{
    edit::{Ask, Entry, Plan, Tree, plan},
    image::{Reference, value_of},
    yaml,
};

const PATH: &str = "staging/app.yaml";

fn wanted() -> Release {
    let released = |image: &str, digit: &str, tag: Option<&str>| json!({ "image": image, "digest": format!("sha256:{}", digit.repeat(64)), "tag": tag });
    let web = released("ghcr.io/acme/web", "a", Some("main"));
    serde_json::from_value(json!({ "web": web, "proxy": released("docker.io/library/nginx", "b", None) })).unwrap()
}

fn ask(tree: &Tree) -> Ask {
    // An ask for what is there: each component that is not would be refused at once.
    let all: BTreeMap<_, _> = wanted().iter().map(|(name, released)| (name.clone(), released.image.clone())).collect();
    let there = tree.values("staging", &all).unwrap_or_default();
    let mut wanted = wanted();
    wanted.retain(|name, _| there.contains_key(name) || there.is_empty());
    Ask {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        path: "staging".to_owned(),
        event: EventId::fresh(),
        reason: BumpReason::Deploy,
        components: all,
        wanted,
        instead_of: None,
        rules: BTreeMap::new(),
        note: None,
    }
}

fn tree(bytes: &[u8]) -> Tree {
    let file = Entry::File { mode: "100644".to_owned(), bytes: Arc::from(bytes) };
    Tree(BTreeMap::from([(PATH.to_owned(), file)]))
}

/// What the YAML says, and the text around the values that may change.
fn read(text: &str) -> (Vec<Event<'_>>, String, Vec<String>) {
    let events = Parser::new_from_str(text).map(|event| event.unwrap().0).collect();
    let found = yaml::images(text).unwrap();
    let places: Vec<(Range<usize>, String)> =
        found.iter().filter_map(|found| Some((found.place.clone().ok()?, String::new()))).collect();
    (events, yaml::splice(text, places), found.into_iter().map(|found| found.value).collect())
}

/// After an edit the YAML says the same but for the values, and not a byte elsewhere is another.
fn check(before: &str, after: &str, ask: &Ask) {
    let ((was, around, values), (is, around_now, values_now)) = (read(before), read(after));
    assert_eq!(around, around_now, "the text around the values");
    assert_eq!(was.len(), is.len(), "what the YAML is made of");
    let changed = was.iter().zip(&is).filter(|(was, is)| was != is);
    for (was, is) in changed {
        let (Event::Scalar(old, style, anchor, tag), Event::Scalar(new, ..)) = (was, is) else {
            panic!("{was:?}: {is:?}")
        };
        let same_but_value = matches!(is, Event::Scalar(_, s, a, t) if s == style && a == anchor && t == tag);
        let ours =
            ask.wanted.values().any(|wanted| Reference::parse(old).is_of(&wanted.image) && *new == value_of(wanted));
        assert!(same_but_value && ours, "{was:?}: {is:?}");
    }
    for (was, is) in values.iter().zip(&values_now) {
        let wanted = ask.wanted.values().find(|wanted| Reference::parse(was).is_of(&wanted.image));
        assert!(is == was || wanted.is_some_and(|wanted| *is == value_of(wanted)), "{was}: {is}");
    }
}

fn edit(input: &Input) -> String {
    let tree = tree(&input.bytes);
    let ask = ask(&tree);
    match plan(&tree, &ask) {
        Err(fault) => fault.to_string(),
        Ok(Plan::Same) => "the same".to_owned(),
        Ok(other @ (Plan::MovedOn(_) | Plan::Older(_))) => panic!("{other:?}"),
        Ok(Plan::Edit(edit)) => {
            let after = std::str::from_utf8(&edit.files[0].2).unwrap();
            check(input.text().unwrap(), after, &ask);
            let mut edited = tree.clone();
            edited.apply(&edit);
            assert!(matches!(plan(&edited, &ask), Ok(Plan::Same)), "an edit leaves nothing to do");
            format!("{} changed", edit.changed.len())
        }
    }
}

#[test]
fn edits() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec:\n  template:\n    spec:\n      \
                      containers:\n        - name: web\n          image: ghcr.io/acme/web:v1\n          env:\n            \
                      - { name: REVISION, value: \"1\" }\n        - name: proxy\n          image: nginx:1.27 # pinned\n";
    let seeds = [
        deployment,
        "\u{feff}# image: no\r\nü: 'image'\r\nspec:\r\n\r\n  - image:   ghcr.io/acme/web:1   # why\r\n  - {image: \
         \"ghcr.io/acme/web:2\", x: image}\r\n  - image: &img 'ghcr.io/acme/web:3'  \t # why\r\n\r\n  - name: image\r\n    \
         image: !!str ghcr.io/acme/web:4",
        "cm: |\n  image: ghcr.io/acme/web:1\nimage:\n  repository: c:3\nx: \"image: d:4\"\n? image\n: ghcr.io/acme/web:5\n---\n\
         - image\n- f:6\n---\nimage: ghcr.io/acme/web:7\nlist: [image, h:8]\n? [image]\n: i:9\n",
        "x: &a ghcr.io/acme/web:1\ny: {image: *a}\nz: { image: ghcr.io/acme/web:2 }\n",
        "image: |\n  ghcr.io/acme/web:1\n",
        "image: \"ghcr.io\\/acme/web:1\"\n",
        "image: >-\n  ghcr.io/acme/web:1\n---\n%YAML 1.2\n---\nimage: 'ghcr.io/acme/web:1'\n...\n",
        "{ \"image\": \"ghcr.io/acme/web:1\", \"a\": [ { \"image\": \"docker.io/library/nginx:2\" } ] }",
        "image: ghcr.io/acme/web\n  \n   \nnext: 1\n",
    ];
    let words = [
        "image: ",
        "image:",
        "\"image\": ",
        "ghcr.io/acme/web",
        "ghcr.io/acme/web:1",
        "nginx",
        "'",
        "\"",
        "''",
        "\\\"",
        " # ",
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "{",
        "}",
        "[",
        "]",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\u{85}",
        "\u{2028}",
        "%YAML 1.2\n",
        "@sha256:",
    ];
    Fuzz::new("edits").count(3_000).seeds(seeds).words(&words).run(edit);
}

#[test]
fn references() {
    let target = |input: &Input| {
        let Some(text) = input.text() else { return "no text".to_owned() };
        let reference = Reference::parse(text);
        let of = wanted().values().filter(|wanted| reference.is_of(&wanted.image)).count();
        // What we write is read as what it is.
        for wanted in wanted().values() {
            let value = value_of(wanted);
            let again = Reference::parse(&value);
            assert!(again.is_of(&wanted.image) && again.proper_digest().as_ref() == Some(&wanted.digest));
        }
        let (tag, digest) = (reference.tag.is_some(), reference.proper_digest().is_some());
        format!("{of} {tag} {digest} {}", reference.commit().is_some())
    };
    let seeds = ["ghcr.io/acme/web:1", "nginx", "library/nginx@sha256:ab", "h:5000/a:1@sha256:ab", ""];
    Fuzz::new("references").seeds(seeds).words(&["@sha256:", ":", "/", "docker.io/", "library/"]).run(target);
}
