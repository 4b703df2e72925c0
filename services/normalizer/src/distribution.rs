//! CNCF Distribution and what speaks like it (distribution.github.io, "Notifications"): many events a body.
//!
//! A registry tells of every blob, pull and mount as well; one body may hold thousands. What is of no use is counted
//! by its reason, so that the record of it stays small.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Digest, ImageName, ImagePushed, WebhookReceived};
use runtime::{Config, Failure, Outcomes};
use serde::Deserialize;

use crate::{body, shown, subject};

/// What an image or an index of images is, by media type (OCI image specification 1.1, Docker image manifest 2).
const IMAGES: &[&str] = &[
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/// The most reasons told one by one.
const MOST_REASONS: usize = 20;

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    events: Option<Vec<Notification>>,
}

#[derive(Debug, Deserialize)]
struct Notification {
    action: String,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    request: Option<Request>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    repository: Option<String>,
    url: Option<String>,
    tag: Option<String>,
    digest: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    host: Option<String>,
}

pub(crate) fn read(config: &Config, webhook: &WebhookReceived) -> Result<Outcomes, Failure> {
    let envelope: Envelope = body::parse(webhook, "notification")?;
    let mut outcomes = Outcomes::none();
    let mut subjects = BTreeSet::new();
    let mut ignored = Ignored::default();
    for notification in envelope.events.unwrap_or_default() {
        match notification.pushed(config) {
            Ok(pushed) => {
                let about = subject(&pushed);
                // The same push may be told twice in one body; twice in one list of outcomes would be one id twice.
                if subjects.insert((pushed.app.clone(), about.clone())) {
                    outcomes = outcomes.and(about, pushed);
                }
            }
            Err(reason) => ignored.add(reason),
        }
    }
    Ok(outcomes.with(ignored.into_outcomes(subjects.is_empty())))
}

impl Notification {
    /// The push it tells of, or why it is of no use.
    fn pushed(self, config: &Config) -> Result<ImagePushed, String> {
        let target = &self.target;
        if self.action != "push" {
            return Err(format!("`{}` brings no image", shown(&self.action)));
        }
        let tag = target.tag.clone().filter(|tag| !tag.is_empty());
        let digest = target.digest.as_deref().and_then(|digest| Digest::new(digest).ok());
        match target.media_type.as_deref() {
            Some(media_type) if IMAGES.contains(&media_type) => {}
            // Who says no type, and a tag, speaks of an image: nothing else has tags.
            None if tag.is_some() => {}
            other => return Err(format!("a push of `{}`, which is no image", shown(other.unwrap_or("no media type")))),
        }
        if tag.is_none() && digest.is_none() {
            return Err("a push with neither tag nor digest".to_owned());
        }
        let (Some(host), Some(repository)) = (self.host(), &target.repository) else {
            return Err("a push that names no registry or no repository".to_owned());
        };
        let name = format!("{host}/{repository}");
        let image = ImageName::new(&name).map_err(|error| shown(&error.to_string()))?;
        let Some((app, component)) = config.component_of(&image) else {
            return Err(format!("no component has the image `{image}`; see `apps.<app>.components`"));
        };
        Ok(ImagePushed { app: app.clone(), component: component.clone(), image, tag, digest })
    }

    /// The registry as its client called it; else as its own URL says.
    fn host(&self) -> Option<String> {
        let asked = self.request.as_ref().and_then(|request| request.host.clone()).filter(|host| !host.is_empty());
        asked.or_else(|| {
            let url = url::Url::parse(self.target.url.as_deref()?).ok()?;
            let host = url.host_str()?;
            Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        })
    }
}

/// Reasons for ignoring, and how often each.
#[derive(Default)]
struct Ignored {
    reasons: BTreeMap<String, usize>,
    others: usize,
}

impl Ignored {
    fn add(&mut self, reason: String) {
        if self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    fn into_outcomes(self, nothing_else_came: bool) -> Outcomes {
        let mut parts: Vec<_> = self.reasons.iter().map(|(reason, times)| format!("{times} times: {reason}")).collect();
        if self.others > 0 {
            parts.push(format!("{} times: for other reasons", self.others));
        }
        match (parts.is_empty(), nothing_else_came) {
            (true, true) => Outcomes::ignored("a notification without events"),
            (true, false) => Outcomes::none(),
            (false, _) => Outcomes::ignored(parts.join("; ")),
        }
    }
}
