//! Why Git could not do it, read from its exit status and words. `LC_ALL=C` keeps the words what they are.

use proto::CommitSha;

use super::without_userinfo;
use crate::{
    Failure,
    exec::{ExecError, Finished},
    network::Blocked,
};

/// Why Git could not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The repository has no such commit; perhaps it has no more.
    #[error("there is no commit {commit} in {url}")]
    NoSuchCommit {
        /// The repository.
        url: String,
        /// The commit.
        commit: CommitSha,
    },
    /// The server gives only what its refs name.
    #[error("{url} does not give commits that no branch or tag names")]
    Unadvertised {
        /// The repository.
        url: String,
    },
    /// The server does not let us in, or has no such repository: most say the same of both.
    #[error("{url} refuses us or is not there; check the URL and `git.credentials`: {why}")]
    Refused {
        /// The repository.
        url: String,
        /// Git's words.
        why: String,
    },
    /// The server no longer knows the token that an App's installation had; the next command has another.
    #[error("{url} does not know the token of its App any more, and is given another at the next try: {why}")]
    Ended {
        /// The repository.
        url: String,
        /// Git's words.
        why: String,
    },
    /// The server cannot be reached, or broke off.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The repository.
        url: String,
        /// Git's words.
        why: String,
    },
    /// Somebody else pushed first: what is pushed does not build on what is there.
    #[error("{url} has moved on: {why}")]
    Conflict {
        /// The repository.
        url: String,
        /// Git's words.
        why: String,
    },
    /// This is no URL of a repository.
    #[error("`{url}` is no repository URL; write https://, ssh:// or file://")]
    BadUrl {
        /// What was given.
        url: String,
    },
    /// The server lies where nobody may be asked.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// It would connect wherever a name leads at that moment, not to the addresses that were checked.
    #[error(
        "git is `{version}`, and before 2.37 it takes no notice of the addresses it is held to (`http.curloptResolve`); \
         install git 2.37 or newer where this runs"
    )]
    TooOld {
        /// What it says of itself.
        version: String,
    },
    /// Anything else.
    #[error("git failed on {url}: {why}")]
    Other {
        /// The repository.
        url: String,
        /// Git's words.
        why: String,
    },
    /// Git itself could not be run.
    #[error(transparent)]
    Program(#[from] ExecError),
}

// Each list, in lower case, from Git's and curl's sources, as of 2.47 and 8.x; GitHub's and GitLab's own words too.
const NO_SUCH_COMMIT: &[&str] = &["not our ref", "couldn't find remote ref", "no such remote ref"];
const UNADVERTISED: &[&str] = &["unadvertised object", "dumb http transport does not support shallow"];
const CONFLICT: &[&str] = &[
    "[rejected]",
    "[remote rejected]",
    "non-fast-forward",
    "fetch first",
    "stale info",
    "failed to update ref",
    "cannot lock ref",
];
const REFUSED: &[&str] = &[
    "authentication failed",
    "could not read username",
    "could not read password",
    "permission denied",
    "host key verification failed",
    "access denied",
    // GitHub's, GitLab's and Gitea's words for a key that may not write.
    "marked as read only",
    "denied to ",
    "not allowed to",
    "does not have write access",
    "not authorized to",
    "repository not found",
    "' not found",
    "does not appear to be a git repository",
    "does not exist",
    // A redirect is not followed.
    "returned error: 30",
    "returned error: 401",
    "returned error: 403",
    "returned error: 404",
    "transport '",
    "certificate",
];
const UNREACHABLE: &[&str] = &[
    "could not resolve host",
    "unable to access",
    "failed to connect",
    "couldn't connect",
    "connection refused",
    "connection reset",
    "connection timed out",
    "timed out",
    "temporary failure",
    "network is unreachable",
    "no route to host",
    "early eof",
    "rpc failed",
    "hung up unexpectedly",
    "unexpected disconnect",
    "operation too slow",
    "returned error: 429",
    "returned error: 5",
];

/// What ssh says of a server whose key it does not know, or knows to be another.
const STRANGE_SERVER: &str = "Host key verification failed";
/// What Git says when a server answers 401: it would ask people, and there are none.
const ASKED_AGAIN: &str = "terminal prompts disabled";

impl GitError {
    /// What a command that did not exit with 0 came to.
    pub fn of(url: &str, finished: &Finished) -> Self {
        let url = without_userinfo(url);
        let why = words(finished);
        if finished.exit_code().is_none() {
            return Self::Unreachable { url, why };
        }
        let text = finished.tail.to_lowercase();
        let says = |any: &[&str]| any.iter().any(|words| text.contains(words));
        // The order counts: a server that answers 403 is also one that git is "unable to access".
        if says(NO_SUCH_COMMIT) {
            // Which commit, its caller knows.
            return Self::Other { url, why };
        }
        if says(UNADVERTISED) {
            return Self::Unadvertised { url };
        }
        if says(CONFLICT) {
            return Self::Conflict { url, why };
        }
        if says(REFUSED) {
            return Self::Refused { url, why };
        }
        if says(UNREACHABLE) { Self::Unreachable { url, why } } else { Self::Other { url, why } }
    }

