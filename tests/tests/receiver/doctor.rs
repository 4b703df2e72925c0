//! `windlass doctor`: what it says while a secret is rotated under a running Windlass, and of what is broken.

mod forges;
mod signing;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use testkit::{
    argocd::FakeArgo,
    engine::{Engine, Layout},
    githttp::GitServer,
    ports,
    rabbitmq::RabbitMq,
    registry::Registry,
    wait,
};

use crate::story::{OTHER_SECRET, PATIENCE, Request, SECRET, Sender, Story, configured, signature};

/// What the doctor found, how it ended, and what it wrote.
struct Found {
    report: Value,
    healthy: bool,
    text: String,
}

impl Found {
    /// Asks the doctor twice: for a program, and for people.
    fn at(config: &Path, more: &[&str]) -> Self {
        Self::with_path(config, more, &std::env::var_os("PATH").unwrap())
    }

    /// The same on a machine that has no programs but those of this search path.
    fn with_path(config: &Path, more: &[&str], path: &OsStr) -> Self {
        let own = std::env::current_exe().unwrap();
        let program = own.parent().unwrap().parent().unwrap().join("windlass");
        assert!(program.is_file(), "{} is not built; run: cargo build --workspace --bins", program.display());
        let ask = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.env("PATH", path);
            let ended = command.arg("--config").arg(config).args(more).arg("doctor").args(arguments).output().unwrap();
            (String::from_utf8(ended.stdout).unwrap(), ended.status.success(), String::from_utf8(ended.stderr).unwrap())
        };
        let (json, healthy, errors) = ask(&["--json"]);
        let (text, ..) = ask(&[]);
        let shown = format!("{json}{text}{errors}");
        assert!(![SECRET, OTHER_SECRET].iter().any(|secret| shown.contains(secret)), "a secret is shown: {shown}");
        let report = serde_json::from_str(&json).unwrap_or_else(|why| panic!("{why}: {shown}"));
        Self { report, healthy, text }
    }

    /// What was found of this, by a part of its name: of the installation, or of the first source.
    fn about(&self, about: &str) -> Vec<&Value> {
        let source = &self.report["sources"][0];
        let lists = [&self.report["checks"], &source["secrets"], &source["findings"]];
        let all = lists.into_iter().filter_map(Value::as_array).flatten();
        all.filter(|finding| finding["about"].as_str().is_some_and(|it| it.contains(about))).collect()
    }

    /// Asserts how something stands, words of what is said of it, and of what is to be done.
    #[track_caller]
    fn says(&self, about: &str, standing: &str, says: &str, next: &str) {
        let text = |found: &Value, key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let found = self.about(about);
        let said = found.iter().find(|found| {
            found["standing"] == standing && text(found, "says").contains(says) && text(found, "next").contains(next)
        });
        let said = said.unwrap_or_else(|| panic!("{about} is not {standing}: {says} → {next}: {found:#?}"));
        let says = text(said, "says").trim_end().replace('\n', " ");
        assert!(self.text.contains(&says), "people are told too: {says}: {}", self.text);
    }

    /// What a secret is used for.
    fn usage(&self, secret: &str) -> &Value {
        &self.about(secret)[0]["usage"]
    }
}

