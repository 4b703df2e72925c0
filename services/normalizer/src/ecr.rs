//! Amazon ECR through `EventBridge` (docs.aws.amazon.com, "Amazon ECR events and EventBridge"): one event a body from an
//! API destination, or a list of them from a pipe.

use proto::WebhookReceived;
use runtime::Failure;
use serde::Deserialize;

use crate::{
    body,
    said::{Image, Name, Said},
    shown,
};

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Payload {
    Many(Vec<serde_json::Value>),
    One(serde_json::Value),
}

#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(rename = "detail-type")]
    detail_type: String,
}

#[derive(Debug, Deserialize)]
struct Event {
    account: String,
    region: String,
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    action_type: String,
    result: String,
    repository_name: String,
    /// Empty or absent for a push by digest.
    #[serde(default)]
    image_tag: Option<String>,
    #[serde(default)]
    image_digest: Option<String>,
}

pub(crate) fn read(webhook: &WebhookReceived) -> Result<Vec<Said>, Failure> {
    let events = match body::parse(webhook, "event")? {
        Payload::Many(events) if events.is_empty() => return Ok(Said::nothing("a list without events")),
        Payload::Many(events) => events,
        Payload::One(event) => vec![event],
    };
    events.into_iter().enumerate().map(|(number, event)| said(webhook, number, event)).collect()
}

fn said(webhook: &WebhookReceived, number: usize, event: serde_json::Value) -> Result<Said, Failure> {
    let place = format!("[{number}]");
    let Kind { detail_type } = body::parse_value(webhook, "event", &place, event.clone())?;
    if detail_type != "ECR Image Action" {
        return Ok(Said::Nothing(format!("`{}` brings no image", shown(&detail_type))));
    }
    let Event { account, region, detail } = body::parse_value(webhook, &detail_type, &place, event)?;
    if detail.action_type != "PUSH" || detail.result != "SUCCESS" {
        let (action, result) = (shown(&detail.action_type), shown(&detail.result));
        return Ok(Said::Nothing(format!("`{action}` with the result `{result}` brings no image")));
    }
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    let host = format!("{account}.dkr.ecr.{region}.amazonaws.com{suffix}");
    let names = vec![Name::at(host, detail.repository_name)];
    Ok(Said::Image(Image { names, tag: detail.image_tag, digest: detail.image_digest }))
}
