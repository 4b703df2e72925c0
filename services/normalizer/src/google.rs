//! Google Artifact Registry through a Pub/Sub push subscription (cloud.google.com, "Configure Pub/Sub notifications"
//! and "Push subscriptions"): the notification in base64, in an envelope, or unwrapped.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said, split_tag},
    shown,
};

#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    message: Option<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "body::or_default")]
    data: String,
}

#[derive(Debug, Deserialize)]
struct Notification {
    action: String,
    /// `europe-docker.pkg.dev/acme/shop/web@sha256:…`.
    #[serde(default)]
    digest: Option<String>,
    /// `europe-docker.pkg.dev/acme/shop/web:main`; absent for a push by digest.
    #[serde(default)]
    tag: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let Envelope { message } = body::parse(webhook, "message")?;
    let notification = match message {
        None => body::parse(webhook, "notification")?,
        Some(Message { data }) => {
            let wrong = |error| body::unreadable(webhook, "message", &format!("at `message.data`: {error}"));
            let data = BASE64_STANDARD.decode(data).map_err(wrong)?;
            body::parse_bytes(webhook, "message", "message.data", &data)?
        }
    };
    Ok(said(notification))
}

fn said(Notification { action, digest, tag }: Notification) -> Vec<Said> {
    if action != "INSERT" {
        return Said::nothing(format!("`{}` brings no image", shown(&action)));
    }
    let Some(reference) = digest.as_deref().or(tag.as_deref()) else {
        return Said::nothing("a push with neither tag nor digest");
    };
    let names = vec![Name::whole(split_tag(reference).0)];
    let digest = digest.as_deref().and_then(|digest| Some(digest.split_once('@')?.1.to_owned()));
    let tag = tag.as_deref().map(|tag| split_tag(tag).1.to_owned());
    vec![Said::Image(Image { names, tag, digest })]
}
