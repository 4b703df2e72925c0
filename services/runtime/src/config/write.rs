//! What users write of how images are written into the files of the GitOps repository.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use proto::ComponentName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{RelativePath, value::as_string_schema};

/// How an image is written into an environment's files. `{component}` stands for the component's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Write {
    /// As `image:` in Kubernetes' own manifests.
    Manifests(Manifests),
    /// As an entry of `images:` in a kustomization.
    Kustomize(Kustomize),
    /// As values at JSON pointers in a YAML or JSON file, such as a Helm chart's values.
    Values(Values),
}

/// `image:` in Kubernetes' own manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Manifests {
    /// The container of this name, whatever image it has; every `image:` of the component's image unless said.
    pub container: Option<String>,
    /// Only in this workload: `Deployment/shop`.
    pub workload: Option<Workload>,
}

/// An entry of `images:` in a kustomization. Its keys must be there; none is added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kustomize {
    /// The kustomization below the environment's path; the one in its folder unless said.
    pub file: Option<RelativePath>,
    /// The entry of this `name`; the one that stands for the component's image unless said.
    pub name: Option<String>,
}

/// Values at JSON pointers in a YAML or JSON file. What has no pointer is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Values {
    /// The file below the environment's path; `values.yaml` unless said, or the path itself where that is a file.
    pub file: Option<RelativePath>,
    /// Only in the document of a file in which these values stand: `{ /kind: Rollout }`.
    pub when: BTreeMap<Pointer, String>,
    /// The whole reference: `ghcr.io/acme/web:v1@sha256:…`.
    pub image: Option<Pointer>,
    /// The registry alone: `ghcr.io`.
    pub registry: Option<Pointer>,
    /// The image without tag; with `registry` without that, too.
    pub repository: Option<Pointer>,
    /// The tag; without `digest` followed by `@` and the digest, where that is pinned.
    pub tag: Option<Pointer>,
    /// The digest.
    pub digest: Option<Pointer>,
}

/// What of an image is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// Its digest, which decides what runs, and its tag, for people.
    #[default]
    Both,
    /// Its tag alone. It must never be moved to another image: nothing would notice.
    Tag,
    /// Its digest alone.
    Digest,
}

/// A workload as `kubectl` names it: `Deployment/shop`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `CronJob`, or any other kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl TryFrom<String> for Workload {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once('/').filter(|(kind, name)| !kind.is_empty() && !name.is_empty()) {
            Some((kind, name)) => Ok(Self { kind: kind.to_owned(), name: name.to_owned() }),
            None => Err(format!("`{text}` is no workload; write its kind and name, such as `Deployment/shop`")),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A JSON pointer (RFC 6901) to a value in a YAML or JSON document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if !text.starts_with('/') {
            // Elsewhere keys are parted by dots.
            let path = text.replace('.', "/");
            return Err(format!("`{text}` is no JSON pointer; write `/{path}`, with a `/` before each key"));
        }
        if !escapes {
            return Err(format!("`{text}` is no JSON pointer; write `~0` for a `~` in a key, and `~1` for a `/`"));
        }
        Ok(Self(text))
    }
}

impl Pointer {
    /// A constant of ours.
    pub fn of(key: &str) -> Self {
        Self(format!("/{}", key.replace('~', "~0").replace('/', "~1")))
    }

    /// The keys and places in lists it leads through.
    pub fn parts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(|part| {
            if part.contains('~') { part.replace("~1", "/").replace("~0", "~").into() } else { part.into() }
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_string_schema!(Workload, "a kind and a name, such as `Deployment/shop`");
as_string_schema!(Pointer, "a JSON pointer (RFC 6901), such as `/image/tag`");

/// The schema of `write`: a style's word alone, or its keys below it.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let keys = generator.subschema_for::<Write>();
    json_schema!({ "anyOf": [keys, { "enum": ["manifests", "kustomize"] }] })
}

impl Default for Write {
    fn default() -> Self {
        Self::Manifests(Manifests::default())
    }
}

impl Write {
    /// The same with a component's name where its place is held.
    pub(super) fn of(&self, component: &ComponentName) -> Self {
        let fill = |text: &str| text.replace("{component}", component.as_str());
        let text = |text: &Option<String>| text.as_deref().map(fill);
        let path = |path: &Option<RelativePath>| path.as_ref().map(|path| RelativePath::plain(&fill(path.as_str())));
        let pointer = |pointer: &Option<Pointer>| pointer.as_ref().map(|pointer| Pointer(fill(&pointer.0)));
        match self {
            Self::Manifests(m) => {
                let workload = |w: &Workload| Workload { kind: w.kind.clone(), name: fill(&w.name) };
                Self::Manifests(Manifests {
                    container: text(&m.container),
                    workload: m.workload.as_ref().map(workload),
                })
            }
            Self::Kustomize(k) => Self::Kustomize(Kustomize { file: path(&k.file), name: text(&k.name) }),
            Self::Values(v) => Self::Values(Values {
                file: path(&v.file),
                when: v.when.iter().map(|(at, value)| (Pointer(fill(&at.0)), fill(value))).collect(),
                image: pointer(&v.image),
                registry: pointer(&v.registry),
                repository: pointer(&v.repository),
                tag: pointer(&v.tag),
                digest: pointer(&v.digest),
            }),
        }
    }
}
