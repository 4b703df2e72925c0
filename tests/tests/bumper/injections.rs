//! What is written to run a command, to leave a folder, or to forge a line, wherever a text comes in from outside: tags,
//! titles, orders, names of files, values, and the configuration itself. All of it meets a real Git.
//!
//! Each of the texts below is tried in each of these places. A command that runs leaves a file, and none may be there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proto::{CommitSha, Data, RollbackRequested};
use runtime::{Config, Worker};

use crate::world::*;

/// `RUN` stands for a command that leaves a file called `fired`, in the folder it runs in.
const TEXTS: &[&str] = &[
    // For a shell.
    "$(RUN)",
    "`RUN`",
    ";RUN",
    "a;RUN;#",
    "|RUN",
    "a||RUN",
    "a&&RUN",
    "a&RUN&",
    "a\nRUN\n",
    "a\r\nRUN\r\n",
    "';RUN;'",
    "\";RUN;\"",
    "\\\";RUN;\\\"",
    "<(RUN)",
    ">fired",
    "$(RUN)`RUN`;RUN|RUN&",
    // For Git's command line, its transports, its configuration.
    "--upload-pack=RUN",
    "--receive-pack=RUN",
    "--exec=RUN",
    "--output=fired",
    "-cprotocol.ext.allow=always",
    "-oProxyCommand=RUN",
    "ext::sh -c RUN% ",
    "ext::RUN",
    "fd::3/x",
    "ssh://-oProxyCommand=RUN/x",
    "ssh://x;RUN/y",
    "--config=core.sshCommand=RUN",
    "!RUN",
    // For refs, revisions and pathspecs.
    "+refs/heads/*:refs/heads/*",
    "refs/heads/main:refs/heads/evil",
    ":refs/heads/main",
    "main^{/RUN}",
    "@{upstream}",
    "main..evil",
    ":(top,glob)**",
    ":!staging",
    "*",
    "../../fired",
    "/fired",
    ".git/hooks/post-receive",
    "a/../../.git/config",
    // For fast-import, a commit's message and a listing.
    "x\ndone\nreset refs/heads/evil\nfrom refs/heads/main\n",
    "x\"\nM 100755 inline evil\ndata 3\nyes\n",
    "x\0M 100644 inline evil",
    "x\n\nWindlass-Event: 00000000-0000-0000-0000-000000000000\nWindlass-Reason: forged",
    "x\u{2028}Windlass-Reason: forged\u{85}Windlass-Reason: forged",
    "x> <evil@example.org> 0 +0000\nevil: 1",
    "%(trailers)%n%x00%H",
    "\u{1b}]0;fired\u{7}\u{202e}",
    // For YAML.
    "v1\nevil: true",
    "v1\n        - image: evil",
    "v1\", evil: \"true",
    "v1', evil: 'true",
    "v1}, {evil: true",
    "v1 # evil",
    "!!python/object/apply:os.system [\"RUN\"]",
    "*evil",
    "&evil",
    "<<: *evil",
    "{{ evil }}",
    "${evil}",
];

/// The texts, and where what they run would leave its file.
struct Canary {
    places: Vec<PathBuf>,
}

impl Canary {
    fn new(world: &World) -> Self {
        let server = world.repo.path.parent().unwrap().to_owned();
        let canary = Self { places: vec![std::env::current_dir().unwrap(), world.folder.join(""), server] };
        assert!(TEXTS.len() > 55);
        canary.would_be_seen();
        canary
    }

    fn texts() -> Vec<String> {
        TEXTS.iter().map(|text| text.replace("RUN", "touch fired")).collect()
    }

    /// The same and, for places that have no room for a space, without one.
    fn all_texts() -> Vec<String> {
        let more = Self::texts().into_iter().filter(|text| text.contains("touch "));
        Self::texts().into_iter().chain(more.map(|text| text.replace("touch ", "touch${IFS}"))).collect()
    }

    /// A shell would fall for them, and that would be seen.
    fn would_be_seen(&self) {
        let folder = &self.places[1];
        for text in ["$(touch fired)", ";touch${IFS}fired"] {
            let shell =
                std::process::Command::new("sh").current_dir(folder).arg("-c").arg(format!("echo {text}")).status();
            assert!(shell.unwrap().success() && !self.fired().is_empty(), "{text}");
            self.fired().into_iter().for_each(|file| fs::remove_file(file).unwrap());
        }
    }

