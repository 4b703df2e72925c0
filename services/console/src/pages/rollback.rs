//! What an environment is to be taken back to: chosen from what was healthy there, or written.

use ledger::Ledger;
use maud::{Markup, html};
use operate::{describe, find};
use proto::{AppName, EnvironmentName};

use super::parts::time;
use crate::{fault::Fault, fields::Fields};

/// How many are shown; whoever wants another writes it.
const SHOWN: usize = 10;
/// The field for one of those that are shown.
const SHOWN_TO: &str = "to";
/// The field for any other.
const OTHER_TO: &str = "other";

/// The fields that say to what.
pub(super) async fn targets(ledger: &Ledger, app: &AppName, environment: &EnvironmentName) -> Result<Markup, Fault> {
    let all = find::all_restorable(ledger, app, environment).await?;
    Ok(html! {
        fieldset {
            legend { "Back to" }
            label.check {
                input type="radio" name=(SHOWN_TO) value="" checked;
                span { "what was last healthy there, and is not what it is asked for now" }
            }
            @for one in all.iter().take(SHOWN) {
                @let (to, revision) = (&one.deployment, one.deployment.revision.as_str());
                label.check {
                    input type="radio" name=(SHOWN_TO) value=(revision) disabled[one.barred.is_some()];
                    span {
                        strong { (describe::release(&to.release)) } ", healthy as of " (time(one.at))
                        ", revision " code { (to.revision.short()) }
                        @if let Some(note) = &to.note { ": " q { (note) } }
                        @if let Some(why) = &one.barred { span.warn { (why) "; release it first" } }
                    }
                }
            }
            label {
                span { "Or another: a GitOps revision, a source commit or a digest" }
                input type="text" name=(OTHER_TO) autocomplete="off";
            }
        }
    })
}

/// What was chosen or written; none for what was last healthy.
pub(super) fn target(form: &Fields) -> Result<Option<String>, Fault> {
    match (form.get(SHOWN_TO), form.get(OTHER_TO)) {
        (Some(_), Some(_)) => {
            let why = "`other`: choose one of those that are shown, or write another, and not both";
            Err(Fault::Invalid(why.to_owned()))
        }
        (shown, other) => Ok(shown.or(other).map(ToOwned::to_owned)),
    }
}
