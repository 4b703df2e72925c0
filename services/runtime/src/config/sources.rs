//! What users write of a sender of webhooks: which dialect it speaks, and how it proves itself.
//!
//! A kind of sender is a row: what it proves itself by unless told otherwise ([`SourceKind::proof`]) stands here; how
//! its requests are read stands with the receiver, and what its bodies mean with the normalizer.

#[cfg(test)]
mod tests;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::{
    Reading, Reconcile, SecretRef, SlackApp,
    proof::{BasicProof, Encoding, HmacAlgorithm, HmacProof, Proof, TokenProof},
    value, whole,
};

/// GitHub's event types that somebody here hears. The others are answered 200 and not kept: an organisation's webhook
/// sends dozens of types.
pub const GITHUB_EVENTS: &[&str] = &["push", "pull_request", "package", "registry_package"];

/// A sender of webhooks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which dialect it speaks, and so how it proves itself.
    pub kind: SourceKind,
    /// Every secret that is valid now; several while one replaces another.
    #[serde(default)]
    pub secrets: Vec<SecretRef>,
    /// How it proves itself, where its kind leaves a choice or is set up in another way.
    #[serde(default, deserialize_with = "value::some_choice")]
    #[schemars(with = "Option<Proof>")]
    pub proof: Option<Proof>,
    /// Takes it without any proof. Whoever reaches the receiver can then pass for this sender.
    #[serde(default)]
    pub insecure: bool,
    /// The largest body, in bytes; `receiver.max_body_bytes` unless said.
    #[serde(default, deserialize_with = "whole::some")]
    pub max_body_bytes: Option<usize>,
    /// How many requests it may send; without bound unless said. Only requests that are proven count, so that nobody
    /// else can use up its share.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// The host of the registry it speaks for, where its bodies name none, or name it otherwise than images here do.
    #[serde(default)]
    pub registry: Option<String>,
    /// Where things stand in the bodies; for the kinds `generic` and `standard-webhooks`.
    #[serde(default)]
    pub read: Option<Reading>,
    /// For the kind `github`: has GitHub asked which deliveries never came, and to send those again.
    #[serde(default)]
    pub reconcile: Option<Reconcile>,
    /// For the kind `slack`: the app's workspace, and who its users are.
    #[serde(default)]
    pub slack: Option<SlackApp>,
}

/// The senders Windlass understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = other_words)]
pub enum SourceKind {
    /// GitHub, GHCR included: HMAC-SHA256 over the body in `X-Hub-Signature-256`.
    Github,
    /// GitLab: a token in `X-Gitlab-Token`; newer ones can sign (`proof: standard_webhooks`).
    Gitlab,
    /// Gitea and Forgejo: HMAC-SHA256 over the body in `X-Gitea-Signature`.
    #[serde(alias = "forgejo")]
    Gitea,
    /// Bitbucket Cloud, Server and Data Center: HMAC-SHA256 over the body in `X-Hub-Signature`.
    #[serde(alias = "bitbucket-server")]
    Bitbucket,
    /// Azure DevOps service hooks: basic authentication.
    AzureDevops,
    /// Docker Hub: signs nothing; the secret is the last part of the URL.
    DockerHub,
    /// Quay: signs nothing; the secret is the last part of the URL.
    Quay,
    /// Harbor, in its own format or as CloudEvents: a secret in `Authorization`.
    Harbor,
    /// Azure Container Registry: a secret in a custom header, `Authorization` unless said.
    Acr,
    /// Alibaba Cloud's registry: signs nothing; the secret is the last part of the URL.
    AliyunAcr,
    /// Amazon ECR through `EventBridge`: the API key of the API destination's connection, in `X-Api-Key` unless said.
    Ecr,
    /// Google Artifact Registry through a Pub/Sub push subscription: a JWT of Google's.
    GoogleArtifactRegistry,
    /// `JFrog` Artifactory: a token in `X-JFrog-Event-Auth`, or an HMAC there (`proof: { hmac: … }`).
    Artifactory,
    /// Sonatype Nexus: HMAC-SHA1 over the body in `X-Nexus-Webhook-Signature`.
    Nexus,
    /// CNCF Distribution and GitLab's registry: a secret in `Authorization`, with or without `Bearer `.
    Distribution,
    /// `CloudEvents`, `CDEvents` among them: a secret in `Authorization`, with or without `Bearer `.
    #[serde(rename = "cloudevents")]
    CloudEvents,
    /// A Slack app whose buttons answer approvals: HMAC-SHA256 over time and body in `X-Slack-Signature`.
    Slack,
    /// Any sender that signs as Standard Webhooks says.
    StandardWebhooks,
    /// Any sender; `proof` and `read` say how it is known and read.
    Generic,
}

