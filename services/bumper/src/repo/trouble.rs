//! What goes wrong with Git, told apart by what helps: waiting, mending, or cloning anew.

use runtime::{Failure, exec::ExecError, git::GitError};

/// Why an ask got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server or the network is away, or others always push first.
    Away(String),
    /// Somebody must mend something: the repository's files, its rules, our credentials.
    Refused(String),
    /// The kept clone is not what Git left there; a new one helps.
    Damaged(String),
}

/// What a server says of a push that another push overtook; anything else it says is a refusal.
const RACES: &[&str] = &[
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref",
    "failed to update ref",
    "failed to lock",
    "incorrect old value",
    "remote ref updated since checkout",
];

/// What is neither the clone's fault nor the network's: no branch of the name, or another whose whole name ends in it
/// (`refs/heads/refs/heads/main`), so that Git does not know which is meant.
const MENDED_THERE: &[&str] = &["couldn't find remote ref", "matches more than one"];

impl Trouble {
    /// The writer is gone; a new one comes with the next ask.
    pub(super) fn ended() -> Self {
        Self::Away("the writer of the GitOps repository ended unexpectedly".to_owned())
    }

    /// In which repository.
    pub(super) fn within(self, repository: &str) -> Self {
        let at = |why: String| format!("GitOps repository {repository}: {why}");
        match self {
            Self::Away(why) => Self::Away(at(why)),
            Self::Refused(why) => Self::Refused(at(why)),
            Self::Damaged(why) => Self::Damaged(at(why)),
        }
    }
}

/// Whether a push was merely overtaken.
pub(super) fn is_race(reason: &str) -> bool {
    RACES.iter().any(|race| reason.contains(race))
}

/// What is neither the server's fault nor the network's must be the kept clone's: that can be made anew.
impl From<GitError> for Trouble {
    fn from(error: GitError) -> Self {
        let why = error.to_string();
        match error {
            GitError::Other { .. } if MENDED_THERE.iter().any(|words| why.contains(words)) => Self::Refused(why),
            // Whether a push conflicts is asked where it is pushed; elsewhere it is a ref of ours that somebody locked.
            GitError::Other { .. } | GitError::Conflict { .. } => Self::Damaged(why),
            error if error.is_transient() => Self::Away(why),
            _ => Self::Refused(why),
        }
    }
}

impl From<ExecError> for Trouble {
    fn from(error: ExecError) -> Self {
        GitError::from(error).into()
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(why) => Self::permanent(why),
            Trouble::Away(why) | Trouble::Damaged(why) => Self::transient(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overtaken_push_is_told_from_a_refused_one() {
        assert!(
            is_race("[rejected] (fetch first)") && is_race("[remote rejected] (cannot lock ref 'refs/heads/main')")
        );
        assert!(!is_race("[remote rejected] (pre-receive hook declined)"));
        assert!(!is_race("[remote rejected] (protected branch hook declined)"));
    }

    #[test]
    fn only_what_nobody_else_is_to_blame_for_is_the_clones_fault() {
        let url = || "https://host/x".to_owned();
        let of = |why: &str| Trouble::from(GitError::Other { url: url(), why: why.to_owned() });
        assert!(matches!(of("error: object file ./objects/1f/2 is empty"), Trouble::Damaged(_)));
        assert!(matches!(of("fatal: couldn't find remote ref refs/heads/nix"), Trouble::Refused(_)));
        let twice = of("error: dst refspec refs/heads/main matches more than one");
        assert!(matches!(twice, Trouble::Refused(_)), "{twice:?}");
        let away = GitError::Unreachable { url: url(), why: "x".to_owned() };
        assert!(matches!(Trouble::from(away), Trouble::Away(_)));
    }
}
