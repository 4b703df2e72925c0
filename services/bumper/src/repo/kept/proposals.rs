//! The branches that pull requests are opened for.

use proto::{CommitSha, EnvironmentName};
use runtime::git::MOST_PATHS;

use super::{Kept, Pushed, Trouble};
use crate::commit;

impl Kept {
    /// Brings the branch up to date; its head, and that of this other one where that is there.
    pub(in crate::repo) async fn fetch_with(&self, other: &str) -> Result<(CommitSha, Option<CommitSha>), Trouble> {
        // A pattern, since a branch by its name alone would be an error where it is not there.
        let own = self.own("proposals");
        let refspec = format!("+refs/heads/{other}*:{own}/{other}*");
        let head = self.bring(&["--prune"], Some(refspec)).await?;
        let there = self.id_of(&format!("{own}/{other}")).await?;
        Ok((head, there))
    }

    /// Pushes a commit to another branch in place of what was there, if that still is.
    pub(in crate::repo) async fn replace(
        &self,
        commit: &CommitSha,
        branch: &str,
        there: Option<&CommitSha>,
    ) -> Result<Pushed, Trouble> {
        let there = there.map(CommitSha::as_str).unwrap_or_default();
        let lease = format!("--force-with-lease=refs/heads/{branch}:{there}");
        self.push_to(commit, branch, Some(lease)).await
    }

    /// The last commit that two have in common; none when they have nothing, or several of which none is the last: what
    /// differs from one of those is not what a merge makes.
    pub(in crate::repo) async fn base(&self, one: &CommitSha, other: &CommitSha) -> Result<Option<CommitSha>, Trouble> {
        let ask = self.local().args(["merge-base", "--all", one.as_str(), other.as_str()]).keep_stdout(16 * 1024);
        let text = ask.run().await?.stdout;
        Ok(CommitSha::new(String::from_utf8_lossy(&text).trim()).ok())
    }

    /// The paths that differ between two commits.
    pub(in crate::repo) async fn differing(
        &self,
        since: &CommitSha,
        commit: &CommitSha,
    ) -> Result<Vec<String>, Trouble> {
        let paths = self.git.differing(&self.url, since, commit, &self.folder).await?;
        let too_many = || Trouble::Refused(format!("more than {MOST_PATHS} bytes of paths differ since {since}"));
        paths.ok_or_else(too_many)
    }

    /// Whether Windlass made this commit for an environment.
    pub(in crate::repo) async fn is_ours(
        &self,
        commit: &CommitSha,
        environment: &EnvironmentName,
    ) -> Result<bool, Trouble> {
        let show = self.local().args(["show", "--no-patch", "--format=%B", commit.as_str(), "--"]);
        let message = self.printed(show, 1024 * 1024).await?;
        Ok(commit::is_ours(&String::from_utf8_lossy(&message), environment))
    }

    async fn id_of(&self, reference: &str) -> Result<Option<CommitSha>, Trouble> {
        let parse = self.local().args(["rev-parse", "--verify", "--quiet", &format!("{reference}^{{commit}}")]);
        let text = parse.keep_stdout(200).run().await?.stdout;
        Ok(CommitSha::new(String::from_utf8_lossy(&text).trim()).ok())
    }
}
