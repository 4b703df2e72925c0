//! What GitHub sends: payloads in its shape, and its signature.

use anyhow::Result;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::http;

/// What stands for "no commit" in a push.
pub const ZERO: &str = "0000000000000000000000000000000000000000";

/// GitHub lists at most this many of a push's commits.
const LISTED: usize = 20;

/// The value of `X-Hub-Signature-256` for a body.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// The headers GitHub sends with a body, under a delivery id of its own.
pub fn headers(event: &str, secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    headers_of(&uuid::Uuid::new_v4().to_string(), event, secret, body)
}

/// The same under this delivery id.
pub fn headers_of(delivery: &str, event: &str, secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("User-Agent", "GitHub-Hookshot/0000000".to_owned()),
        ("Content-Type", "application/json".to_owned()),
        ("X-GitHub-Delivery", delivery.to_owned()),
        ("X-GitHub-Event", event.to_owned()),
        ("X-GitHub-Hook-ID", "292430182".to_owned()),
        ("X-Hub-Signature-256", sign(secret, body)),
    ]
}

/// Posts a payload as GitHub would, and returns the status and the body of the answer.
pub async fn deliver(url: &str, event: &str, secret: &str, payload: &Value) -> Result<(u16, String)> {
    let body = payload.to_string().into_bytes();
    let mut request = http::client().post(url);
    for (name, value) in headers(event, secret, &body) {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// A push in the making.
#[derive(Debug, Clone)]
pub struct Push {
    repository: String,
    clone_url: Option<String>,
    reference: String,
    before: String,
    after: String,
    commits: Vec<Value>,
    forced: bool,
}

impl Push {
    /// A push of one commit to a branch of a repository (`owner/name`).
    pub fn to(repository: &str, branch: &str, after: &str) -> Self {
        Self {
            repository: repository.to_owned(),
            clone_url: None,
            reference: format!("refs/heads/{branch}"),
            before: "6113728f27ae82c7b1a177c8d03f9e96e0adf246".to_owned(),
            after: after.to_owned(),
            commits: vec![commit(after, "Change something", &["README.md"])],
            forced: false,
        }
    }

    /// The push of a new tag.
    pub fn tag(repository: &str, tag: &str, after: &str) -> Self {
        let push = Self::to(repository, tag, after).created().commits(Vec::new());
        Self { reference: format!("refs/tags/{tag}"), ..push }
    }

    /// The deletion of a branch.
    pub fn deletion(repository: &str, branch: &str, before: &str) -> Self {
        Self::to(repository, branch, ZERO).before(before).commits(Vec::new())
    }

    /// What the branch pointed to.
    #[must_use]
    pub fn before(self, before: &str) -> Self {
        Self { before: before.to_owned(), ..self }
    }

    /// The branch is new.
    #[must_use]
    pub fn created(self) -> Self {
        self.before(ZERO)
    }

    /// History was rewritten.
    #[must_use]
    pub fn forced(self) -> Self {
        Self { forced: true, ..self }
    }

    /// Where the repository is cloned from, when it is not at GitHub.
    #[must_use]
    pub fn clone_url(self, url: &str) -> Self {
        Self { clone_url: Some(url.to_owned()), ..self }
    }

    /// Its commits ([`commit`]), oldest first; the last is the head.
    #[must_use]
    pub fn commits(self, commits: Vec<Value>) -> Self {
        Self { commits, ..self }
    }

    /// The payload.
    pub fn payload(&self) -> Value {
        let deleted = self.after == ZERO;
        let last = self.commits.len().saturating_sub(LISTED);
        let head = if deleted { Value::Null } else { self.head() };
        let compare = format!("https://github.com/{}/compare/{}...{}", self.repository, self.before, self.after);
        let mut repository = repository(&self.repository);
        if let Some(url) = &self.clone_url {
            repository["clone_url"] = json!(url);
        }
        json!({
            "ref": self.reference, "before": self.before, "after": self.after, "base_ref": null,
            "created": self.before == ZERO, "deleted": deleted, "forced": self.forced, "compare": compare,
            "commits": self.commits[last..], "head_commit": head, "repository": repository,
            "pusher": { "name": "dana", "email": "dana@example.com" }, "sender": sender(),
        })
    }

    fn head(&self) -> Value {
        self.commits.last().cloned().unwrap_or_else(|| commit(&self.after, "Tagged", &[]))
    }
}

/// A commit as a push lists it.
pub fn commit(id: &str, message: &str, modified: &[&str]) -> Value {
    let who = json!({ "name": "Dana Developer", "email": "dana@example.com", "username": "dana" });
    json!({
        "id": id, "tree_id": "f9d2a07e9488b91af2641b26b9407fe22a451433", "distinct": true, "message": message,
        "timestamp": "2026-05-15T15:20:41Z", "url": format!("https://github.com/acme/app/commit/{id}"),
        "author": who, "committer": who, "added": [], "removed": [], "modified": modified,
    })
}

/// What GitHub sends when a webhook is made.
pub fn ping(name: &str) -> Value {
    json!({
        "zen": "Keep it logically awesome.", "hook_id": 292_430_182,
        "hook": {
            "type": "Repository", "id": 292_430_182, "name": "web", "active": true, "events": ["push", "package"],
            "config": { "content_type": "json", "insecure_ssl": "0", "url": "https://example.com/webhooks/github" },
        },
        "repository": repository(name), "sender": sender(),
    })
}

/// A container image as the events `package` and `registry_package` tell of it.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    /// The owner, in whatever case.
    pub owner: &'a str,
    /// The package's name.
    pub name: &'a str,
    /// The tag; empty when it was pushed by digest.
    pub tag: &'a str,
    /// The digest.
    pub digest: &'a str,
    /// The repository it belongs to (`owner/name`).
    pub repository: &'a str,
}

impl Package<'_> {
    /// The payload of `package`, whose action is `published` or `updated`.
    pub fn payload(&self, action: &str) -> Value {
        self.under("package", action, "CONTAINER")
    }

    /// The payload of `registry_package`, as GitHub Apps get it.
    pub fn registry_payload(&self, action: &str) -> Value {
        self.under("registry_package", action, "docker")
    }

    fn under(&self, key: &str, action: &str, kind: &str) -> Value {
        let Self { owner, name, tag, digest, repository: of } = self;
        let version = json!({
            "id": 18_274_650, "version": digest, "name": digest, "description": "", "manifest": null,
            "target_commitish": "main", "target_oid": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
            "created_at": "2026-05-15T15:20:41Z", "updated_at": "2026-05-15T15:20:41Z", "metadata": [],
            "container_metadata": {
                "tag": { "name": tag, "digest": if tag.is_empty() { "" } else { digest } },
                "labels": { "description": "", "source": "", "revision": "", "image_url": "", "licenses": "" },
                "manifest": {
                    "digest": digest, "media_type": "application/vnd.oci.image.manifest.v1+json",
                    "uri": format!("repositories/{}/{name}/manifests/{digest}", owner.to_lowercase()), "size": 1574,
                    "config": { "digest": digest, "media_type": "application/vnd.oci.image.config.v1+json", "size": 7023 },
                    "layers": [],
                },
            },
            "package_files": [], "author": sender(), "installation_command": format!("docker pull ghcr.io/{owner}/{name}:{tag}"),
            "package_url": format!("ghcr.io/{owner}/{name}:{tag}"),
        });
        let html = format!("https://github.com/{owner}/packages/18274650");
        let package = json!({
            "id": 1_842_155, "name": name, "namespace": owner, "description": "", "ecosystem": "CONTAINER",
            "package_type": kind, "html_url": html, "created_at": "2026-05-15T15:20:41Z",
            "updated_at": "2026-05-15T15:20:41Z", "owner": owner_of(of), "package_version": version, "registry": {
                "about_url": "https://docs.github.com/packages", "name": "GitHub CONTAINER registry",
                "type": "CONTAINER", "url": format!("https://ghcr.io/{owner}"), "vendor": "GitHub Inc",
            },
        });
        json!({ "action": action, key: package, "repository": repository(of), "sender": sender() })
    }
}

fn repository(full_name: &str) -> Value {
    let name = full_name.rsplit('/').next().unwrap_or_default();
    let url = format!("https://github.com/{full_name}");
    json!({
        "id": 186_853_002, "node_id": "MDEwOlJlcG9zaXRvcnkxODY4NTMwMDI=", "name": name, "full_name": full_name,
        "private": false, "owner": owner_of(full_name), "html_url": url, "fork": false, "url": url,
        "git_url": format!("git://github.com/{full_name}.git"), "ssh_url": format!("git@github.com:{full_name}.git"),
        "clone_url": format!("{url}.git"), "created_at": 1_557_933_565, "pushed_at": 1_557_933_657,
        "visibility": "public", "default_branch": "main", "master_branch": "main",
    })
}

fn owner_of(full_name: &str) -> Value {
    let login = full_name.split('/').next().unwrap_or_default();
    json!({ "name": login, "login": login, "id": 21_031_067, "type": "Organization", "site_admin": false })
}

fn sender() -> Value {
    json!({ "login": "dana", "id": 21_031_068, "type": "User", "site_admin": false })
}