    /// The same, when what was asked for are these commits.
    pub(super) fn about(self, commits: &[&CommitSha]) -> Self {
        match self {
            Self::Other { url, why } if NO_SUCH_COMMIT.iter().any(|words| why.to_lowercase().contains(words)) => {
                // Git names the first that it misses.
                let named = commits.iter().find(|commit| why.contains(commit.as_str())).or(commits.first());
                match named {
                    Some(commit) => Self::NoSuchCommit { url, commit: (*commit).clone() },
                    None => Self::Other { url, why },
                }
            }
            other => other,
        }
    }

    /// Whether it may go well another time with nothing mended.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Ended { .. } | Self::Unreachable { .. } | Self::Conflict { .. } | Self::Other { .. } => true,
            Self::NoSuchCommit { .. }
            | Self::Unadvertised { .. }
            | Self::Refused { .. }
            | Self::Blocked(_)
            | Self::TooOld { .. }
            | Self::BadUrl { .. } => false,
            Self::Program(error) => error.is_transient(),
        }
    }
}

/// Whether a server refused whoever asked, by these words of Git's: 401 or 403.
pub(super) fn is_about_us(why: &str) -> bool {
    is_unknown(why) || why.contains("returned error: 403")
}

/// Whether a server does not know whoever asked, by these words of Git's: 401.
pub(super) fn is_unknown(why: &str) -> bool {
    [ASKED_AGAIN, "Authentication failed", "returned error: 401"].iter().any(|words| why.contains(words))
}

/// The lines that say what went wrong, or the last ones; or how it ended, when it said nothing.
fn words(finished: &Finished) -> String {
    let telling = |line: &&str| {
        // A forge behind ssh speaks for itself.
        let begins = ["fatal:", "error:", "remote:", " ! ", "ssh:", "ERROR:", "GitLab:", "Gitea:", "Forgejo:"]
            .iter()
            .any(|mark| line.starts_with(mark));
        begins || [STRANGE_SERVER, "Permission denied"].iter().any(|of_ssh| line.contains(of_ssh))
    };
    let mut lines: Vec<_> = finished.tail.lines().filter(telling).collect();
    if lines.is_empty() {
        lines = finished.tail.lines().collect();
    }
    let last = lines.split_off(lines.len().saturating_sub(6)).join("; ");
    let last = match last {
        last if last.contains(STRANGE_SERVER) => format!("{last}; compare its key with the one in `known_hosts`"),
        last if last.contains(ASKED_AGAIN) => {
            format!("{last}; that is, it wants a user name and a password, or others than it was given")
        }
        last => last,
    };
    match finished.exit_code() {
        Some(_) if !last.is_empty() => last,
        _ if last.is_empty() => format!("git {}", finished.ended),
        _ => format!("git {}: {last}", finished.ended),
    }
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        if error.is_transient() { Self::Transient(error.into()) } else { Self::Permanent(error.into()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::exec::Ended;

    use super::*;

    fn error(text: &str) -> GitError {
        let finished = Finished {
            ended: Ended::Exited(128),
            duration: Duration::ZERO,
            tail: text.to_owned(),
            stdout: Vec::new(),
            stdout_cut: false,
            masks: Vec::new(),
        };
        GitError::of("https://me:hunter2@host/x.git", &finished)
    }

    #[test]
    fn gits_words_are_understood() {
        let commit = CommitSha::new("a".repeat(40)).unwrap_or_else(|e| panic!("{e}"));
        let not_ours = error(&format!("fatal: remote error: upload-pack: not our ref {commit}")).about(&[&commit]);
        assert!(matches!(not_ours, GitError::NoSuchCommit { .. }), "{not_ours:?}");
        for refused in [
            "fatal: could not read Username for 'https://host': terminal prompts disabled",
            "fatal: unable to access 'https://host/x.git/': The requested URL returned error: 403",
            "remote: Repository not found.\nfatal: repository 'https://host/x.git/' not found",
            "fatal: transport 'ext' not allowed",
            "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.",
            "ERROR: Permission to acme/gitops.git denied to mona.\nfatal: Could not read from remote repository.",
            "remote: ERROR: This deploy key does not have write access to this project.\nfatal: Could not read from remote repository.",
            "remote: GitLab: You are not allowed to push code to this project.\nfatal: Could not read from remote repository.",
            "Gitea: User: 3:mona with Key: 7:deploy is not authorized to write to acme/gitops.\nfatal: Could not read from remote repository.",
        ] {
            let error = error(refused);
            assert!(matches!(error, GitError::Refused { .. }) && !error.is_transient(), "{error:?}");
        }
        for away in [
            "fatal: unable to access 'https://host/x.git/': Could not resolve host: host",
            "fatal: unable to access 'http://127.0.0.1:1/x/': Failed to connect to 127.0.0.1 port 1 after 0 ms",
            "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\nfatal: expected flush",
            "fatal: unable to access 'https://host/x.git/': The requested URL returned error: 503",
        ] {
            let error = error(away);
            assert!(matches!(error, GitError::Unreachable { .. }) && error.is_transient(), "{error:?}");
        }
        assert!(matches!(
            error("error: Server does not allow request for unadvertised object x"),
            GitError::Unadvertised { .. }
        ));
        assert!(matches!(error(" ! [rejected]  a -> b (fetch first)"), GitError::Conflict { .. }));
    }

    #[test]
    fn no_error_shows_a_credential() {
        let shown = format!("{0} {0:?}", error("fatal: unheard of"));
        assert!(!shown.contains("hunter2") && shown.contains("https://host/x.git"), "{shown}");
    }
}
