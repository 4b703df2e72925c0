//! What each sender sends, as its own documentation shapes it: at least one body of every form, for trying a
//! configuration without the sender, and for tests.
//!
//! Bodies lie in `samples/<kind>/<name>.json`. `{{name}}` in a text stands for a value ([`Values`]), and an object
//! `{"$base64": …}` for its JSON in base64.

mod index;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proto::ImageName;
use runtime::config::SourceKind;
use serde_json::Value;

/// One request of a sender, less its proof.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Whose it is.
    pub kind: SourceKind,
    /// What it is called here, unique within its kind.
    pub name: &'static str,
    /// What it tells of, in a few words.
    pub about: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    headers: &'static [(&'static str, &'static str)],
    template: &'static str,
}

/// A sample with values put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The headers that say what it is, as they are sent; content type and proof are not among them.
    pub headers: Vec<(String, String)>,
    /// The body, as it is sent.
    pub body: Vec<u8>,
}

/// What a sample tells of.
#[derive(Debug, Clone)]
pub struct Values {
    /// The repository, as `apps.<app>.repository` names it.
    pub repository: String,
    /// The branch that was pushed.
    pub branch: String,
    /// Its new head.
    pub commit: String,
    /// Its old head.
    pub before: String,
    /// The image that was pushed.
    pub image: ImageName,
    /// Its tag.
    pub tag: String,
    /// Its digest.
    pub digest: String,
    /// What makes this delivery another than the one before, where senders have such an id.
    pub id: String,
    /// When it happened (RFC 3339).
    pub time: String,
    /// The approval that is answered.
    pub approval: String,
    /// The app it is of.
    pub app: String,
    /// The environment it is for.
    pub environment: String,
    /// The Slack workspace it is answered in.
    pub team: String,
    /// The Slack user who answers.
    pub user: String,
}

impl Sample {
    /// Every sample.
    pub fn all() -> &'static [Self] {
        index::ALL
    }

    /// The samples of a kind.
    pub fn of(kind: SourceKind) -> impl Iterator<Item = &'static Self> {
        Self::all().iter().filter(move |sample| sample.kind == kind)
    }

    /// The sample of this name.
    pub fn find(kind: SourceKind, name: &str) -> Option<&'static Self> {
        Self::of(kind).find(|sample| sample.name == name)
    }

    /// The request, with these values put in.
    #[expect(clippy::expect_used, reason = "templates are part of the build, and a test renders each")]
    pub fn render(&self, values: &Values) -> Rendered {
        let mut body: Value = serde_json::from_str(self.template).expect("a template in JSON");
        values.put_into(&mut body);
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), values.put(value)));
        let json = body.to_string();
        let body = if self.content_type == "application/x-www-form-urlencoded" {
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &json).finish()
        } else {
            json
        };
        Rendered { headers: headers.collect(), body: body.into_bytes() }
    }
}

impl Values {
    /// Values of a shop that does not exist, with an image in a registry such as this kind speaks for.
    #[expect(clippy::expect_used, reason = "constants that are image names")]
    pub fn of(kind: SourceKind) -> Self {
        let registry = match kind {
            SourceKind::Github | SourceKind::CloudEvents => "ghcr.io",
            SourceKind::Gitea => "gitea.example.com",
            SourceKind::DockerHub => "docker.io",
            SourceKind::Quay => "quay.io",
            SourceKind::Harbor => "harbor.example.com",
            SourceKind::Acr => "acme.azurecr.io",
            SourceKind::AliyunAcr => "registry.cn-hangzhou.aliyuncs.com",
            SourceKind::Ecr => "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
            SourceKind::GoogleArtifactRegistry => "europe-docker.pkg.dev/acme-project",
            SourceKind::Artifactory => "acme.jfrog.io",
            SourceKind::Nexus => "nexus.example.com:8082",
            _ => "registry.example.com:5000",
        };
        Self {
            repository: "acme/shop".to_owned(),
            branch: "main".to_owned(),
            commit: "6113728f27ae82c7b1a177c8d03f9e96e0adf246".to_owned(),
            before: "9c8d7e6f9c8d7e6f9c8d7e6f9c8d7e6f9c8d7e6f".to_owned(),
            image: ImageName::new(format!("{registry}/acme/shop-frontend")).expect("an image name"),
            tag: "main".to_owned(),
            digest: "sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498".to_owned(),
            id: "320678d8-ca14-430f-8bb6-4ca139cd83f7".to_owned(),
            time: "2026-03-20T10:00:00Z".to_owned(),
            approval: "0b9f3a52-6a0e-5c1f-9d67-2f1f4f6a7b10".to_owned(),
            app: "shop".to_owned(),
            environment: "production".to_owned(),
            team: "T0ACME".to_owned(),
            user: "U0ADA".to_owned(),
        }
    }

    fn put_into(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.put(text),
            Value::Array(list) => list.iter_mut().for_each(|item| self.put_into(item)),
            Value::Object(map) => {
                map.values_mut().for_each(|item| self.put_into(item));
                if let Some(inner) = map.get("$base64") {
                    *value = BASE64_STANDARD.encode(inner.to_string()).into();
                }
            }
            _ => {}
        }
    }

    fn put(&self, text: &str) -> String {
        if !text.contains("{{") {
            return text.to_owned();
        }
        let split = |path: &str| {
            let (before, last) = path.rsplit_once('/').unwrap_or(("", path));
            (before.to_owned(), last.to_owned())
        };
        let (owner, name) = split(&self.repository);
        let (namespace, image_name) = split(self.image.repository());
        let (account, region) = self.cloud();
        let hex = self.digest.trim_start_matches("sha256:");
        [
            ("repository", self.repository.as_str()),
            ("repository_owner", &owner),
            ("repository_name", &name),
            ("branch", &self.branch),
            ("commit", &self.commit),
            ("before", &self.before),
            ("image", self.image.as_str()),
            ("registry", self.image.registry()),
            ("path", self.image.repository()),
            ("image_namespace", &namespace),
            ("image_name", &image_name),
            ("account", account),
            ("region", region),
            ("tag", &self.tag),
            ("digest", &self.digest),
            ("digest_hex", hex),
            ("id", &self.id),
            ("time", &self.time),
            ("approval", &self.approval),
            ("app", &self.app),
            ("environment", &self.environment),
            ("team", &self.team),
            ("user", &self.user),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
    }

    /// Account and region, where the registry's name holds them (`<account>.dkr.ecr.<region>.amazonaws.com`,
    /// `registry.<region>.aliyuncs.com`).
    fn cloud(&self) -> (&str, &str) {
        let parts: Vec<_> = self.image.registry().split('.').collect();
        match parts[..] {
            [account, "dkr", "ecr", region, ..] => (account, region),
            ["registry", region, "aliyuncs", ..] => ("", region),
            _ => ("123456789012", "eu-central-1"),
        }
    }
}
