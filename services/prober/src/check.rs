//! One HTTP check: asked again and again until it has passed often enough in a row, or its time is over.
//!
//! Whatever is wrong with the answer is evidence, and so is that there is none: a name that does not resolve and a
//! refused connection are what a deployment that failed looks like. That it may not be asked says nothing of it: that is
//! for an operator to mend, and nothing to roll back for.

#[cfg(test)]
mod fuzz;

use std::{collections::BTreeMap, time::Duration};

use proto::{CheckReport, Deployment, Verdict};
use reqwest::{StatusCode, header};
use runtime::{
    config::{HealthCheck, deployed::http_url},
    http::{Guarded, HttpError, read_start},
    network::Blocked,
};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::Url;

use crate::placeholder::{BadPlaceholder, fill, fill_json};

/// The most of a body that is looked at. A health page is small; the rest is not read.
const BODY: usize = 1024 * 1024;
/// The most of a body that is shown.
const SHOWN: usize = 200;
/// How often a smoke URL is asked, how long it may take, and the pause between: once is enough when all is well.
const SMOKE: (u32, Duration, Duration) = (3, Duration::from_secs(10), Duration::from_secs(1));

/// A check with everything filled in.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    url: Url,
    wanted: Wanted,
    max_latency: Duration,
    passes: u32,
    interval: Duration,
    /// It ends at whichever comes first.
    deadline: Option<Duration>,
    tries: u32,
}

#[derive(Debug, Clone)]
struct Wanted {
    /// This status; any of 2xx without one.
    status: Option<u16>,
    contains: Option<String>,
    json: BTreeMap<String, Value>,
}

