//! What stands in GitOps repositories: kept to the byte, or named when it cannot be edited.

use std::collections::BTreeMap;

use crate::world::*;

/// Writes this file, deploys an image to it, and returns what it is then.
async fn edited(world: &World, path: &str, text: &str) -> (String, String) {
    world.repo.write_entries(&[(path, "100755", text.as_bytes())]);
    let a = commit('a');
    let digest = world.push("frontend", Some(&a), &["main"]).await;
    world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
    assert!(world.repo.git(&["ls-tree", "main", path]).starts_with("100755"));
    (String::from_utf8(world.repo.show("main", path)).unwrap(), value(&world.image("frontend"), &a, &digest))
}

fn apart() -> String {
    let config = CONFIG.replace("deploy: [main]", "deploy: [main]\n    release: apart");
    // No verdicts are waited for here.
    config.replace("path: staging,", "path: staging, verdict_within: 0s,")
}

#[tokio::test]
async fn everything_but_the_value_stays_to_the_byte() {
    let world = World::with(&apart()).await;
    let image = world.image("frontend");
    let text = format!(
        "\u{feff}# image: {image}:no\r\nmeta: &m {{labels: [a,   b]}}\r\n\r\n\r\nspec:\r\n  - image:    &img '{image}:v1'   # why\r\n\
         \x20   x: *m\r\n  - {{image: \"{image}@sha256:{0}\", env: 'ü'}}\r\n  - image: {image}-next:v1\r\n---\r\ndata: |\r\n  image: {image}:no\r\n  ü\r\n\
         image: {image}   \r\n...\r\n---\n\timage: no\r\nimages:\n  - image: {image}:v2",
        "0".repeat(64)
    ).replace("---\n\timage: no\r\n", "---\r\n");
    let (is, value) = edited(&world, "staging/nested/deep/x.yml", &text).await;
    let wanted = text
        .replace(&format!("'{image}:v1'"), &format!("'{value}'"))
        .replace(&format!("\"{image}@sha256:{}\"", "0".repeat(64)), &format!("\"{value}\""))
        .replace(&format!("image: {image}   \r\n"), &format!("image: {value}   \r\n"))
        .replace(&format!("image: {image}:v2"), &format!("image: {value}"));
    assert_eq!(is, wanted);
    assert!(!is.ends_with('\n'));
}

