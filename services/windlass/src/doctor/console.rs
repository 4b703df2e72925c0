//! The console: whether it can be reached, and which operators could come in.

use std::time::Duration;

use runtime::{
    Config,
    config::{Console, Operator},
    http,
};

use super::report::Finding;
use crate::open;

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Nothing is said where none is configured.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let Some(console) = &config.console else { return Vec::new() };
    console.operators.iter().map(operator).chain(reachable(console).await).collect()
}

fn operator(operator: &Operator) -> Finding {
    let about = format!("operator {}", operator.name);
    match ::console::check::token(&operator.token) {
        Ok(()) => Finding::ok(about, format!("comes in by {}", operator.token)),
        Err(error) => Finding::broken(
            about,
            format!("{} lets nobody in: {error:#}", operator.token),
            "put a token there that the console may read: `openssl rand -hex 32` makes one",
        ),
    }
}

/// Whether it answers here, where its stylesheet is there for anybody.
async fn reachable(console: &Console) -> Option<Finding> {
    // Nobody knows where it listens who lets the system choose.
    if console.listen.ends_with(":0") {
        return None;
    }
    let url = format!("http://{}", open::reachable(&console.listen));
    let asked = match http::trusted() {
        Ok(client) => client.get(format!("{url}/style.css")).timeout(ANSWER).send().await,
        Err(error) => return Some(Finding::broken(url, format!("{error:#}"), "see the error")),
    };
    Some(match asked {
        Ok(answer) if answer.status().is_success() => Finding::ok(url, "answers"),
        Ok(answer) => {
            let says = format!("who answers is not the console: {}", answer.status());
            Finding::warning(url, says, "see who listens there, or mend `console.listen`")
        }
        Err(error) => {
            let next = "start it with `windlass up` or windlass-console; if it runs elsewhere, run the doctor there";
            Finding::warning(url, http::HttpError::from(error), next)
        }
    })
}
