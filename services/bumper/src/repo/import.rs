//! Commits as `git fast-import` reads them: one process makes any number of them, without a work tree or an index.

use proto::CommitSha;
use runtime::config::GitAuthor;

use crate::{edit::Edit, tree::Changed};

/// A commit to be made.
pub(super) struct NewCommit<'a> {
    pub(super) message: String,
    pub(super) edit: &'a Edit,
}

/// The stream that makes these commits, each upon the one before, and tells their ids. They hang on the ref `batch` until
/// they are pushed.
pub(super) fn stream(
    batch: &str,
    base: &CommitSha,
    author: &GitAuthor,
    seconds: i64,
    commits: &[NewCommit<'_>],
) -> Vec<u8> {
    let mut out = Vec::new();
    let who = format!("{} <{}> {seconds} +0000", plain(&author.name), plain(&author.email));
    for (n, commit) in commits.iter().enumerate() {
        let mark = n + 1;
        line(&mut out, &format!("commit {batch}\nmark :{mark}\nauthor {who}\ncommitter {who}"));
        data(&mut out, commit.message.as_bytes());
        line(&mut out, &if n == 0 { format!("from {base}") } else { format!("from :{n}") });
        for Changed { path, mode, bytes } in &commit.edit.files {
            line(&mut out, &format!("M {mode} inline {}", quoted(path)));
            data(&mut out, bytes);
        }
        line(&mut out, &format!("\nget-mark :{mark}"));
    }
    line(&mut out, "done");
    out
}

fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn data(out: &mut Vec<u8>, bytes: &[u8]) {
    line(out, &format!("data {}", bytes.len()));
    out.extend_from_slice(bytes);
    out.push(b'\n');
}

/// What must not stand in an identity.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect()
}

/// A path in C-style quotes, so that nothing in it ends the line or the name.
fn quoted(path: &str) -> String {
    let mut quoted = String::from("\"");
    for c in path.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