#[tokio::test]
async fn odd_file_names_are_only_names() {
    let world = World::with(&apart()).await;
    let text = format!("image: {}:v1\n", world.image("frontend"));
    for path in ["staging/--force.yaml", "staging/a b\"c\\.yaml", "staging/:(top)x.yaml", "staging/*.yaml"] {
        let (is, value) = edited(&world, path, &text).await;
        assert_eq!(is, format!("image: {value}\n"), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_edited_is_named_and_nothing_is_half_done() {
    let world = World::with(&apart()).await;
    let digest = world.push("frontend", Some(&commit('a')), &["main"]).await;
    let image = world.image("frontend");
    let big = format!("image: {image}:v1\n# {}\n", "x".repeat(5 << 20));
    for (what, text, wanted) in [
        ("broken", format!("a: b\nimage: {image}:v1\nc: [\n"), "line 4: not valid YAML"),
        (
            "alias",
            format!("x: &i {image}:v1\ny:\n  image: *i\n"),
            "line 3: its value is an alias of an anchor on line 1",
        ),
        ("block", format!("image: |\n  {image}:v1\n"), "block scalar"),
        ("enormous", big, "bytes; only files to 4194304 are edited"),
        ("deep", format!("image: {image}:v1\nx: {}\n", "[".repeat(100_000)), "not valid YAML"),
    ] {
        world.repo.write(&[("staging/zzz.yaml", &text)]);
        let (head, event) = (world.repo.head(), world.pushed("frontend", "main", Some(&digest)));
        let why = world.refused(&event).await;
        assert!(why.contains("`staging/zzz.yaml`") && why.contains(wanted), "{what}: {why}");
        assert!(why.contains(&world.repo.url) && why.contains("@main"), "{what}: {why}");
        assert_eq!(world.repo.head(), head, "{what}");
    }
    world.repo.write_entries(&[("staging/zzz.yaml", "100644", b"x: \xff\xfe\nimage: acme/shop-frontend\n")]);
    assert!(world.refused(&world.pushed("frontend", "main", None)).await.contains("not UTF-8"));
    // Mended, the very same event goes through.
    world.repo.write(&[("staging/zzz.yaml", "{{ a template that mentions none of our images }}: [\n")]);
    world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
}

#[tokio::test]
async fn a_missing_image_says_where_it_was_looked_for() {
    let world = World::with(&apart()).await;
    let digest = world.push("frontend", Some(&commit('a')), &["main"]).await;
    world.repo.write(&[("staging/app.yaml", "image: example.org/other:1\n")]);
    world.repo.write_entries(&[("staging/link.yaml", "120000", b"../production/app.yaml")]);
    let why = world.refused(&world.pushed("frontend", "main", Some(&digest))).await;
    for part in ["`staging`", world.image("frontend").as_str(), "frontend", "not followed: `staging/link.yaml`"] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[tokio::test]
async fn links_and_submodules_lead_nowhere() {
    for (mode, target, kind) in
        [("120000", "/etc", "symbolic link"), ("160000", "1111111111111111111111111111111111111111", "submodule")]
    {
        for path in ["out", "out/app", "out/app/deploy.yaml"] {
            let world = World::with(&apart().replace("path: staging,", &format!("path: {path},"))).await;
            world.repo.write_entries(&[("out", mode, target.as_bytes())]);
            let digest = world.push("frontend", None, &["main"]).await;
            let why = world.refused(&world.pushed("frontend", "main", Some(&digest))).await;
            assert!(why.contains(&format!("`out` is a {kind}")), "{path}: {why}");
        }
    }
}

#[tokio::test]
async fn a_missing_path_branch_or_repository_is_named() {
    for (from, to, wanted) in [
        ("path: staging,", "path: nowhere,", "there is no `nowhere`"),
        ("{ repository: \"GITOPS\" }", "{ repository: \"GITOPS\", branch: nix }", "nix"),
        ("GITOPS\"", "GITOPS-nix\"", "gitops.git-nix"),
    ] {
        let world = World::with(&apart().replace(from, to)).await;
        let digest = world.push("frontend", None, &["main"]).await;
        let why = world.refused(&world.pushed("frontend", "main", Some(&digest))).await;
        assert!(why.contains(wanted), "{why}");
    }
}

#[tokio::test]
async fn too_many_files_are_a_mistake_in_the_path() {
    let world = World::with(&apart()).await;
    let files: Vec<_> = (0..2001).map(|n| format!("staging/f{n}.yaml")).collect();
    let entries: Vec<_> = files.iter().map(|path| (path.as_str(), "100644", b"a: b\n".as_slice())).collect();
    world.repo.write_entries(&entries);
    let digest = world.push("frontend", None, &["main"]).await;
    let why = world.refused(&world.pushed("frontend", "main", Some(&digest))).await;
    assert!(why.contains("2002 YAML files"), "{why}");
}

#[tokio::test]
async fn a_component_whose_file_is_broken_holds_up_none_but_itself() {
    let own = |file: &str| format!("\", write: {{ values: {{ file: {file}, image: /image }} }} }}");
    let config = CONFIG
        .replace("deploy: [main]", "deploy: [main]\n    release: apart")
        .replace("shop-frontend\" }", &format!("shop-frontend{}", own("front.yaml")))
        .replace("shop-backend\" }", &format!("shop-backend{}", own("back.yaml")))
        .replace("production/app.yaml", "production");
    let world = World::with(&config).await;
    let front = format!("image: {}:v0\n", world.image("frontend"));
    let broken = "image: [\n";
    world.repo.write(&[
        ("staging/front.yaml", &front),
        ("production/front.yaml", &front),
        ("staging/back.yaml", broken),
    ]);
    let (frontend, backend) = world.push_both(&commit('a')).await;
    let good = world.bump(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert_eq!(digests(&good), BTreeMap::from([("frontend".to_owned(), frontend)]), "what can be read is told");
    assert_eq!(deployments(&world.healthy(&good).await)[0].release, good.release);
    let why = world.refused(&world.pushed("backend", "main", Some(&backend))).await;
    assert!(why.contains("`staging/back.yaml`, line"), "{why}");
    // What is bad is taken back all the same.
    let (frontend, _) = world.push_both(&commit('b')).await;
    let bad = world.bump(&world.pushed("frontend", "main", Some(&frontend))).await;
    assert_eq!(world.bump(&verdict(&bad, false)).await.release, good.release);
}