/// Sends a webhook that is signed with this secret.
async fn send(address: &str, secret: &str, body: &str) {
    let mut sender = Sender::connect(address.parse().unwrap()).await;
    let request = Request::github(body).header("X-Hub-Signature-256", &signature(secret, body.as_bytes()));
    sender.write(&request.bytes()).await.unwrap();
    sender.answer().await.unwrap().accepted();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_a_rotation_and_says_which_secret_may_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let address = format!("127.0.0.1:{}", ports::free().unwrap());
    let write = |secrets: &str| {
        let path = folder.path().display();
        let source = format!("github: {{ kind: github, secrets: [{secrets}] }}");
        let text = format!("data: {path}/data\nreceiver: {{ listen: '{address}' }}\nsources:\n  {source}\n");
        std::fs::write(file("windlass.yaml"), text).unwrap();
    };
    let (old, new) = (format!("file:{}", file("old").display()), format!("file:{}", file("new").display()));
    write(&format!("{old}, {new}"));
    std::fs::write(file("old"), SECRET).unwrap();
    let config = file("windlass.yaml");
    let mut engine = Engine::start(Layout::Together, &config, &file("logs")).await.unwrap();
    let ops = format!("ops.listen={}", engine.ops()[0].1.trim_start_matches("http://"));
    let doctor = || Found::at(&config, &["--set", &ops]);
    let used = async |secret: &str, usage: &str| {
        wait::until_true(PATIENCE, &format!("{secret} is {usage}"), async || doctor().usage(secret) == usage)
            .await
            .unwrap();
        doctor()
    };

    let found = doctor();
    assert!(!found.healthy, "{}", found.text);
    found.says("/new", "broken", "verifies nobody", "put a secret there");
    found.says("/old", "note", "no webhook of this source is recorded yet", "windlass send");
    found.says("/readyz", "ok", "ready", "");

    std::fs::write(file("new"), " \n").unwrap();
    doctor().says("/new", "broken", "it verifies nobody: it is empty", "put a secret there");

    // The new one is put in place, and the sender does not have it yet.
    std::fs::write(file("new"), OTHER_SECRET).unwrap();
    send(&address, SECRET, "first").await;
    let found = used("/old", "current").await;
    assert!(found.healthy, "{}", found.text);
    assert_eq!(found.report["sources"][0]["last_verified_by"], Value::from(old.as_str()));
    found.says("/old", "ok", "verified the last webhook, just now; its file was written just now", "");
    found.says("/new", "note", "unused: it has verified nothing since", "if it is the new one, set it at the sender");
    assert!(found.text.contains(&format!("the 1 since were verified by {old}")), "{}", found.text);

    // The sender has it.
    send(&address, OTHER_SECRET, "second").await;
    send(&address, OTHER_SECRET, "third").await;
    let found = used("/new", "current").await;
    found.says("/new", "ok", "verified the last webhook", "");
    found.says("/old", "note", &format!("the 2 since were verified by {new}"), "it may be removed");

    // The same file again, with another secret: what it verified before says nothing of that.
    std::fs::write(file("old"), "a third secret").unwrap();
    let found = used("/old", "unused").await;
    found.says("/old", "note", "no webhook came since it was written; what stood there before", "set it at the sender");
    std::fs::write(file("old"), OTHER_SECRET).unwrap();
    doctor().says("/new", "warning", "it is the same secret as", "take one of them out");

    write(&old);
    std::fs::write(file("old"), SECRET).unwrap();
    doctor().says("/new", "note", "is not in the configuration any more", "set one of the source's secrets");
    engine.stop().await.unwrap();
    let found = doctor();
    assert!(found.healthy, "{}", found.text);
    found.says("/readyz", "warning", "cannot be reached", "windlass up");
}