/// Why a check cannot be made at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadCheck {
    /// A placeholder in it.
    #[error(transparent)]
    Placeholder(#[from] BadPlaceholder),
    /// Its URL.
    #[error("it is no http:// or https:// URL once it is filled in")]
    Url,
    /// Where it leads.
    #[error(transparent)]
    Blocked(#[from] Blocked),
}

/// What one try saw: that all is well, or what is not.
type Seen = Result<String, String>;

impl Check {
    /// A health check, filled in for this deployment.
    pub(crate) fn health(check: &HealthCheck, deployment: &Deployment) -> Result<Self, BadCheck> {
        let json = check.json.iter().map(|(pointer, value)| Ok((pointer.clone(), fill_json(value, deployment)?)));
        let wanted = Wanted {
            status: Some(check.status),
            contains: check.contains.as_ref().map(|text| fill(text, deployment)).transpose()?,
            json: json.collect::<Result<_, BadPlaceholder>>()?,
        };
        Ok(Self {
            url: url(&check.url, deployment)?,
            wanted,
            max_latency: check.max_latency,
            passes: check.passes.max(1),
            interval: check.interval,
            deadline: Some(check.deadline),
            tries: u32::MAX,
        })
    }

    /// A smoke URL, filled in for this deployment.
    pub(crate) fn smoke(text: &str, deployment: &Deployment) -> Result<Self, BadCheck> {
        let (tries, max_latency, interval) = SMOKE;
        let wanted = Wanted { status: None, contains: None, json: BTreeMap::new() };
        Ok(Self { url: url(text, deployment)?, wanted, max_latency, passes: 1, interval, deadline: None, tries })
    }

    /// Its name: the URL, without what may be secret in it.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", runtime::http::host_of(&self.url), self.url.path())
    }

    /// Makes it.
    pub(crate) async fn run(&self, http: &Guarded) -> Result<CheckReport, Blocked> {
        let began = Instant::now();
        let (mut attempts, mut passes) = (0, 0);
        let mut last = None;
        loop {
            attempts += 1;
            let left = self.deadline.map_or(self.max_latency, |deadline| deadline.saturating_sub(began.elapsed()));
            let within = left.min(self.max_latency);
            match self.ask(http, within).await? {
                Some(seen) => last = Some(seen),
                // A try that the deadline cut short says less than the one before.
                None if within < self.max_latency && last.is_some() => break,
                None => last = Some(Err(format!("no answer within {} ms", within.as_millis()))),
            }
            passes = if matches!(last, Some(Ok(_))) { passes + 1 } else { 0 };
            let over = self.deadline.is_some_and(|deadline| began.elapsed() + self.interval >= deadline);
            if passes >= self.passes || over || attempts >= self.tries {
                break;
            }
            sleep(self.interval).await;
        }
        let (verdict, evidence) = self.judge(last, passes, attempts);
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(CheckReport { name: self.name(), verdict, evidence, attempts, duration_ms })
    }

    /// A check that was still passing at its deadline was not refuted; it was too late, or flapped.
    fn judge(&self, last: Option<Seen>, passes: u32, attempts: u32) -> (Verdict, String) {
        let wanted = self.passes;
        match last.unwrap_or(Err("it was never asked".to_owned())) {
            Ok(seen) if passes >= wanted => (Verdict::Passed, format!("{passes}/{wanted} passes: {seen}")),
            Ok(seen) => {
                (Verdict::TimedOut, format!("{passes}/{wanted} passes in a row after {attempts} tries; last: {seen}"))
            }
            Err(wrong) => (Verdict::Failed, format!("last of {attempts} tries: {wrong}")),
        }
    }

    /// One try; nothing when there was no answer in this time.
    async fn ask(&self, http: &Guarded, within: Duration) -> Result<Option<Seen>, Blocked> {
        let began = Instant::now();
        // A connection kept from before could lead to an instance that is on its way out.
        let request = http.get(self.url.clone())?.header(header::CONNECTION, "close").timeout(within);
        let request = request.header(header::CACHE_CONTROL, "no-cache");
        let answered = async {
            let response = request.send().await?;
            let status = response.status();
            Ok((status, read_start(response, BODY).await?))
        };
        match answered.await {
            Ok((status, (body, whole))) => Ok(Some(self.compare(status, &body, whole, began.elapsed()))),
            Err(HttpError::Blocked(blocked)) => Err(blocked),
            Err(HttpError::TimedOut { .. }) => Ok(None),
            Err(error) => Ok(Some(Err(error.to_string()))),
        }
    }

    fn compare(&self, status: StatusCode, body: &[u8], whole: bool, took: Duration) -> Seen {
        let code = status.as_u16();
        let right = self.wanted.status.map_or(status.is_success(), |wanted| wanted == code);
        if !right {
            let wanted = self.wanted.status.map_or("2xx".to_owned(), |wanted| wanted.to_string());
            return Err(format!("{code}, wanted {wanted}: {}", shown(body)));
        }
        if let Some(text) = self.wanted.contains.as_ref().filter(|text| !holds(body, text.as_bytes())) {
            return Err(format!("{code}, but the body lacks `{text}`: {}", shown(body)));
        }
        if !self.wanted.json.is_empty() {
            self.compare_json(body, whole).map_err(|wrong| format!("{code}, but {wrong}"))?;
        }
        Ok(format!("{code} in {} ms", took.as_millis()))
    }

    fn compare_json(&self, body: &[u8], whole: bool) -> Result<(), String> {
        if !whole {
            return Err(format!("the body is larger than {BODY} bytes, too large to be read as JSON"));
        }
        let json: Value = serde_json::from_slice(body).map_err(|_| format!("the body is not JSON: {}", shown(body)))?;
        for (pointer, wanted) in &self.wanted.json {
            match json.pointer(pointer) {
                Some(found) if found == wanted => {}
                Some(found) => {
                    return Err(format!("`{pointer}` is {}, wanted {wanted}", shown(found.to_string().as_bytes())));
                }
                None => return Err(format!("`{pointer}` is missing, wanted {wanted}: {}", shown(body))),
            }
        }
        Ok(())
    }
}

fn url(text: &str, deployment: &Deployment) -> Result<Url, BadCheck> {
    http_url(&fill(text, deployment)?).ok_or(BadCheck::Url)
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// The beginning of a body in one line, whatever it is made of.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN * 4)]);
    let line: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = line.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "an empty body".to_owned(),
        None => line,
    }
}