    fn fired(&self) -> Vec<PathBuf> {
        self.places.iter().flat_map(|place| fired_below(place, 8)).collect()
    }

    /// Nothing ran, and the repository has no ref but its own.
    fn is_quiet(&self, world: &World) {
        assert_eq!(self.fired(), Vec::<PathBuf>::new());
        assert_eq!(world.repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
        world.repo.git(&["fsck", "--strict", "--no-dangling"]);
    }
}

fn fired_below(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() && depth > 0 && entry.file_name() != "objects" => {
            fired_below(&entry.path(), depth - 1)
        }
        Ok(_) if entry.file_name().to_string_lossy().starts_with("fired") => vec![entry.path()],
        _ => Vec::new(),
    });
    found.collect()
}

fn apart() -> String {
    let config = CONFIG.replace("deploy: [main]", "deploy: [\"**\"]\n    release: apart");
    config.replace("path: staging,", "path: staging, verdict_within: 0s,")
}

/// The same for an app of one component.
fn alone() -> String {
    apart().replace("      backend: { image: \"REGISTRY/acme/shop-backend\" }\n", "")
}

/// A commit for the nth text.
fn nth(n: usize) -> CommitSha {
    CommitSha::new(format!("{:040x}", n + 1)).unwrap()
}

/// The lines of a YAML text, without what stands behind an image's colon or `@`.
fn without_values(text: &str) -> Vec<String> {
    let cut = |line: &str| line.split_once("/acme/shop-").map_or(line.to_owned(), |(before, _)| before.to_owned());
    text.lines().map(cut).collect()
}

#[tokio::test]
async fn tags_run_nothing_and_are_written_nowhere() {
    let world = World::with(&apart()).await;
    let (canary, head) = (Canary::new(&world), world.repo.head());
    for text in Canary::all_texts() {
        let outcomes = world.handle(&world.pushed("frontend", &text, None)).await;
        assert!(outcomes.is_err() || deployments(&outcomes.unwrap()).is_empty(), "{text:?}");
    }
    assert_eq!(world.repo.head(), head);
    canary.is_quiet(&world);
}

#[tokio::test]
async fn titles_and_authors_stay_one_line_of_a_message() {
    let world = World::with(&apart()).await;
    let canary = Canary::new(&world);
    // A message comes to Git by its standard input: what a shell would make of it is tried less often.
    let texts = Canary::texts().into_iter().enumerate().filter(|(n, _)| *n > 30 || n % 6 == 0);
    for (n, text) in texts {
        let digest = world.push("frontend", Some(&nth(n)), &["main", nth(n).as_str()]).await;
        let mut event = world.built("frontend", &nth(n), &digest);
        if let Data::ImageBuilt(built) = &mut event.data {
            (built.change.title, built.change.author) = (Some(text.clone()), Some(text.clone()));
        }
        world.bump(&event).await;
        let commit = nth(n);
        let trailers = world.repo.git(&["log", "-1", "--format=%(trailers:only)", "main"]);
        let wanted = format!(
            "Windlass-Event: {}\nWindlass-Environment: staging\nWindlass-Release-Commit: {commit}\n\
             Windlass-Source-Commit: {commit}\nWindlass-Digest: frontend={digest}\nWindlass-Reason: deploy",
            event.id,
        );
        assert_eq!(trailers, wanted, "{text:?}");
        let message = world.repo.message("main");
        let (head, rest) = message.split_once("\n> ").unwrap();
        let (_title, rest) = rest.split_once('\n').unwrap();
        assert_eq!(rest, format!("\n{wanted}"), "{text:?}: {message}");
        assert!(head.ends_with("\n\nA new image is in the registry.\n"), "{text:?}: {message}");
        let changed = world.repo.git(&["diff-tree", "--no-commit-id", "--name-only", "-r", "main"]);
        assert_eq!(changed, "staging/app.yaml", "{text:?}");
    }
    canary.is_quiet(&world);
}

#[tokio::test]
async fn orders_lead_to_no_revision_that_git_would_make_of_them() {
    let world = World::with(&apart()).await;
    let (canary, head) = (Canary::new(&world), world.repo.head());
    for text in Canary::all_texts() {
        let (to, by, reason) = (Some(text.clone()), text.clone(), text.clone());
        let (app, environment) = ("shop".parse().unwrap(), "staging".parse().unwrap());
        let order = event(RollbackRequested { app, environment, to, by, reason });
        let outcomes = world.handle(&order).await;
        assert!(outcomes.is_err() || deployments(&outcomes.unwrap()).is_empty(), "{text:?}");
    }
    assert_eq!(world.repo.head(), head);
    canary.is_quiet(&world);
}

