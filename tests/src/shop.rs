//! The sample app of two components, `shop`, with its source and GitOps repositories, a registry whose notifications
//! reach the receiver, a Slack, and two environments that are real processes on this machine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    engine::{Engine, Layout},
    folder::Folder,
    githttp::{GitServer, Work},
    github::{self, Push},
    http, ports, process,
    registry::{Endpoint, Registry},
    sentry::FakeSentry,
    slack::{Click, FakeSlack, User},
};

/// What the app and its manifests are made from.
const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo");
/// The components, each an image.
pub const COMPONENTS: [&str; 2] = ["backend", "frontend"];
/// The environments, in the order of promotion.
pub const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
/// The secret GitHub signs with here.
const GITHUB_SECRET: &str = "a webhook secret of this run alone";
/// The token the registry shows.
const REGISTRY_TOKEN: &str = "a registry token of this run alone";

/// What Slack signs clicks with here.
const SLACK_SECRET: &str = "a signing secret of this run alone";
/// The Slack workspace.
pub const TEAM: &str = "T0SHOP";
/// Its users whom the configuration knows, and as whom.
pub const USERS: [(&str, &str); 2] = [("U0ADA", "ada"), ("U0DANA", "Dana Developer")];

/// Who may come into the console: names, tokens, and what each may do.
pub const OPERATORS: [(&str, &str, &str); 3] = [
    ("ada", "ada-s-console-token-of-this-run-alone", "order"),
    ("Dana Developer", "dana-s-console-token-of-this-run-alone", "order"),
    ("watcher", "watcher-s-console-token-of-this-run-alone", "read"),
];

/// Everything around Windlass.
pub struct Shop {
    /// The folder everything is below.
    pub folder: Folder,
    /// Where Windlass takes webhooks.
    pub receiver_port: u16,
    /// Where operators find the console.
    pub console_port: u16,
    /// The registry.
    pub registry: Registry,
    /// The Git server.
    pub git: GitServer,
    /// Slack.
    pub slack: FakeSlack,
    /// Sentry.
    pub sentry: FakeSentry,
    source: Work,
    ports: Vec<(&'static str, u16, u16)>,
}

/// What may differ between installations.
#[derive(Debug, Clone)]
pub struct Options {
    /// `bus` of the configuration.
    pub bus: String,
    /// `ledger` of the configuration.
    pub ledger: String,
    /// How long a claim lasts without a sign of life.
    pub lease: String,
    /// Whether the registry tells the receiver; without it, `image.built` moves on by itself.
    pub notifications: bool,
    /// Keys of the app, laid over its own.
    pub app: Value,
}

impl Default for Options {
    fn default() -> Self {
        let (bus, ledger, lease) = ("sqlite".to_owned(), "sqlite".to_owned(), "60s".to_owned());
        Self { bus, ledger, lease, notifications: true, app: json!({}) }
    }
}

impl Shop {
    /// Starts the servers, makes the repositories and writes `windlass.yaml`.
    pub async fn open(options: &Options) -> Result<Self> {
        let folder = Folder::new("shop")?;
        let (receiver_port, console_port) = (ports::free()?, ports::free()?);
        let endpoint = Endpoint {
            url: format!("http://127.0.0.1:{receiver_port}/webhooks/registry"),
            headers: vec![("Authorization".to_owned(), format!("Bearer {REGISTRY_TOKEN}"))],
        };
        let endpoints = if options.notifications { vec![endpoint] } else { Vec::new() };
        let registry = Registry::start(&endpoints).await?;
        let git = GitServer::start()?;
        let slack = FakeSlack::start()?;
        let sentry = FakeSentry::start()?;
        let mut ports = Vec::new();
        for environment in ENVIRONMENTS {
            ports.push((environment, ports::free()?, ports::free()?));
        }
        let source = make_source(&git).await?;
        make_gitops(&git, &registry.address()).await?;
        let shop = Self { folder, receiver_port, console_port, registry, git, slack, sentry, source, ports };
        shop.write_config(options)?;
        Ok(shop)
    }

    /// Starts Windlass on it.
    pub async fn start(&self, layout: Layout) -> Result<Engine> {
        let mut engine = Engine::start(layout, &self.config_path(), &self.folder.join("logs")).await?;
        if layout == Layout::Apart {
            engine.add("console").await?;
        }
        Ok(engine)
    }

    /// The console's address.
    pub fn console(&self) -> String {
        format!("http://127.0.0.1:{}", self.console_port)
    }

    /// The configuration.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("windlass.yaml")
    }

    /// Where an environment's backend answers.
    pub fn backend(&self, environment: &str) -> String {
        format!("http://127.0.0.1:{}", self.port(environment).1)
    }

    /// Where an environment's frontend answers.
    pub fn frontend(&self, environment: &str) -> String {
        format!("http://127.0.0.1:{}", self.port(environment).0)
    }

    fn port(&self, environment: &str) -> (u16, u16) {
        let found = self.ports.iter().find(|(name, _, _)| *name == environment);
        found.map_or((0, 0), |(_, frontend, backend)| (*frontend, *backend))
    }