fn other_words(schema: &mut Schema) {
    value::other_words(schema, &[("forgejo", "gitea"), ("bitbucket-server", "bitbucket")]);
}

/// How many requests a source may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests a second, over time.
    #[serde(deserialize_with = "whole::number")]
    pub per_second: u32,
    /// Requests at once; as many as a second's unless said.
    #[serde(default, deserialize_with = "whole::some")]
    pub burst: Option<u32>,
}

impl SourceKind {
    /// Every kind.
    pub const ALL: [Self; 19] = [
        Self::Github,
        Self::Gitlab,
        Self::Gitea,
        Self::Bitbucket,
        Self::AzureDevops,
        Self::DockerHub,
        Self::Quay,
        Self::Harbor,
        Self::Acr,
        Self::AliyunAcr,
        Self::Ecr,
        Self::GoogleArtifactRegistry,
        Self::Artifactory,
        Self::Nexus,
        Self::Distribution,
        Self::CloudEvents,
        Self::Slack,
        Self::StandardWebhooks,
        Self::Generic,
    ];

    /// As it stands in the config and in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Bitbucket => "bitbucket",
            Self::AzureDevops => "azure-devops",
            Self::DockerHub => "docker-hub",
            Self::Quay => "quay",
            Self::Harbor => "harbor",
            Self::Acr => "acr",
            Self::AliyunAcr => "aliyun-acr",
            Self::Ecr => "ecr",
            Self::GoogleArtifactRegistry => "google-artifact-registry",
            Self::Artifactory => "artifactory",
            Self::Nexus => "nexus",
            Self::Distribution => "distribution",
            Self::CloudEvents => "cloudevents",
            Self::Slack => "slack",
            Self::StandardWebhooks => "standard-webhooks",
            Self::Generic => "generic",
        }
    }

    /// How such a sender proves itself unless the config says otherwise; `None` where only the config can say.
    pub fn proof(self) -> Option<Proof> {
        let hmac = |header: &str, algorithm, prefix: &str| {
            let (header, prefix) = (header.to_owned(), prefix.to_owned());
            Some(Proof::Hmac(HmacProof { header, algorithm, encoding: Encoding::Hex, prefix }))
        };
        let token = |header: &str| Some(Proof::Token(TokenProof { header: header.to_owned() }));
        match self {
            Self::Github => hmac("x-hub-signature-256", HmacAlgorithm::Sha256, "sha256="),
            Self::Gitea => hmac("x-gitea-signature", HmacAlgorithm::Sha256, ""),
            Self::Bitbucket => hmac("x-hub-signature", HmacAlgorithm::Sha256, "sha256="),
            Self::Nexus => hmac("x-nexus-webhook-signature", HmacAlgorithm::Sha1, ""),
            Self::Gitlab => token("x-gitlab-token"),
            Self::Harbor | Self::Acr | Self::Distribution | Self::CloudEvents => token("authorization"),
            Self::Ecr => token("x-api-key"),
            Self::Artifactory => token("x-jfrog-event-auth"),
            Self::AzureDevops => Some(Proof::Basic(BasicProof::default())),
            Self::DockerHub | Self::Quay | Self::AliyunAcr => Some(Proof::Path),
            Self::Slack => Some(Proof::Slack),
            Self::StandardWebhooks => Some(Proof::StandardWebhooks),
            Self::GoogleArtifactRegistry | Self::Generic => None,
        }
    }
}