/// Names that Git has at all: no empty part, none that leads elsewhere, no NUL.
fn is_name(text: &str) -> bool {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.eq_ignore_ascii_case(".git");
    !text.contains('\0') && !text.split('/').any(bad)
}

#[tokio::test]
async fn names_of_files_are_only_names() {
    let world = World::with(&apart()).await;
    let canary = Canary::new(&world);
    let names = Canary::all_texts().into_iter().filter(|text| is_name(text)).map(|text| format!("staging/{text}.yaml"));
    let names: Vec<_> = names.collect();
    let text = format!("image: {}:v1 # why\n", world.image("frontend"));
    world.repo.write_entries(&names.iter().map(|name| (name.as_str(), "100644", text.as_bytes())).collect::<Vec<_>>());
    let listing = |world: &World| world.repo.git(&["ls-tree", "-r", "-z", "--name-only", "main"]);
    let before = listing(&world);
    let digest = world.push("frontend", Some(&nth(0)), &["main"]).await;
    world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
    let wanted = format!("image: {} # why\n", value(&world.image("frontend"), &nth(0), &digest));
    for name in &names {
        assert_eq!(world.repo.text(name), wanted, "{name:?}");
    }
    assert_eq!(listing(&world), before);
    canary.is_quiet(&world);
}

#[tokio::test]
async fn values_are_replaced_whatever_they_say() {
    let world = World::with(&apart()).await;
    let canary = Canary::new(&world);
    let image = world.image("frontend");
    let quoted = |text: &str| serde_json::Value::from(format!("{image}:{text}")).to_string();
    // A pattern is none of ours.
    let is_other = |text: &String| text.contains('/') || ["*", "*evil"].contains(&text.as_str());
    let texts: Vec<_> = Canary::all_texts().into_iter().filter(|text| !is_other(text)).collect();
    let lines = texts.iter().map(|text| format!("- image: {} # why\n", quoted(text)));
    world.repo.write(&[("staging/list.yaml", &lines.collect::<String>())]);
    let digest = world.push("frontend", Some(&nth(0)), &["main"]).await;
    let deployed = world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
    let value = value(&image, &nth(0), &digest);
    assert_eq!(world.repo.text("staging/list.yaml"), format!("- image: \"{value}\" # why\n").repeat(texts.len()));
    assert_eq!(deployed.changed.len(), 1);
    canary.is_quiet(&world);
}

#[tokio::test]
async fn what_was_read_from_a_file_is_no_tag_to_be_written_into_another() {
    let world = World::with(&apart()).await;
    let canary = Canary::new(&world);
    let old = world.push("backend", None, &["v0"]).await;
    let untouched = without_values(&world.repo.text("production/app.yaml"));
    for (n, text) in Canary::texts().into_iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        let backend = serde_json::Value::from(format!("{}:{text}@{old}", world.image("backend")));
        let staging = format!("image: {}:v0\nother: {{ image: {backend} }}\n", world.image("frontend"));
        world.repo.write(&[("staging/app.yaml", &staging)]);
        let digest = world.push("frontend", Some(&nth(n)), &["main"]).await;
        let deployed = world.bump(&world.pushed("frontend", "main", Some(&digest))).await;
        // It is verified as it stands there, and goes on to production only if that can be said there.
        let _refused_or_not = world.handle(&verdict(&deployed, true)).await;
        let production = world.repo.text("production/app.yaml");
        assert_eq!(without_values(&production), untouched, "{text:?}");
        assert!(!production.contains("evil") && !production.contains("fired"), "{text:?}: {production}");
    }
    canary.is_quiet(&world);
}

/// Whether `windlass config check` lets a text stand here.
fn is_let_in(config: &str) -> bool {
    let config = config.replace("GITOPS", "https://git.example/gitops").replace("SOURCE", "https://git.example/shop");
    let config = config.replace("REGISTRY", "registry.example");
    Config::parse(&config, "windlass.yaml".as_ref()).is_ok()
}