    /// The image of a component, without tag.
    pub fn image(&self, component: &str) -> String {
        format!("{}/acme/shop-{component}", self.registry.address())
    }

    /// Writes files into the source, commits and pushes to the branch; returns the commit.
    pub async fn push(&self, branch: &str, files: &[(&str, &str)], title: &str) -> Result<String> {
        for (path, text) in files {
            self.source.write(path, text)?;
        }
        let commit = self.source.commit(title).await?;
        self.source.git(&["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]).await?;
        Ok(commit)
    }

    /// Goes to a commit, so that the next push is made of it.
    pub async fn go_to(&self, commit: &str) -> Result<()> {
        self.source.git(&["checkout", "--quiet", "--detach", commit]).await.map(drop)
    }

    /// Merges a commit into the one it is at, and takes over nothing of its files: what they are to be is pushed next.
    pub async fn merge(&self, commit: &str) -> Result<()> {
        self.source.git(&["merge", "--quiet", "--strategy", "ours", "--message", "Merge", commit]).await.map(drop)
    }

    /// What GitHub sends for a push of this commit.
    pub fn push_payload(&self, branch: &str, commit: &str, title: &str) -> Value {
        let head = github::commit(commit, title, &["VERSION"]);
        Push::to("acme/shop", branch, commit).commits(vec![head]).clone_url(&self.git.url("acme/shop")).payload()
    }

    /// Signs the payload and posts it, as GitHub does; returns the status and the answer.
    pub async fn deliver(&self, payload: &Value) -> Result<(u16, Value)> {
        let url = format!("http://127.0.0.1:{}/webhooks/github", self.receiver_port);
        let (status, answer) = github::deliver(&url, "push", GITHUB_SECRET, payload).await?;
        Ok((status, serde_json::from_str(&answer).unwrap_or(Value::Null)))
    }

    /// A user of the workspace clicks on a button of a message in Slack; the click, to send it once more.
    pub fn click(&self, message: &Value, action: &str, user: &str) -> Result<Click> {
        Click::on(message, action, User { team: TEAM, id: user })
    }

    /// Signs a click and posts it, as Slack does; returns the status and the body of the answer.
    pub async fn deliver_click(&self, click: &Click) -> Result<(u16, String)> {
        click.post(&format!("http://127.0.0.1:{}/webhooks/slack", self.receiver_port), SLACK_SECRET).await
    }

    /// What the GitOps repository says a component runs in an environment: the `image:` value.
    pub async fn manifest(&self, environment: &str, component: &str) -> Result<String> {
        let path = format!("{environment}/{component}.yaml");
        let text = self.git.file("acme/shop-gitops", "main", &path).await?;
        let line = text.lines().find_map(|line| line.trim().strip_prefix("image: "));
        let line = line.with_context(|| format!("{path} has no image"))?;
        Ok(line.split(' ').next().unwrap_or(line).to_owned())
    }

    /// What an environment's backend says of itself.
    pub async fn health(&self, environment: &str) -> Result<Value> {
        let url = format!("{}/api/health/", self.backend(environment));
        Ok(serde_json::from_slice(&http::client().get(url).send().await?.bytes().await?)?)
    }

    /// Ends the environments' processes.
    pub fn stop_environments(&self) {
        for environment in ENVIRONMENTS {
            for component in COMPONENTS {
                let file = self.folder.join(&format!("state/{environment}/{component}.pid"));
                let pid = fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok());
                pid.into_iter().for_each(process::kill_with_descendants);
            }
        }
    }

    fn write_config(&self, options: &Options) -> Result<()> {
        self.folder.write("github-secret", GITHUB_SECRET)?;
        self.folder.write("registry-token", REGISTRY_TOKEN)?;
        self.folder.write("slack-url", &self.slack.url())?;
        self.folder.write("slack-secret", SLACK_SECRET)?;
        self.folder.write("sentry-dsn", &self.sentry.dsn())?;
        for (n, (_, token, _)) in OPERATORS.iter().enumerate() {
            self.folder.write(&format!("operator-{n}"), token)?;
        }
        let text = serde_json::to_string_pretty(&self.config(options))?;
        // JSON is YAML.
        self.folder.write("windlass.yaml", &text).map(drop)
    }

    fn config(&self, options: &Options) -> Value {
        let file = |name: &str| format!("file:{}", self.folder.join(name).display());
        let people = json!({ "team": TEAM, "users": BTreeMap::from(USERS) });
        let mut sources = json!({
            "github": { "kind": "github", "secrets": [file("github-secret")] },
            "slack": { "kind": "slack", "secrets": [file("slack-secret")], "slack": people },
        });
        if options.notifications {
            sources["registry"] = json!({ "kind": "distribution", "secrets": [file("registry-token")] });
        }
        let operator = |(n, (name, _, may)): (usize, &(&str, &str, &str))| json!({ "name": name, "may": may, "token": file(&format!("operator-{n}")) });
        let operators: Vec<_> = OPERATORS.iter().enumerate().map(operator).collect();
        let mut app = self.app();
        lay_over(&mut app, &options.app);
        json!({
            "bus": options.bus,
            "ledger": options.ledger,
            "data": self.folder.join("data"),
            "harness": { "lease": options.lease },
            "receiver": { "listen": format!("127.0.0.1:{}", self.receiver_port) },
            "console": { "listen": format!("127.0.0.1:{}", self.console_port), "operators": operators },
            "sentry": { "dsn": file("sentry-dsn"), "environment": "tests" },
            "sources": sources,
            "network": { "allow": ["127.0.0.0/8"] },
            "registries": { self.registry.address(): { "plain_http": true } },
            "apps": { "shop": app },
            "notify": [{ "slack": file("slack-url"), "buttons": "slack" }],
        })
    }

    fn app(&self) -> Value {
        let storage = |name: &str| self.folder.join(name).display().to_string();
        let global =
            ["--root", &storage("build/storage"), "--runroot", &storage("build/run"), "--storage-driver", "vfs"];
        let component = |name: &str| {
            json!({
                "image": self.image(name),
                "dockerfile": format!("{name}/Dockerfile"),
                "build_args": { "REVISION": "{commit}" },
            })
        };
        json!({
            "repository": "acme/shop",
            "clone": self.git.url("acme/shop"),
            "deploy": ["main"],
            "hotfix": ["hotfix/*"],
            "test": [{ "name": "unit", "run": ["test/unit"], "timeout": "60s" }],
            "scan": [{ "tool": "keys", "run": ["test/scan", "{output}"], "format": "sarif", "exit_codes": [0] }],
            "build": { "buildah_with": { "global": global, "build": ["--isolation", "chroot"] } },
            "components": { "backend": component("backend"), "frontend": component("frontend") },
            "gitops": { "repository": self.git.url("acme/shop-gitops"), "branch": "main" },
            "environments": {
                "staging": self.environment("staging", None),
                "production": self.environment("production", Some("staging")),
            },
        })
    }

    fn environment(&self, name: &str, after: Option<&str>) -> Value {
        let (frontend, backend) = self.port(name);
        let deploy = format!("{ASSETS}/deploy");
        let state = self.folder.join("state").display().to_string();
        let patience = json!({ "passes": 2, "interval": "300ms", "deadline": "15s" });
        let check = |url: String, expected: Value| {
            let mut check = patience.clone();
            check["url"] = json!(url);
            check.as_object_mut().into_iter().for_each(|c| c.extend(expected.as_object().cloned().unwrap_or_default()));
            check
        };
        let mut environment = json!({
            "path": name,
            "rollback": "automatic",
            "sync": { "command": [deploy, state, frontend.to_string(), backend.to_string()] },
            "url": format!("http://127.0.0.1:{backend}"),
            "health": [
                check(self.backend(name) + "/api/health/", json!({ "json": { "/status": "ok", "/revision": "{backend.commit}" } })),
                check(self.frontend(name) + "/", json!({ "contains": "{frontend.commit}" })),
            ],
            "smoke": [self.frontend(name) + "/"],
        });
        match after {
            Some(after) => environment["after"] = json!(after),
            None => {
                environment["test"] = json!([{ "name": "integration", "run": ["test/integration"], "timeout": "30s" }]);
            }
        }
        environment
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop_environments();
    }
}

/// Puts the keys of one object over another's, and of those within.
fn lay_over(value: &mut Value, keys: &Value) {
    let Some(keys) = keys.as_object() else { return *value = keys.clone() };
    for (key, over) in keys {
        lay_over(&mut value[key.as_str()], over);
    }
}

async fn make_source(git: &GitServer) -> Result<Work> {
    git.create("acme/shop").await?;
    let work = git.work("acme/shop").await?;
    copy(&Path::new(ASSETS).join("app"), work.path(), &|text| text)?;
    let busybox = fs::read("/bin/busybox").context("/bin/busybox is missing; run: apt-get install busybox-static")?;
    work.write("bin/busybox", busybox)?;
    fs::set_permissions(work.path().join("bin/busybox"), fs::metadata("/bin/busybox")?.permissions())?;
    work.commit("Begin the shop").await?;
    work.push().await?;
    Ok(work)
}

async fn make_gitops(git: &GitServer, registry: &str) -> Result<()> {
    git.create("acme/shop-gitops").await?;
    let work = git.work("acme/shop-gitops").await?;
    copy(&Path::new(ASSETS).join("gitops"), work.path(), &|text| text.replace("@REGISTRY@", registry))?;
    work.commit("Say where the shop runs").await?;
    work.push().await
}

/// Copies a folder of text files, changed on the way, with their modes.
fn copy(from: &Path, to: &Path, change: &dyn Fn(String) -> String) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, change)?;
            continue;
        }
        fs::write(&target, change(fs::read_to_string(entry.path())?))?;
        fs::set_permissions(&target, entry.metadata()?.permissions())?;
    }
    Ok(())
}
