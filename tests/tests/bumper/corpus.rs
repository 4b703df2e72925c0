//! Files as people keep them, in every style, and what must be in them afterwards, to the byte.
//!
//! `corpus/STYLE/style` holds the keys that say how to write, and the tag that is deployed. Beside it stand files, each
//! with `NAME.after.…`, or with `NAME.refused` if it cannot be edited: words that the error must hold. In all of them
//! `registry.example` stands for the registry's address and sixty-four `d` for the digest.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use proto::{Digest, Event};
use testkit::process;

use crate::world::*;

const HEAD: &str = r#"
apps:
  shop:
    repository: acme/shop
    components:
      frontend: { image: "REGISTRY/acme/shop-frontend" }
    gitops: { repository: "GITOPS" }
    environments:
"#;
const TAIL: &str = r#"
registries: { "REGISTRY": { plain_http: true } }
network: { allow: ["127.0.0.0/8", "::1"] }
"#;

/// One file, and what is to become of it.
struct Case {
    environment: String,
    path: String,
    before: String,
    wanted: Result<String, String>,
    keys: String,
    tag: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bumper/corpus")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn cases() -> Vec<Case> {
    let styles = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = styles.flat_map(|style| of_style(&style)).collect();
    cases.sort_by(|one, other| one.path.cmp(&other.path));
    cases
}

fn of_style(style: &Path) -> Vec<Case> {
    let text = read(&style.join("style"));
    let (keys, tag) = text.trim().split_once('\n').unwrap();
    let style_name = style.file_name().unwrap().to_str().unwrap();
    let files = fs::read_dir(style).unwrap().map(|entry| entry.unwrap().path());
    let is_before = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name != "style" && !name.contains(".after.") && !name.ends_with(".refused")
    };
    let case = |file: PathBuf| {
        let (name, extension) = (file.file_stem().unwrap().to_str().unwrap(), file.extension().unwrap());
        let refused = file.with_extension("refused");
        let after = file.with_extension(format!("after.{}", extension.to_str().unwrap()));
        let wanted = if refused.exists() { Err(read(&refused).trim().to_owned()) } else { Ok(read(&after)) };
        // What is refused is asked for by itself.
        let tag = if wanted.is_err() { format!("{style_name}.{name}") } else { tag.to_owned() };
        Case {
            environment: format!("{style_name}-{name}"),
            path: format!("corpus/{style_name}/{}", file.file_name().unwrap().to_str().unwrap()),
            before: read(&file),
            wanted,
            keys: keys.to_owned(),
            tag,
        }
    };
    files.filter(is_before).map(case).collect()
}

fn config(cases: &[Case]) -> String {
    let mut config = HEAD.to_owned();
    for Case { environment, path, keys, tag, .. } in cases {
        let follows = format!("tags: {{ glob: '{tag}' }}, verdict_within: 0s, sync: {{ command: ['true'] }}");
        writeln!(config, "      {environment}: {{ path: '{path}', {keys}, {follows} }}").unwrap();
    }
    config + TAIL
}

/// A text with the registry and the digest there are.
fn filled(text: &str, world: &World, digest: &Digest) -> String {
    text.replace("registry.example", &world.host).replace(&format!("sha256:{}", "d".repeat(64)), digest.as_str())
}

/// The repository's files that a style reads, and the same image under every tag.
async fn planted(cases: &[Case]) -> (World, Digest) {
    let world = World::with(&config(cases)).await;
    let mut tags: Vec<_> = cases.iter().map(|case| case.tag.as_str()).collect();
    tags.sort_unstable();
    tags.dedup();
    let digest = world.push("frontend", Some(&commit('a')), &tags).await;
    let texts: Vec<_> = cases.iter().map(|case| filled(&case.before, &world, &digest)).collect();
    let entries = cases.iter().zip(&texts).map(|(case, text)| (case.path.as_str(), "100644", text.as_bytes()));
    world.repo.write_entries(&entries.collect::<Vec<_>>());
    (world, digest)
}