impl Source {
    /// How it proves itself; `None` when it is taken without proof.
    pub fn proof(&self) -> Option<Proof> {
        if self.insecure { None } else { self.proof.clone().or_else(|| self.kind.proof()) }
    }

    /// What contradicts itself in it, without the key it stands under.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let needs_secrets = match self.proof() {
            Some(Proof::Jwt(_) | Proof::ProxyTls(_)) | None => false,
            Some(_) => true,
        };
        if needs_secrets && self.secrets.is_empty() {
            found.push((
                "secrets",
                "at least one secret is needed, or nobody is who they say; write `secrets: [file:<path>]`".to_owned(),
            ));
        }
        if !needs_secrets && !self.secrets.is_empty() {
            found.push(("secrets", "nothing is proven by a secret here; take them out, or change `proof`".to_owned()));
        }
        found.extend(self.proof().and_then(|proof| proof.problem()).map(|why| ("proof", why)));
        if self.max_body_bytes == Some(0) {
            found.push(("max_body_bytes", "it lets nothing in; give it at least 1".to_owned()));
        }
        if self.proof().is_none() && !self.insecure {
            let kind = self.kind.as_str();
            found.push(("proof", format!("a source of kind `{kind}` has no way of its own; say how it proves itself")));
        }
        if self.insecure && self.proof.is_some() {
            found.push(("insecure", "it has a proof; take one of the two out".to_owned()));
        }
        found.extend(self.read.iter().flat_map(Reading::problems));
        found.extend(self.slack_problems());
        if self.registry.as_deref().is_some_and(|host| proto::ImageName::new(format!("{host}/x")).is_err()) {
            found.push((
                "registry",
                "it is a host, with its port if it has one: `registry.example.com:5000`".to_owned(),
            ));
        }
        if self.kind == SourceKind::Nexus && self.registry.is_none() {
            found.push(("registry", "its bodies name no host; say where images are pulled from".to_owned()));
        }
        let reads = matches!(self.kind, SourceKind::Generic | SourceKind::StandardWebhooks);
        if reads != self.read.is_some() {
            let why = if reads { "say where things stand in its bodies" } else { "its kind says where things stand" };
            found.push(("read", why.to_owned()));
        }
        found.extend(self.reconcile.iter().flat_map(Reconcile::problems));
        if self.reconcile.is_some() && self.kind != SourceKind::Github {
            found.push((
                "reconcile",
                "only GitHub can be asked what never came; see `registries.<host>.poll`".to_owned(),
            ));
        }
        if self.rate.is_some_and(|rate| rate.per_second == 0 || rate.burst == Some(0)) {
            found.push(("rate", "it lets nothing in; give it at least 1".to_owned()));
        }
        found
    }

    /// What lets people in must be signed, and say which people.
    fn slack_problems(&self) -> Vec<(&'static str, String)> {
        let mut found: Vec<_> = self.slack.iter().flat_map(SlackApp::problems).collect();
        let is_slack = self.kind == SourceKind::Slack;
        if is_slack != self.slack.is_some() {
            let why = if is_slack {
                "say which workspace's app it is: `slack: { team: T… }`"
            } else {
                "its kind is not `slack`"
            };
            found.push(("slack", why.to_owned()));
        }
        if is_slack && self.insecure {
            found.push(("insecure", "whoever reaches the receiver could approve releases; take it out".to_owned()));
        }
        if is_slack && self.proof.as_ref().is_some_and(|proof| *proof != Proof::Slack) {
            found.push(("proof", "Slack signs what it sends, and in one way; take it out".to_owned()));
        }
        found
    }
}
