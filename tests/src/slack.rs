//! A Slack incoming webhook: its answers, its limits, its moods; and clicks on what was posted there.

mod click;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use anyhow::{Result, ensure};
use serde_json::Value;

use crate::http::Server;
use crate::wait;
pub use click::{Click, User, sign};

/// Slack's limits on messages and blocks, from its reference pages.
mod limit {
    pub(super) const TEXT: usize = 40_000;
    pub(super) const BLOCKS: usize = 50;
    pub(super) const SECTION: usize = 3_000;
    pub(super) const HEADER: usize = 150;
    pub(super) const FIELDS: usize = 10;
    pub(super) const FIELD: usize = 2_000;
    pub(super) const CONTEXT: usize = 10;
    pub(super) const ACTIONS: usize = 25;
    pub(super) const BUTTON: usize = 75;
    pub(super) const VALUE: usize = 2_000;
    pub(super) const ID: usize = 255;
    pub(super) const DIALOG_TITLE: usize = 100;
    pub(super) const DIALOG: usize = 300;
    pub(super) const DIALOG_BUTTON: usize = 30;
}

/// How Slack answers instead of taking a message.
#[derive(Debug, Clone, Copy)]
pub enum Mood {
    /// 429 with this many seconds in Retry-After.
    RateLimited(u64),
    /// 500.
    Broken,
    /// 400 `invalid_payload`.
    InvalidPayload,
    /// 404 `no_service`: the webhook was revoked.
    NoService,
    /// 403 `action_prohibited`: an administrator forbids it.
    Prohibited,
}

/// A fake Slack with one webhook.
#[derive(Debug)]
pub struct FakeSlack {
    server: Server,
    token: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    token: String,
    messages: Vec<Value>,
    moods: VecDeque<Mood>,
    refused: usize,
    /// Messages that may come at once, when limited; each second allows one more.
    burst: Option<u32>,
    taken: VecDeque<Instant>,
}

impl FakeSlack {
    /// Starts one.
    pub fn start() -> Result<Self> {
        let token = hex::encode(rand::random::<[u8; 12]>());
        let state = Arc::new(Mutex::new(State { token: token.clone(), ..State::default() }));
        let shared = web::Data::from(Arc::clone(&state));
        let server = Server::start(move |app| {
            app.app_data(shared.clone()).route("/services/T000/B000/{token}", web::post().to(post));
        })?;
        Ok(Self { server, token, state })
    }

    /// The webhook's URL, which is its secret.
    pub fn url(&self) -> String {
        format!("{}/services/T000/B000/{}", self.server.url(), self.token)
    }

    /// The messages taken so far, oldest first.
    pub fn messages(&self) -> Vec<Value> {
        self.state().messages.clone()
    }

    /// The messages taken so far as one text: every string that a reader would see.
    pub fn text(&self) -> String {
        let mut seen = String::new();
        for message in self.messages() {
            collect(&message, &mut seen);
        }
        seen
    }

    /// Every link in the messages so far, its address and its words, as Slack reads them in its own mark-up ("Formatting
    /// text": `<address|words>`, with `&`, `<` and `>` escaped in both).
    pub fn links(&self) -> Vec<(String, String)> {
        let plain = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let text = self.text();
        let linked = text.split('<').skip(1).filter_map(|rest| rest.split_once('>')?.0.split_once('|'));
        linked.map(|(address, words)| (plain(address), plain(words))).collect()
    }

    /// How many posts it refused so far.
    pub fn refused(&self) -> usize {
        self.state().refused
    }

    /// Answers the next posts like this.
    pub fn next(&self, count: usize, mood: Mood) {
        self.state().moods.extend(std::iter::repeat_n(mood, count));
    }

    /// From now on takes one message a second, and this many at once, as Slack does.
    pub fn limit_rate(&self, burst: u32) {
        self.state().burst = Some(burst.max(1));
    }

