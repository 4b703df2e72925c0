//! Fuzz targets: manifests as people write them.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use proto::{BumpReason, ComponentName, EventId, Release};
use runtime::{Config, config::Pin};
use saphyr_parser::{Event, Parser};
use serde_json::json;
use testkit::fuzz::{Fuzz, Input};

use crate::{
    edit::{Ask, Plan, plan, values},
    image::{Reference, value_of},
    tree::{Entry, Tree},
    write::Slot,
    yaml::Yaml,
};

const PATH: &str = "staging/app.yaml";
/// The ways to write that inputs are labelled with.
const STYLES: &[(&str, &str)] = &[
    ("manifests", "manifests: {}"),
    ("container", "manifests: { container: web }"),
    ("kustomize", "kustomize: {}"),
    ("values", "values: { repository: /web/repository, tag: /web/tag, digest: /web/digest }"),
    ("tag", "values: { tag: /web/tag }"),
    ("whole", "values: { image: /web/0/image }"),
];

fn wanted() -> Release {
    let released = |image: &str, digit: &str, tag: Option<&str>| json!({ "image": image, "digest": format!("sha256:{}", digit.repeat(64)), "tag": tag });
    let web = released("ghcr.io/acme/web", "a", Some("main"));
    serde_json::from_value(json!({ "web": web, "proxy": released("docker.io/library/nginx", "b", None) })).unwrap()
}

fn slots(style: &str) -> BTreeMap<ComponentName, Slot> {
    let written = STYLES.iter().find(|(name, _)| *name == style).map_or(style, |(_, written)| *written);
    let app = format!(
        "apps: {{ shop: {{ repository: acme/shop, gitops: {{ repository: 'https://git.example/g' }}, components: {{ web: \
         {{ image: ghcr.io/acme/web, write: {{ {written} }} }}, proxy: {{ image: docker.io/library/nginx }} }}, \
         environments: {{ staging: {{ path: staging, sync: {{ argocd: s }} }} }} }} }}"
    );
    let config = Config::parse(&app, "windlass.yaml".as_ref()).unwrap();
    Ask::slots(&config.apps[&"shop".parse().unwrap()], &"staging".parse().unwrap())
}

fn ask(tree: &Tree, slots: &BTreeMap<ComponentName, Slot>) -> Ask {
    let mut ask = Ask {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        path: PATH.to_owned(),
        event: EventId::fresh(),
        reason: BumpReason::Deploy,
        slots: slots.clone(),
        wanted: wanted(),
        commit: None,
        instead_of: None,
        over: None,
        rules: BTreeMap::new(),
        note: None,
    };
    // An ask for what is there: each component that is not would be refused at once.
    let there = values(tree, &ask);
    ask.wanted.retain(|name, _| there.contains_key(name) || there.is_empty());
    ask
}

fn tree(bytes: &[u8]) -> Tree {
    let file = Entry::File { mode: "100644".to_owned(), bytes: Arc::from(bytes) };
    Tree(BTreeMap::from([(PATH.to_owned(), file)]))
}

fn read(text: &str) -> Vec<Event<'_>> {
    Parser::new_from_str(text).map(|event| event.unwrap().0).collect()
}

/// After an edit the YAML says the same but for the values, and not a byte elsewhere is another.
fn check(before: &str, after: &str) {
    let (was, is) = (read(before), read(after));
    assert_eq!(was.len(), is.len(), "what the YAML is made of");
    for (was, is) in was.iter().zip(&is).filter(|(was, is)| was != is) {
        let (Event::Scalar(_, _, anchor, tag), Event::Scalar(_, _, a, t)) = (was, is) else {
            panic!("{was:?}: {is:?}")
        };
        assert!(a == anchor && t == tag, "{was:?}: {is:?}");
    }
    let (around, around_now) = Yaml::parse(before).unwrap().apart(&Yaml::parse(after).unwrap());
    assert_eq!(around, around_now, "the text around the values");
}

fn edit(input: &Input, slots: &BTreeMap<ComponentName, Slot>) -> String {
    let tree = tree(&input.bytes);
    let ask = ask(&tree, slots);
    match plan(&tree, &ask) {
        Err(fault) => fault.to_string(),
        Ok(Plan::Same) => "the same".to_owned(),
        Ok(other @ (Plan::MovedOn(_) | Plan::Older(_) | Plan::Unforeseen(_))) => panic!("{other:?}"),
        Ok(Plan::Edit(edit)) => {
            let after = std::str::from_utf8(&edit.files[0].bytes).unwrap();
            check(input.text().unwrap(), after);
            let mut edited = tree.clone();
            edited.apply(&edit.files);
            assert!(matches!(plan(&edited, &ask), Ok(Plan::Same)), "an edit leaves nothing to do");
            let values = values(&edited, &ask);
            for (name, wanted) in &ask.wanted {
                assert!(slots[name].asks_for(&values[name], wanted), "{name}: {values:?}");
            }
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
    let of_styles = [
        (
            "kustomize",
            "images:\n- name: ghcr.io/acme/web # why\n  newTag: 'v1'\n  digest: \"\"\n- {name: x, newName: y, newTag: 1.10}\n",
        ),
        (
            "kustomize",
            "resources: [a]\r\nimages:\r\n  -   name: web\r\n      newName: ghcr.io/acme/web\r\n      newTag:\r\n      digest: ~",
        ),
        ("values", "web: &a\n  repository: ghcr.io/acme/web\n  tag: 1.10\n  digest:   # none\nother: {<<: *b}\n"),
        ("tag", "# x\nweb: {tag: 12e4567, other: [1, {a: b}]}\n---\nkind: x\n"),
        ("whole", "{\"web\": [{\"image\": \"ghcr.io\\/acme\\/web:1\"}]}"),
        ("container", "containers:\n- name: web\n  image: other:1\n- {name: proxy, image: nginx:2}\n"),
    ];
    let words =
        [&words[..], &["web", "tag: ", "newTag: ", "newName: ", "digest: ", "<<: ", "~", "name: web", "images:\n"]]
            .concat();
    let slots: BTreeMap<_, _> = STYLES.iter().map(|(name, _)| (*name, slots(name))).collect();
    let fuzz = Fuzz::new("edits").count(4_000).seeds(seeds).words(&words);
    let fuzz = of_styles.into_iter().fold(fuzz, |fuzz, (style, text)| fuzz.seed(style, text));
    fuzz.run(|input| edit(input, slots.get(&*input.label).unwrap_or(&slots["manifests"])));
}

#[test]
fn references() {
    let target = |input: &Input| {
        let Some(text) = input.text() else { return "no text".to_owned() };
        let reference = Reference::parse(text);
        let of = wanted().values().filter(|wanted| reference.is_of(&wanted.image)).count();
        // What we write is read as what it is.
        for wanted in wanted().values() {
            let value = value_of(wanted, Pin::Both).unwrap();
            let again = Reference::parse(&value);
            assert!(again.is_of(&wanted.image) && again.proper_digest().as_ref() == Some(&wanted.digest));
        }
        let (tag, digest) = (reference.tag.is_some(), reference.proper_digest().is_some());
        format!("{of} {tag} {digest} {}", reference.commit().is_some())
    };
    let seeds = ["ghcr.io/acme/web:1", "nginx", "library/nginx@sha256:ab", "h:5000/a:1@sha256:ab", ""];
    Fuzz::new("references").seeds(seeds).words(&["@sha256:", ":", "/", "docker.io/", "library/"]).run(target);
}
