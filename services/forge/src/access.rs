//! What keeps somebody from opening and merging pull requests, as far as their host tells; for who sets it up.

use anyhow::Result;

use crate::Later;

/// What is to be done with the pull requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The branch that they go to.
    pub into: String,
    /// Whether Windlass merges them too, once their checks have passed.
    pub merges: bool,
}

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How sure that is.
    pub certainty: Certainty,
    /// What is wrong.
    pub says: String,
    /// Which right is missing, and where to give it.
    pub next: String,
}

/// How sure it is that something is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// It is.
    Certain,
    /// It may be: the host has exceptions that it does not tell of; or it will be before long.
    Likely,
    /// The host does not tell whether it is.
    Untold,
}

/// What of a repository's settings and of who asks is in the way, on whichever host.
pub(crate) trait Examined {
    /// All that is found.
    ///
    /// # Errors
    /// Where the repository cannot be asked about at all; what to mend, in words.
    async fn faults(&self, wanted: &Wanted) -> Result<Vec<Fault>>;
}

impl Fault {
    pub(crate) fn certain(says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { certainty: Certainty::Certain, says: says.into(), next: next.into() }
    }

    pub(crate) fn likely(says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { certainty: Certainty::Likely, ..Self::certain(says, next) }
    }

    pub(crate) fn untold(says: impl Into<String>, next: impl Into<String>) -> Self {
        Self { certainty: Certainty::Untold, ..Self::certain(says, next) }
    }

    /// That a repository is archived, if it is.
    pub(crate) fn of_archived(is_archived: bool) -> Option<Self> {
        let next = "have it unarchived, or name another in `gitops.repository`";
        is_archived.then(|| Self::certain("it is archived, so nobody may push to it", next))
    }

    /// That it takes no pull requests, if that is known.
    pub(crate) fn of_closed(takes_them: Option<bool>, what: &str) -> Option<Self> {
        let is_closed = takes_them == Some(false);
        is_closed.then(|| {
            Self::certain(format!("{what} are switched off in it"), "switch them on in the repository's settings")
        })
    }

    /// That it cannot be merged in the way that is configured, if that is known; which ways there are instead.
    pub(crate) fn of_method(method: &str, ways: &[(&str, Option<bool>)]) -> Option<Self> {
        let is_barred = ways.iter().any(|(way, allowed)| *way == method && *allowed == Some(false));
        let others: Vec<_> =
            ways.iter().filter(|(_, allowed)| *allowed == Some(true)).map(|(way, _)| format!("`{way}`")).collect();
        let instead = if others.is_empty() {
            String::new()
        } else {
            format!("set `gitops.forge.merge_method` to {}, or ", others.join(" or "))
        };
        is_barred.then(|| {
            Self::certain(
                format!("it is not to be merged by `{method}` there"),
                format!("{instead}allow `{method}` in the repository's settings"),
            )
        })
    }
}

/// What was found by asking one question, for which it is enough to be answered.
///
/// # Errors
/// [`Later`] where nobody knows yet.
pub(crate) fn refused<T>(asked: Result<T>, next: &str) -> Result<Option<Fault>> {
    match asked {
        Ok(_) => Ok(None),
        Err(error) if error.is::<Later>() => Err(error),
        Err(error) => Ok(Some(Fault::certain(format!("{error:#}"), next))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_merge_is_barred_only_where_the_host_says_so() {
        let ways = [("merge", Some(false)), ("squash", Some(true)), ("rebase", None)];
        let next = |method: &str| Fault::of_method(method, &ways).map(|fault| fault.next);
        assert_eq!(next("squash"), None);
        assert_eq!(next("rebase"), None);
        let wanted = "set `gitops.forge.merge_method` to `squash`, or allow `merge` in the repository's settings";
        assert_eq!(next("merge").as_deref(), Some(wanted));
        let next = Fault::of_method("merge", &[("merge", Some(false))]).map(|fault| fault.next);
        assert_eq!(next.as_deref(), Some("allow `merge` in the repository's settings"));
    }
}