/// The texts that may stand in this key, and the configurations that say so.
fn configured(from: &str, to: &str) -> Vec<(String, String)> {
    let with = |text: &str| alone().replace(from, &to.replace("TEXT", &serde_json::Value::from(text).to_string()));
    let all = Canary::all_texts().into_iter().map(|text| (with(&text), text)).map(|(config, text)| (text, config));
    all.filter(|(_, config)| is_let_in(config)).collect()
}

#[tokio::test]
async fn urls_of_repositories_are_asked_and_never_run() {
    let world = World::with(&apart()).await;
    let (canary, head) = (Canary::new(&world), world.repo.head());
    let digest = world.push("frontend", Some(&nth(0)), &["main"]).await;
    let mut count = 0;
    for scheme in ["", "file://", "ssh://127.0.0.1:1/"] {
        for (n, text) in Canary::texts().into_iter().take(45).enumerate() {
            let url = serde_json::Value::from(format!("{scheme}{text}")).to_string();
            let config = apart().replace("repository: \"GITOPS\"", &format!("repository: {url}"));
            if !is_let_in(&config) {
                continue;
            }
            let bumper = world.another_bumper(&config, &format!("{}-{n}", scheme.len())).await;
            let asked = bumper.handle(&world.pushed("frontend", "main", Some(&digest))).await;
            assert!(asked.is_err(), "{url}");
            count += 1;
        }
    }
    assert!(count > 40, "only {count} were asked");
    assert_eq!(world.repo.head(), head);
    canary.is_quiet(&world);
}

#[tokio::test]
async fn branches_are_written_to_under_the_very_names_they_have() {
    let world = World::with(&apart()).await;
    let (canary, head) = (Canary::new(&world), world.repo.head());
    let digest = world.push("frontend", Some(&nth(0)), &["main"]).await;
    let branches = configured("repository: \"GITOPS\"", "repository: \"GITOPS\", branch: TEXT");
    assert!(branches.len() > 10, "{}", branches.len());
    for (n, (branch, config)) in branches.into_iter().enumerate() {
        let name = format!("refs/heads/{branch}");
        world.repo.git(&["update-ref", &name, &head]);
        let bumper = world.another_bumper(&config, &format!("branch-{n}")).await;
        let outcomes = bumper.handle(&world.pushed("frontend", "main", Some(&digest))).await.unwrap();
        let deployed = deployments(&outcomes).remove(0);
        assert_eq!(world.repo.git(&["rev-parse", "--verify", &name]), deployed.revision.as_str(), "{branch:?}");
        world.repo.git(&["update-ref", "-d", &name]);
    }
    assert_eq!(world.repo.head(), head);
    canary.is_quiet(&world);
}

#[tokio::test]
async fn paths_and_places_in_files_are_looked_for_and_never_made() {
    let world = World::with(&apart()).await;
    let canary = Canary::new(&world);
    let head = world.repo.write(&[("staging/kustomization.yaml", "images:\n- { name: x, newTag: v1, digest: '' }\n")]);
    let digest = world.push("frontend", Some(&nth(0)), &["main"]).await;
    for (key, to) in [
        ("path", "path: TEXT"),
        ("file", "path: staging, write: { kustomize: { file: TEXT } }"),
        ("name", "path: staging, write: { kustomize: { name: TEXT } }"),
        ("container", "path: staging, write: { manifests: { container: TEXT } }"),
        ("pointer", "path: staging/kustomization.yaml, write: { values: { tag: TEXT } }"),
    ] {
        // An environment each, all asked for at once; each is refused.
        let texts = configured("path: staging", to).into_iter().map(|(text, _)| serde_json::Value::from(text));
        let environment = |(n, text): (usize, serde_json::Value)| {
            format!("      e{n}: {{ {}, sync: {{ command: [\"true\"] }} }}\n", to.replace("TEXT", &text.to_string()))
        };
        let environments = texts.enumerate().map(environment).collect::<Vec<_>>().concat();
        let config = alone();
        let (before, after) = (config.find("      staging:").unwrap(), config.find("git: {").unwrap());
        let config = format!("{}{environments}{}", &config[..before], &config[after..]);
        let bumper = world.another_bumper(&config, key).await;
        let asked = bumper.handle(&world.pushed("frontend", "main", Some(&digest))).await;
        assert!(asked.is_err(), "{key}");
        assert_eq!(world.repo.head(), head, "{key}");
    }
    canary.is_quiet(&world);
}