#[tokio::test]
async fn every_file_of_the_corpus_is_edited_to_the_byte_or_refused() {
    let cases = cases();
    assert!(cases.len() >= 80, "{} cases", cases.len());
    let (world, digest) = planted(&cases).await;
    let mut by_tag: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        by_tag.entry(&case.tag).or_default().push(case);
    }
    for (tag, cases) in by_tag {
        let event = world.pushed("frontend", tag, Some(&digest));
        match &cases[0].wanted {
            Err(words) => refused(&world, cases[0], &event, words).await,
            Ok(_) => edited(&world, &cases, &event, &digest).await,
        }
    }
}

async fn refused(world: &World, case: &Case, event: &Event, words: &str) {
    let head = world.repo.head();
    let why = world.refused(event).await;
    let place = format!("`{}`", case.path);
    assert!(why.contains(words) && why.contains(&place), "{}: {why}\nwanted: {words}", case.path);
    assert_eq!(world.repo.head(), head, "{}", case.path);
}

/// All of a tag at once: a commit each, and one push.
async fn edited(world: &World, cases: &[&Case], event: &Event, digest: &Digest) {
    let (count, outcomes) = (world.repo.count(), world.handle(event).await.unwrap());
    let deployed = deployments(&outcomes);
    assert_eq!((deployed.len(), world.repo.count()), (cases.len(), count + cases.len()));
    for case in cases {
        let wanted = filled(case.wanted.as_ref().unwrap(), world, digest);
        assert_eq!(world.repo.text(&case.path), wanted, "{}", case.path);
        let deployed = deployed.iter().find(|d| d.environment.as_str() == case.environment).unwrap();
        let released = &deployed.release[&"frontend".parse().unwrap()];
        assert_eq!((&released.digest, released.tag.as_deref()), (digest, Some(case.tag.as_str())), "{}", case.path);
    }
    // Once more, it is found to be there: every style is read as it is written.
    let again = world.pushed("frontend", &cases[0].tag, Some(digest));
    assert!(world.ignored(&again).await.contains("already"));
    for case in cases.iter().filter(|case| case.path.starts_with("corpus/kustomize")) {
        rendered(world, case, digest);
    }
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: shop }\nspec: { template: { spec: { \
                          containers: [{ name: a, image: IMAGE }, { name: b, image: web }] } } }\n";

/// What Kustomize makes of the edited file: the image that was asked for.
fn rendered(world: &World, case: &Case, digest: &Digest) {
    let folder = tempfile::tempdir().unwrap();
    let image = world.image("frontend");
    fs::write(folder.path().join("deployment.yaml"), DEPLOYMENT.replace("IMAGE", image.as_str())).unwrap();
    fs::write(folder.path().join("kustomization.yaml"), world.repo.text(&case.path)).unwrap();
    let kubectl = process::program("kubectl", "kubernetes-client").unwrap();
    let output = std::process::Command::new(kubectl).arg("kustomize").arg(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {}", case.path, String::from_utf8_lossy(&output.stderr));
    let images = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("image: "));
    let of_ours: Vec<_> = images.filter(|rendered| rendered.starts_with(image.as_str())).collect();
    let with_tag = format!("{image}:{}", case.tag);
    // Before its version 5, Kustomize left out the tag where there was a digest.
    let wanted = match case.keys.as_str() {
        keys if keys.contains("pin: tag") => vec![with_tag],
        keys if keys.contains("pin: digest") => vec![format!("{image}@{digest}")],
        _ => vec![format!("{with_tag}@{digest}"), format!("{image}@{digest}")],
    };
    assert!(of_ours.iter().any(|rendered| wanted.iter().any(|w| w == rendered)), "{}: {text}", case.path);
}

#[test]
fn no_two_files_are_the_same() {
    let mut texts: Vec<_> = cases().into_iter().map(|case| (case.keys, case.before)).collect();
    let count = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), count);
}
