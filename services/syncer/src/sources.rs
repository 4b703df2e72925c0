//! Where an Application takes its manifests from, and which of that Windlass writes.

use proto::Branch;
use runtime::git::without_userinfo;
use serde::Deserialize;

/// One source of an Application.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Source {
    #[serde(rename = "repoURL")]
    repo_url: String,
    #[serde(rename = "targetRevision")]
    pub(crate) target_revision: String,
}

/// How near what a source names is to a branch; the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Near {
    /// It is the branch.
    It,
    /// It is the repository's default branch, whichever that is.
    Default,
    /// It is another branch, a tag, a commit.
    Other,
}

/// What Windlass writes: a repository and its branch.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) repository: &'a str,
    pub(crate) branch: &'a Branch,
}

impl Source {
    fn is_of(&self, repository: &str) -> bool {
        plain(&self.repo_url) == plain(repository)
    }

    /// By `targetRevision`: a branch, tag, commit or range; `HEAD`, or nothing, is the repository's default branch.
    fn near(&self, branch: &Branch) -> Near {
        let target = self.target_revision.as_str();
        match target.strip_prefix("refs/heads/").unwrap_or(target) {
            "" | "HEAD" => Near::Default,
            named if named == branch.as_str() => Near::It,
            _ => Near::Other,
        }
    }
}

impl Written<'_> {
    /// How near the sources of its repository come to the branch; `None` where none is of the repository.
    fn nearest<'s>(self, sources: impl Iterator<Item = &'s Source>) -> Option<Near> {
        sources.filter(|source| source.is_of(self.repository)).map(|source| source.near(self.branch)).min()
    }

    /// The sources with what each is to be synced to: those that are nearest to the branch to this revision, and any
    /// other to what it names itself.
    pub(crate) fn revisions(self, sources: &[Source], revision: &str) -> Vec<String> {
        let nearest = self.nearest(sources.iter());
        let is_ours = |s: &Source| s.is_of(self.repository) && Some(s.near(self.branch)) == nearest;
        let of = |s: &Source| if is_ours(s) { revision.to_owned() } else { s.target_revision.clone() };
        sources.iter().map(of).collect()
    }

    /// Why an Application of these sources would not see by itself what is written, if it would not.
    pub(crate) fn unseen<'s>(self, sources: impl Iterator<Item = &'s Source> + Clone) -> Option<String> {
        let repository = without_userinfo(self.repository);
        match self.nearest(sources.clone()) {
            Some(Near::It | Near::Default) => None,
            Some(Near::Other) => {
                let ours = sources.filter(|source| source.is_of(self.repository));
                let named: Vec<_> = ours.map(|source| format!("`{}`", source.target_revision)).collect();
                let (named, branch) = (named.join(", "), self.branch);
                Some(format!("it follows {named} of {repository}, and what is written is `{branch}`"))
            }
            None => {
                let named: Vec<_> = sources.map(|source| without_userinfo(&source.repo_url)).collect();
                let named = named.join(", ");
                (!named.is_empty()).then(|| format!("it follows {named}, and what is written is {repository}"))
            }
        }
    }
}

/// A repository's URL without what does not tell repositories apart.
fn plain(url: &str) -> String {
    let url = url.trim_end_matches('/').trim_end_matches(".git").to_ascii_lowercase();
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, rest)| rest).replace(':', "/")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const REPOSITORY: &str = "https://git.example/acme/gitops.git";

    fn sources(all: &[(&str, &str)]) -> Vec<Source> {
        let source = |(url, target): &(&str, &str)| Source {
            repo_url: (*url).to_owned(),
            target_revision: (*target).to_owned(),
        };
        all.iter().map(source).collect()
    }

    #[test]
    fn only_what_follows_the_environments_branch_is_brought_to_its_revision() {
        let branch = "live".parse().unwrap();
        let written = Written { repository: REPOSITORY, branch: &branch };
        let (same, chart) = ("git@git.example:acme/gitops", "https://charts.example");
        for (all, expected) in [
            // The chart's values on one branch of the repository, what is shared on another.
            (vec![(REPOSITORY, "live"), (same, "main"), (chart, "1.2")], vec!["new", "main", "1.2"]),
            (vec![(same, "refs/heads/live"), (same, "HEAD")], vec!["new", "HEAD"]),
            (vec![(same, ""), (same, "v1"), (chart, "live")], vec!["new", "v1", "live"]),
            // None is nearer than the other: as where it was moved to a branch by an operation before.
            (vec![(same, "main"), (same, "staging")], vec!["new", "new"]),
        ] {
            assert_eq!(written.revisions(&sources(&all), "new"), expected, "{all:?}");
        }
    }

    #[test]
    fn an_application_that_follows_something_else_is_told_from_one_that_may_follow_it() {
        let branch = "live".parse().unwrap();
        let unseen = |all: &[(&str, &str)]| {
            Written { repository: REPOSITORY, branch: &branch }.unseen(sources(all).iter()).unwrap_or_default()
        };
        for seen in
            [&[(REPOSITORY, "live")][..], &[(REPOSITORY, "HEAD")], &[(REPOSITORY, "main"), (REPOSITORY, "live")], &[]]
        {
            assert_eq!(unseen(seen), "", "{seen:?}");
        }
        let other = unseen(&[(REPOSITORY, "main")]);
        assert!(other.contains("follows `main` of") && other.ends_with("is `live`"), "{other}");
        let elsewhere = unseen(&[("https://me:hunter2@git.example/other", "live")]);
        assert!(elsewhere.contains("follows https://git.example/other,"), "{elsewhere}");
    }
}
