//! What Windlass works on here: several small apps that share one GitOps repository, and environments that are files.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{HttpResponse, web};
use anyhow::Result;
use serde_json::{Value, json};
use testkit::{
    folder::Folder,
    githttp::{GitServer, Work},
    http::Server,
    ports,
    registry::{Endpoint, Registry},
    slack::FakeSlack,
};

/// The apps. The first is built by buildah, the others by a program that only pushes: what is killed in the middle
/// of each leaves other things behind.
pub(crate) const APPS: [&str; 4] = ["brick", "plank", "rope", "sail"];
/// The components of each, as in the kit's shop.
pub(crate) const COMPONENTS: [&str; 2] = ["backend", "frontend"];
/// The environments of each, in the order of promotion.
pub(crate) const ENVIRONMENTS: [&str; 2] = ["staging", "production"];
/// The secret GitHub signs with here.
pub(crate) const GITHUB_SECRET: &str = "a webhook secret of this run alone";
const REGISTRY_TOKEN: &str = "a registry token of this run alone";
const SYNC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crash/sync");

const UNIT: &str = "#!/bin/sh\n! grep -q red VERSION\n";
const SCAN: &str = r#"#!/bin/sh
echo '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"none","rules":[]}},"results":[]}]}' > "$1"
"#;
const DOCKERFILE: &str = "FROM scratch\nCOPY VERSION /VERSION\n";

/// Commits that are unhealthy in production.
type Bad = Mutex<HashSet<String>>;

/// Everything around Windlass.
pub(crate) struct Fleet {
    pub(crate) folder: Folder,
    pub(crate) registry: Registry,
    pub(crate) git: GitServer,
    pub(crate) slack: FakeSlack,
    receiver_port: u16,
    health: Server,
    bad: Arc<Bad>,
    sources: Vec<Work>,
}

impl Fleet {
    /// Starts the servers, makes the repositories and writes the configuration.
    pub(crate) async fn open(bus: &str, ledger: &str) -> Result<Self> {
        let folder = Folder::new("crash")?;
        folder.make("state")?;
        let receiver_port = ports::free()?;
        let endpoint = Endpoint {
            url: format!("http://127.0.0.1:{receiver_port}/webhooks/registry"),
            headers: vec![("Authorization".to_owned(), format!("Bearer {REGISTRY_TOKEN}"))],
        };
        let registry = Registry::start(&[endpoint]).await?;
        let (git, slack, bad) = (GitServer::start()?, FakeSlack::start()?, Arc::<Bad>::default());
        let health = serve_health(folder.join("state"), &bad)?;
        let mut sources = Vec::new();
        for app in APPS {
            sources.push(make_source(&git, app).await?);
        }
        make_gitops(&git, &registry.address()).await?;
        let fleet = Self { folder, registry, git, slack, receiver_port, health, bad, sources };
        fleet.write_config(bus, ledger)?;
        Ok(fleet)
    }

