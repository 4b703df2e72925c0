//! What users write of the Slack app whose buttons answer approvals: which workspace it is in, and who clicks there.

use std::collections::BTreeMap;

use proto::button;
use schemars::JsonSchema;
use serde::Deserialize;

/// A Slack app, of a source of the kind `slack`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackApp {
    /// The workspace's id, `T…`: one signing secret may serve several workspaces, and users' ids are unique in one.
    pub team: String,
    /// What users are called where approvals say who may, and who wrote it: names by users' ids, `U…` or `W…`. An id is
    /// what a user cannot change. Who is not listed is `slack:<id>`, and approves nothing whose author may not.
    #[serde(default)]
    pub users: BTreeMap<String, String>,
}

impl SlackApp {
    /// Who a user is, by the user's id.
    pub fn name(&self, user: &str) -> String {
        self.users.get(user).cloned().unwrap_or_else(|| button::unnamed(user))
    }

    /// What contradicts itself in it, without the key it stands under.
    pub(super) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if !is_id(&self.team, &['T']) {
            found.push(("slack.team", format!("`{}` is no workspace's id, which looks like `T0123ABCD`", self.team)));
        }
        for (user, name) in &self.users {
            if !is_id(user, &['U', 'W']) {
                let why = format!("`{user}` is no user's id, which looks like `U0123ABCD` (profile → Copy member ID)");
                found.push(("slack.users", why));
            }
            if name.trim().is_empty() || button::is_unnamed(name) {
                found
                    .push(("slack.users", format!("`{name}` is no name for `{user}`; write what approvals call them")));
            }
        }
        found
    }
}

/// Whether this is an id of Slack's: one of these letters, then capitals and digits.
fn is_id(text: &str, first: &[char]) -> bool {
    let rest = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    text.starts_with(first) && (2..=32).contains(&text.len()) && text.bytes().all(rest)
}
