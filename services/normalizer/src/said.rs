//! What a webhook says, once it is read: the same words for every sender, before the config is asked whom they concern.

use proto::{CommitSha, ImageName, button::ButtonValue};

use crate::shown;

/// One thing a webhook says.
#[derive(Debug)]
pub(crate) enum Said {
    /// A branch has a new head.
    Push(Push),
    /// A pull request was opened, changed or closed.
    PullRequest(PullRequest),
    /// An image came to a registry.
    Image(Image),
    /// A person answers to what asks for an approval.
    Answer(Answer),
    /// Nothing of use, and why.
    Nothing(String),
}

/// A branch has a new head.
#[derive(Debug, Default)]
pub(crate) struct Push {
    /// What the repository is called at its host; an app names it by one of these.
    pub(crate) repository: Vec<String>,
    /// As Git calls it: `refs/heads/main`.
    pub(crate) reference: String,
    pub(crate) before: Option<CommitSha>,
    /// `None` or Git's "no commit" when it was deleted.
    pub(crate) after: Option<CommitSha>,
    pub(crate) forced: bool,
    pub(crate) author: Option<String>,
    /// The message of the head; its first line counts.
    pub(crate) message: Option<String>,
}

/// A pull request was opened, changed or closed.
#[derive(Debug)]
pub(crate) struct PullRequest {
    /// What the repository it is to be merged into is called at its host.
    pub(crate) repository: Vec<String>,
    pub(crate) number: u64,
    /// What happened to it, in the sender's word.
    pub(crate) action: String,
    /// The branch it comes from, and the one it is to be merged into; with or without `refs/heads/`.
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) commit: CommitSha,
    pub(crate) author: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) from_fork: bool,
    pub(crate) merged: bool,
}

/// An image came to a registry.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// What it may be called.
    pub(crate) names: Vec<Name>,
    /// As the sender writes it: it may be empty, or a digest.
    pub(crate) tag: Option<String>,
    /// As the sender writes it: it may be none.
    pub(crate) digest: Option<String>,
}

/// A person answers to what asks for an approval.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What the button carries.
    pub(crate) value: ButtonValue,
    /// Whether it is granted; rejected otherwise.
    pub(crate) granted: bool,
    /// Who answers, in the words of the config.
    pub(crate) by: String,
}

/// An image's name as a sender writes it.
#[derive(Debug)]
pub(crate) struct Name {
    /// The registry; `None` where bodies name none.
    pub(crate) host: Option<String>,
    pub(crate) path: String,
}

impl Said {
    /// Nothing of use, and why.
    pub(crate) fn nothing(why: impl Into<String>) -> Vec<Self> {
        vec![Self::Nothing(why.into())]
    }
}

impl Name {
    /// A path in a registry.
    pub(crate) fn at(host: impl Into<String>, path: impl Into<String>) -> Self {
        Self { host: Some(host.into()).filter(|host| !host.is_empty()), path: path.into() }
    }

    /// `host/path`, as one text.
    pub(crate) fn whole(name: &str) -> Self {
        match name.split_once('/') {
            Some((host, path)) => Self::at(host, path),
            None => Self { host: None, path: name.to_owned() },
        }
    }

    /// The image of this name, in the registry that the config puts in place of the sender's, if it does.
    pub(crate) fn image(&self, registry: Option<&str>) -> Result<ImageName, String> {
        let path = self.path.trim_matches('/');
        let Some(host) = registry.or(self.host.as_deref()) else {
            return Err(format!("`{}` names no registry; see `sources.<source>.registry`", shown(path)));
        };
        let name = ImageName::new(format!("{host}/{path}").to_lowercase());
        name.map(|name| name.canonical()).map_err(|error| shown(&error.to_string()))
    }
}

/// The first line of what people wrote, cut to 120 characters.
pub(crate) fn title(text: &str) -> Option<String> {
    let line: String = text.lines().next()?.trim().chars().take(120).collect();
    (!line.is_empty()).then_some(line)
}

/// The host, and the port where it is not the scheme's own, of a URL in a body; it names a registry, and is not called.
pub(crate) fn host_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// `ghcr.io/acme/web:main` to `ghcr.io/acme/web` and `main`, `…@sha256:…` to the name and no tag; a colon before the
/// last slash is a port's.
pub(crate) fn split_tag(reference: &str) -> (&str, &str) {
    let reference = reference.split_once('@').map_or(reference, |(name, _)| name);
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, ""),
    }
}