    /// The configuration.
    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.join("windlass.yaml")
    }

    /// Where GitHub's webhooks go.
    pub(crate) fn webhooks(&self) -> String {
        format!("http://127.0.0.1:{}/webhooks/github", self.receiver_port)
    }

    /// The developer's clone of an app.
    pub(crate) fn source(&self, app: usize) -> &Work {
        &self.sources[app]
    }

    /// From now on this commit is unhealthy in production.
    pub(crate) fn is_bad(&self, commit: &str) {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).insert(commit.to_owned());
    }

    /// The repository of a component's image.
    pub(crate) fn image(app: &str, component: &str) -> String {
        format!("acme/{app}-{component}")
    }

    /// What an environment was last brought to; null when it never was to anything.
    pub(crate) fn running(&self, app: &str, environment: &str) -> Value {
        let path = self.folder.join(&format!("state/{app}.{environment}.json"));
        fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    fn write_config(&self, bus: &str, ledger: &str) -> Result<()> {
        self.folder.write("github-secret", GITHUB_SECRET)?;
        self.folder.write("registry-token", REGISTRY_TOKEN)?;
        self.folder.write("slack-url", &self.slack.url())?;
        let file = |name: &str| format!("file:{}", self.folder.join(name).display());
        let mut apps = json!({});
        for app in APPS {
            apps[app] = self.app(app)?;
        }
        let config = json!({
            "bus": bus, "ledger": ledger, "data": self.folder.join("data"),
            // Short, so that what a killed service held is soon taken over.
            "harness": { "lease": "2s" },
            "receiver": { "listen": format!("127.0.0.1:{}", self.receiver_port) },
            "sources": {
                "github": { "kind": "github", "secrets": [file("github-secret")] },
                "registry": { "kind": "distribution", "secrets": [file("registry-token")] },
            },
            "network": { "allow": ["127.0.0.0/8"] },
            "registries": { self.registry.address(): { "plain_http": true } },
            "apps": apps,
            "notify": [{ "slack": file("slack-url") }],
        });
        // JSON is YAML.
        self.folder.write("windlass.yaml", &serde_json::to_string_pretty(&config)?).map(drop)
    }

    fn app(&self, app: &str) -> Result<Value> {
        let own = std::env::current_exe()?;
        let component = |name: &str| json!({ "image": format!("{}/{}", self.registry.address(), Self::image(app, name)), "dockerfile": "Dockerfile" });
        Ok(json!({
            "repository": format!("acme/{app}"),
            "clone": self.git.url(&format!("acme/{app}")),
            "deploy": ["main"],
            "test": [{ "name": "unit", "run": ["test/unit"], "timeout": "60s" }],
            "scan": [{ "tool": "nothing", "run": ["test/scan", "{output}"], "format": "sarif", "exit_codes": [0] }],
            "build": if app == APPS[0] { self.buildah() } else { json!({ "command": [own, "image"] }) },
            "components": { "backend": component("backend"), "frontend": component("frontend") },
            "gitops": { "repository": self.git.url("acme/gitops"), "branch": "main" },
            "environments": {
                "staging": self.environment(app, "staging", None),
                "production": self.environment(app, "production", Some("staging")),
            },
        }))
    }

    fn buildah(&self) -> Value {
        let storage = |name: &str| self.folder.join(name).display().to_string();
        let global =
            ["--root", &storage("build/storage"), "--runroot", &storage("build/run"), "--storage-driver", "vfs"];
        json!({ "buildah_with": { "global": global, "build": ["--isolation", "chroot"] } })
    }

    fn environment(&self, app: &str, name: &str, after: Option<&str>) -> Value {
        let runs = json!({ "/status": "ok", "/backend": "{backend.commit}", "/frontend": "{frontend.commit}" });
        let mut environment = json!({
            "path": format!("{app}/{name}"),
            "rollback": "automatic",
            "sync": { "command": [SYNC, self.folder.join("state")] },
            "health": [{
                "url": format!("{}/{app}/{name}", self.health.url()), "json": runs,
                "passes": 2, "interval": "200ms", "deadline": "1500ms",
            }],
        });
        if let Some(after) = after {
            environment["after"] = json!(after);
        }
        environment
    }
}

/// Answers what each environment runs, and how it is.
fn serve_health(state: PathBuf, bad: &Arc<Bad>) -> Result<Server> {
    let shared = web::Data::from(Arc::clone(bad));
    Server::start(move |app| {
        app.app_data(shared.clone())
            .app_data(web::Data::new(state.clone()))
            .route("/{app}/{environment}", web::get().to(health));
    })
}

async fn health(path: web::Path<(String, String)>, state: web::Data<PathBuf>, bad: web::Data<Bad>) -> HttpResponse {
    let (app, environment) = path.into_inner();
    let read = fs::read(state.join(format!("{app}.{environment}.json"))).ok();
    let Some(mut running) = read.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) else {
        return HttpResponse::ServiceUnavailable().finish();
    };
    let bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
    let is_bad = environment == "production" && running["backend"].as_str().is_some_and(|commit| bad.contains(commit));
    running["status"] = json!(if is_bad { "down" } else { "ok" });
    HttpResponse::Ok().json(running)
}

async fn make_source(git: &GitServer, app: &str) -> Result<Work> {
    let name = format!("acme/{app}");
    git.create(&name).await?;
    let work = git.work(&name).await?;
    work.write("VERSION", "0 begun\n")?;
    work.write("Dockerfile", DOCKERFILE)?;
    for (script, text) in [("test/unit", UNIT), ("test/scan", SCAN)] {
        work.write(script, text)?;
        fs::set_permissions(work.path().join(script), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    work.commit("Begin").await?;
    work.push().await?;
    Ok(work)
}

async fn make_gitops(git: &GitServer, registry: &str) -> Result<()> {
    git.create("acme/gitops").await?;
    let work = git.work("acme/gitops").await?;
    for app in APPS {
        for environment in ENVIRONMENTS {
            for component in COMPONENTS {
                let image = format!("{registry}/{}:none", Fleet::image(app, component));
                let text = format!(
                    "# Windlass writes the image.\nspec:\n  containers:\n  - name: {component}\n    image: {image}\n"
                );
                work.write(&format!("{app}/{environment}/{component}.yaml"), text)?;
            }
        }
    }
    work.commit("Say where the fleet runs").await?;
    work.push().await
}