    /// Waits until so many messages have been taken, and returns them.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Result<Vec<Value>> {
        wait::until(deadline, &format!("{count} messages in Slack"), async || {
            let messages = self.messages();
            ensure!(messages.len() >= count, "there are {}", messages.len());
            Ok(messages)
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn post(token: web::Path<String>, body: web::Bytes, state: web::Data<Mutex<State>>) -> HttpResponse {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = take(&mut state, &token, &body);
    let (status, text) = answer.err().unwrap_or((200, "ok".to_owned()));
    state.refused += usize::from(status != 200);
    let mut response = HttpResponse::build(status.try_into().unwrap_or_default());
    if let (429, Some((seconds, _))) = (status, text.split_once(' ')) {
        response.insert_header(("Retry-After", seconds));
        return response.content_type(ContentType::plaintext()).body("rate_limited");
    }
    response.content_type(ContentType::plaintext()).body(text)
}

/// Takes a message, or says with what status and text it is refused.
fn take(state: &mut State, token: &str, body: &[u8]) -> Result<(), (u16, String)> {
    let refuse = |status, text: &str| Err((status, text.to_owned()));
    if token != state.token {
        return refuse(404, "no_service");
    }
    match state.moods.pop_front() {
        Some(Mood::RateLimited(seconds)) => return refuse(429, &format!("{seconds} s")),
        Some(Mood::Broken) => return refuse(500, "server_error"),
        Some(Mood::InvalidPayload) => return refuse(400, "invalid_payload"),
        Some(Mood::NoService) => return refuse(404, "no_service"),
        Some(Mood::Prohibited) => return refuse(403, "action_prohibited"),
        None => {}
    }
    let Ok(message @ Value::Object(_)) = serde_json::from_slice(body) else { return refuse(400, "invalid_payload") };
    check(&message).or_else(|text| refuse(400, text))?;
    if !in_time(state) {
        return refuse(429, "1 s");
    }
    state.messages.push(message);
    Ok(())
}

/// Whether the rate allows one more message now.
fn in_time(state: &mut State) -> bool {
    let Some(burst) = state.burst else { return true };
    let window = Duration::from_secs(burst.into());
    state.taken.retain(|taken| taken.elapsed() < window);
    let fits = state.taken.len() < burst as usize;
    if fits {
        state.taken.push_back(Instant::now());
    }
    fits
}

fn check(message: &Value) -> Result<(), &'static str> {
    let text = message["text"].as_str().unwrap_or_default();
    let blocks = message["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    if text.is_empty() && blocks.is_empty() && message["attachments"].is_null() {
        return Err("no_text");
    }
    if text.chars().count() > limit::TEXT {
        return Err("msg_too_long");
    }
    let good = message["blocks"].is_null() || message["blocks"].is_array();
    let good = good && blocks.len() <= limit::BLOCKS && blocks.iter().all(good_block);
    if good { Ok(()) } else { Err("invalid_blocks") }
}

fn good_block(block: &Value) -> bool {
    let fields = block["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
    match block["type"].as_str() {
        Some("section") => {
            let some = !block["text"].is_null() || !fields.is_empty();
            let text = block["text"].is_null() || good_text(&block["text"], limit::SECTION);
            let fields_good = fields.iter().all(|field| good_text(field, limit::FIELD));
            some && text && fields.len() <= limit::FIELDS && fields_good
        }
        Some("header") => block["text"]["type"] == "plain_text" && good_text(&block["text"], limit::HEADER),
        Some("context") => block["elements"].as_array().is_some_and(|elements| {
            (1..=limit::CONTEXT).contains(&elements.len())
                && elements.iter().all(|element| element["type"] == "image" || good_text(element, limit::SECTION))
        }),
        Some("actions") => block["elements"].as_array().is_some_and(|elements| {
            let ids: HashSet<_> = elements.iter().map(|element| element["action_id"].as_str()).collect();
            (1..=limit::ACTIONS).contains(&elements.len())
                && ids.len() == elements.len()
                && elements.iter().all(good_button)
        }),
        Some("divider" | "image" | "rich_text" | "markdown") => true,
        _ => false,
    }
}

fn good_button(button: &Value) -> bool {
    let plain = |text: &Value, most| text["type"] == "plain_text" && good_text(text, most);
    let short = |key: &str, most| button[key].as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()));
    let dialog = &button["confirm"];
    let good_dialog = dialog.is_null()
        || plain(&dialog["title"], limit::DIALOG_TITLE)
            && good_text(&dialog["text"], limit::DIALOG)
            && plain(&dialog["confirm"], limit::DIALOG_BUTTON)
            && plain(&dialog["deny"], limit::DIALOG_BUTTON);
    let style = matches!(button["style"].as_str(), None | Some("primary" | "danger"));
    button["type"] == "button"
        && plain(&button["text"], limit::BUTTON)
        && short("action_id", limit::ID)
        && short("value", limit::VALUE)
        && style
        && good_dialog
}

fn good_text(text: &Value, most: usize) -> bool {
    let kind = matches!(text["type"].as_str(), Some("mrkdwn" | "plain_text"));
    kind && text["text"].as_str().is_some_and(|text| (1..=most).contains(&text.chars().count()))
}

/// Every string under a key that is shown.
fn collect(value: &Value, seen: &mut String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "text" || key == "fallback" => {
                        seen.push_str(text);
                        seen.push('\n');
                    }
                    other => collect(other, seen),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, seen)),
        _ => {}
    }
}
