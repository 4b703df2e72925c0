//! What a pull request says: for people who decide by it, so it names exactly what is to run, what that replaces, and
//! what speaks for it.

use std::{collections::BTreeSet, fmt::Write as _};

use proto::ComponentName;
use runtime::config::Subject;

use crate::{chain::Wish, commit, edit::Ask, outcome::Target, repo::Landed};

/// The most characters of a title: GitLab takes 255, GitHub 256.
const TITLE: usize = 250;

/// Of which change.
pub(super) struct Text<'a> {
    pub(super) target: Target<'a>,
    pub(super) wish: &'a Wish,
    pub(super) ask: &'a Ask,
    pub(super) landed: &'a Landed,
    /// The first line of commits.
    pub(super) first: &'a Subject,
}

impl Text<'_> {
    /// The commit's own first line.
    pub(super) fn title(&self) -> String {
        commit::subject(self.first, self.ask, &self.landed.changed).chars().take(TITLE).collect()
    }

    pub(super) fn body(&self) -> String {
        let mut text = format!("{}\n", commit::body(self.ask.reason));
        if let Some(note) = &self.ask.note {
            let _ = write!(text, "\n> {}\n", code(note));
        }
        text += "\n| component | from | to |\n|---|---|---|\n";
        for name in &self.landed.changed {
            let _ = writeln!(text, "| {name} | {} | {} |", cell(self.landed.previous.get(name)), self.to(name));
        }
        text.push('\n');
        self.evidence(&mut text);
        let environment = &self.ask.environment;
        let _ = write!(
            text,
            "\nMerging this deploys it to {environment}; closing it ends this release. Windlass keeps the branch up to \
             date, and puts a newer release for {environment} in this one's place.\n"
        );
        text
    }

    fn to(&self, name: &ComponentName) -> String {
        let written = cell(self.landed.values.get(name));
        match self.ask.wanted.get(name) {
            Some(image) if !written.contains(image.digest.as_str()) => {
                format!("{written} ({})", code(image.digest.as_str()))
            }
            _ => written,
        }
    }

    fn evidence(&self, text: &mut String) {
        if let Some(verified) = &self.wish.verified {
            let (at, summary) = (verified.at.strftime("%F %T UTC"), code(&verified.summary));
            let _ = writeln!(text, "- Healthy in the environment before since {at}: {summary}");
        }
        if let Some(author) = &self.wish.author {
            let _ = writeln!(text, "- Author: {}", code(author));
        }
        let commits: BTreeSet<_> = self.ask.wanted.values().filter_map(|image| image.commit.as_ref()).collect();
        let url = runtime::git::without_userinfo(&self.target.app.clone_url());
        let page = url.strip_suffix(".git").filter(|url| url.starts_with("https://"));
        for commit in commits {
            let _ = match page {
                Some(page) => writeln!(text, "- Source: [{}]({page}/commit/{commit})", commit.short()),
                None => writeln!(text, "- Source: {commit}"),
            };
        }
        let _ = writeln!(text, "- `windlass events show {}` tells how it came here", self.ask.event);
    }
}

fn cell(value: Option<&String>) -> String {
    value.map(|value| code(&value.replace('|', "¦"))).unwrap_or_default()
}

/// As code, so that nothing in it links, calls anybody, or is markup.
fn code(text: &str) -> String {
    format!("`{}`", line(text).replace('`', "'"))
}

/// One line of at most 300 characters.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