/// A broker where webhooks wait and nobody takes them, and an app whose places are there, or not.
#[tokio::test(flavor = "multi_thread")]
async fn each_fault_says_what_to_do_next() {
    let (git, registry) = (GitServer::start().unwrap(), Registry::start(&[]).await.unwrap());
    let (sound, bare) = (git.create("acme/gitops").await.unwrap(), git.create("acme/bare").await.unwrap());
    let work = git.work("acme/gitops").await.unwrap();
    work.change("staging/web.yaml", "image: x\n", "first").await.unwrap();
    work.push().await.unwrap();
    let bus = RabbitMq::shared().await.unwrap().vhost().await.unwrap();
    let story = Story::on(tempfile::tempdir().unwrap(), &bus, "").await;
    story.send(&Request::github("waits")).await.accepted();

    let argo = FakeArgo::start().unwrap();
    argo.create("argocd", "shop-staging", &"0".repeat(40));
    let (there, nobody) = (registry.address(), format!("127.0.0.1:{}", ports::free().unwrap()));
    let app = |name: &str, gitops: &str, registry: &str| {
        format!(
            "  {name}:\n    repository: acme/{name}\n    clone: {sound}\n    deploy: [main]\n    \
             build: {{ command: [no-such-builder] }}\n    \
             components: {{ web: {{ image: '{registry}/acme/{name}' }} }}\n    gitops: {{ repository: '{gitops}' }}\n    \
             environments: {{ staging: {{ path: staging, sync: {{ argocd: {name}-staging }} }} }}\n"
        )
    };
    let gone = sound.replace("acme/gitops", "acme/gone");
    let text = format!(
        "{}  open: {{ kind: quay, insecure: true }}\nworkers: [normalizer, builder, bumper, syncer, recorder]\n\
         kubernetes: {{ kubeconfig: '{}' }}\nnetwork: {{ allow: [127.0.0.0/8] }}\nregistries: {{ '{there}': {{ plain_http: true }} }}\napps:\n{}{}{}",
        configured(story.folder.path(), &bus, ""),
        argo.kubeconfig().display(),
        app("shop", &sound, &there).replace(
            "environments: {",
            "environments: { live: { path: staging, branch: live, \
             after: staging, sync: { command: ['true'] } },"
        ),
        app("blog", &bare, &nobody),
        app("wiki", &gone, &there),
    );
    let config: PathBuf = story.file("windlass.yaml");
    std::fs::write(&config, text).unwrap();
    let ledger = story.file("data/ledger.db");
    let found = Found::at(&config, &[]);
    assert!(!found.healthy && !ledger.exists(), "it makes nothing: {}", found.text);
    found.says("windlass.normalizer", "broken", "1 wait, and nobody takes them", "start windlass-normalizer");
    found.says("windlass.bumper", "warning", "nobody takes from it", "start windlass-bumper");
    found.says("ledger.db", "warning", "there is no such file yet", "windlass up");
    found.says("acme/gitops", "ok", "`main` can be read", "");
    found.says("acme/gitops", "ok", "it can be read", "");
    found.says("acme/gitops", "broken", "it has no branch `live`", "`apps.shop.environments.live.branch`");
    found.says("acme/bare", "broken", "it has no branch `main`", "make the branch");
    found.says("acme/gone", "broken", "is not there", "`git.credentials`");
    found.says("acme/shop", "ok", "there is no `main` yet", "");
    found.says("acme/blog", "broken", "cannot be reached", &format!("registries.{nobody}"));
    found.says("argocd/shop-staging", "ok", "Argo CD has it", "");
    found.says(
        "argocd/shop-staging",
        "warning",
        "it follows https://git.example.com/gitops.git",
        "have it follow `main`",
    );
    found.says("argocd/blog-staging", "broken", "no such Application", "`apps.blog.environments.staging.sync.argocd`");
    found.says("no-such-builder", "warning", "`apps.blog.build` needs it", "install it where the builder runs");
    found.says("git", "ok", "2.", "");
    assert!(found.text.contains("source open (quay, insecure)") && found.text.contains("`sources.open.insecure`"));
    story.end().await;
}

#[test]
fn what_cannot_be_reached_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("windlass.yaml");
    let (bus, ledger) = (ports::free().unwrap(), ports::free().unwrap());
    let text = format!(
        "data: {}\nbus: 'amqp://windlass@127.0.0.1:{bus}/%2f'\nbus_password: file:{}\n\
         ledger: 'postgres://windlass:{OTHER_SECRET}@127.0.0.1:{ledger}/windlass'\n",
        folder.path().join("data").display(),
        folder.path().join("password").display(),
    );
    std::fs::write(&config, text.replace(OTHER_SECRET, &OTHER_SECRET.replace(' ', "%20"))).unwrap();
    let found = Found::at(&config, &[]);
    assert!(!found.healthy, "{}", found.text);
    found.says("bus", "broken", "reading the secret file:", "`bus_password`");

    std::fs::write(folder.path().join("password"), SECRET).unwrap();
    let found = Found::at(&config, &[]);
    assert!(!found.healthy && !found.text.contains("replaces"), "{}", found.text);
    found.says(&format!("127.0.0.1:{bus}"), "broken", "refused", "that RabbitMQ runs");
    found.says(&format!("127.0.0.1:{ledger}"), "broken", "127.0.0.1", "that PostgreSQL runs");
}

