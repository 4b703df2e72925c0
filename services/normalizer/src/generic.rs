//! Any other sender, and those that sign as Standard Webhooks says: the config says where things stand.

use proto::{CommitSha, WebhookReceived};
use runtime::{
    Failure,
    config::{Reading, Source, Template},
};
use serde_json::Value;

use crate::{
    body,
    cdevents::reference,
    said::{Image, Name, Push, Said},
    shown,
};

pub(crate) fn read(webhook: &WebhookReceived, source: Option<&Source>) -> Result<Vec<Said>, Failure> {
    let name = &webhook.webhook_source;
    let Some(reading) = source.and_then(|source| source.read.as_ref()) else {
        let why = format!("nothing says how to read the source `{name}`; see `sources.{name}.read`, then replay it");
        return Err(Failure::permanent(why));
    };
    let body: Value = body::parse(webhook, "webhook")?;
    let Some(each) = &reading.each else { return Part { webhook, reading, body: &body, element: &body }.said() };
    let Some(Value::Array(elements)) = each.find(&body, &body) else {
        // Told apart by `when`, where senders send several kinds of events under one address.
        if reading.when.is_empty() {
            return Err(body::unreadable(webhook, "webhook", &format!("at `{each}`: no list")));
        }
        return Ok(Said::nothing(format!("there is no list at `{each}`")));
    };
    if elements.is_empty() {
        return Ok(Said::nothing(format!("the list at `{each}` is empty")));
    }
    let parts = elements.iter().map(|element| Part { webhook, reading, body: &body, element }.said());
    Ok(parts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// What is read by itself: an element of `each`, or the whole.
struct Part<'a> {
    webhook: &'a WebhookReceived,
    reading: &'a Reading,
    body: &'a Value,
    element: &'a Value,
}

impl Part<'_> {
    fn said(&self) -> Result<Vec<Said>, Failure> {
        for (pointer, wanted) in &self.reading.when {
            let found = pointer.find(self.body, self.element);
            if !wanted.is(found) {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| format!("`{}`", shown(&brief(found))));
                return Ok(Said::nothing(format!("at `{pointer}` stands {found}, and not {wanted}")));
            }
        }
        let Reading { image, repository, branch, commit, .. } = self.reading;
        let mut said = Vec::new();
        if let Some(image) = image {
            said.push(Said::Image(Image {
                names: vec![Name::whole(&self.required("image", image)?)],
                tag: self.optional("tag", self.reading.tag.as_ref())?,
                digest: self.optional("digest", self.reading.digest.as_ref())?,
            }));
        }
        if let (Some(repository), Some(branch), Some(commit)) = (repository, branch, commit) {
            said.push(Said::Push(Push {
                repository: vec![self.required("repository", repository)?],
                reference: reference(&self.required("branch", branch)?),
                before: self
                    .optional("before", self.reading.before.as_ref())?
                    .map(|id| self.commit(&id))
                    .transpose()?,
                after: Some(self.commit(&self.required("commit", commit)?)?),
                ..Push::default()
            }));
        }
        Ok(said)
    }

    fn required(&self, key: &str, template: &Template) -> Result<String, Failure> {
        let found = template.fill(self.body, self.element);
        found.and_then(|text| text.ok_or_else(|| "nothing is there".to_owned())).map_err(|why| self.wrong(key, &why))
    }

    fn optional(&self, key: &str, template: Option<&Template>) -> Result<Option<String>, Failure> {
        let Some(template) = template else { return Ok(None) };
        let text = template.fill(self.body, self.element).map_err(|why| self.wrong(key, &why))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    fn commit(&self, id: &str) -> Result<CommitSha, Failure> {
        CommitSha::new(id.to_lowercase()).map_err(|error| self.wrong("commit", &error.to_string()))
    }

    fn wrong(&self, key: &str, why: &str) -> Failure {
        let source = &self.webhook.webhook_source;
        body::unreadable(self.webhook, "webhook", &format!("by `sources.{source}.read.{key}`: {why}"))
    }
}

/// A value in a message: what is long there is no help.
fn brief(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => text.chars().take(60).collect(),
        other => other.to_string(),
    }
}