/// Whether this process has the file open. Its log says nothing of that: connections that close at the same moment, each
/// of them seeing the other still there, leave it behind.
#[test]
fn a_slack_app_without_a_button_to_click_on_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let (config, path) = (folder.path().join("windlass.yaml"), folder.path().display());
    std::fs::write(folder.path().join("signing"), SECRET).unwrap();
    std::fs::write(folder.path().join("hook"), "https://hooks.slack.com/services/T0/B0/x").unwrap();
    let write = |route: &str| {
        let source = format!("people: {{ kind: slack, secrets: ['file:{path}/signing'], slack: {{ team: T0ACME }} }}");
        let route = format!("notify: [{{ slack: 'file:{path}/hook'{route} }}]");
        std::fs::write(&config, format!("data: {path}/data\nsources:\n  {source}\n{route}\n")).unwrap();
        Found::at(&config, &[])
    };
    write("").says("sources.people", "warning", "nothing to click on", "`buttons: people`");
    let found = write(", buttons: people");
    assert!(found.about("sources.people").is_empty() && found.text.contains("slack, slack"), "{}", found.text);
}

fn is_open(file: &Path) -> bool {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    links.flatten().any(|link| std::fs::read_link(link.path()).is_ok_and(|to| to == file))
}

#[tokio::test(flavor = "multi_thread")]
async fn over_rabbitmq_it_looks_for_the_receiver_and_into_its_spool() {
    let nobody = format!("amqp://guest:guest@127.0.0.1:{}/%2f", ports::free().unwrap());
    let story = Story::on(tempfile::tempdir().unwrap(), &nobody, "").await;
    let text = configured(story.folder.path(), &nobody, "").replace("127.0.0.1:0", &story.address.to_string());
    let config: PathBuf = story.file("windlass.yaml");
    std::fs::write(&config, &text).unwrap();
    let (address, file) = (story.address.to_string(), story.file("data/spool/spool.db"));
    Found::at(&config, &[]).says("spool.db", "ok", "nothing waits", "");
    for n in 0..3 {
        story.send(&Request::github(format!("{n}"))).await.accepted();
    }
    let found = Found::at(&config, &[]);
    found.says(&address, "ok", "answers", "");
    found.says("spool.db", "warning", "3 webhooks of", "windlass-receiver");
    found.says("spool.db", "warning", "the oldest of which came just now", "");
    let full = Found::at(&config, &["--set", "receiver.spool.max_age=1ms"]);
    full.says("spool.db", "broken", "it takes no more", "see what is said of the bus");

    // Nobody has the file any more, and nothing is made beside it to look into it.
    story.stop.cancel();
    wait::until_true(PATIENCE, "the spool to be closed", async || !is_open(&file)).await.unwrap();
    let beside = || std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    let before = beside();
    let found = Found::at(&config, &[]);
    found.says("spool.db", "warning", "3 webhooks of", "windlass-receiver");
    found.says(&address, "warning", "no webhook can come in here", "start windlass-receiver");
    assert_eq!(beside(), before);

    let opened = rusqlite::Connection::open(&file).unwrap();
    let refused = "UPDATE entries SET queue = 'windlass.dead', reason = 'too large for it' WHERE id = (SELECT max(id) FROM entries)";
    assert_eq!(opened.execute(refused, []).unwrap(), 1);
    drop(opened);
    let found = Found::at(&config, &[]);
    found.says(
        "spool.db",
        "broken",
        "1 webhooks are set aside, refused by the bus: too large for it",
        "raise the bus's limit",
    );
    found.says("spool.db", "warning", "2 webhooks of", "");
    let off = Found::at(&config, &["--set", "receiver.spool=off"]);
    off.says("spool.db", "broken", "nobody hands them on", "set `receiver.spool`");
    std::fs::rename(&file, file.with_extension("db.damaged-20261127T120000.000Z")).unwrap();
    let found = Found::at(&config, &["--set", "workers=[bumper]"]);
    found.says("spool.db.damaged-", "broken", "may not have been handed on", ".recover`");
    found.says("`workers`", "warning", "nobody reads what `sources` send", "add it");
    story.end().await;
}
