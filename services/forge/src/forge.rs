//! One repository's pull requests, whatever hosts it.

use anyhow::{Context, Result, bail};
use proto::CommitSha;
use runtime::{
    config::{ForgeKind, Gitops},
    http::Guarded,
};
use url::Url;

use crate::{
    Checks, Draft, Fault, Gates, Merging, Pull, State, Wanted,
    access::Examined,
    gitea,
    github::{self, Api, Credentials, Rights},
    gitlab,
    pulls::Opens,
};

/// What it takes at GitHub.
const RIGHTS: Rights = Rights {
    token: "write pull requests and contents, and read checks and commit statuses (classic: `repo`)",
    app: "*Pull requests* and *Contents: read and write*, *Checks* and *Commit statuses: read*",
};

/// The pull requests of a repository, at its host.
pub enum Forge {
    /// GitHub, or a GitHub Enterprise Server.
    Github(Box<github::Pulls>),
    /// GitLab.
    Gitlab(gitlab::MergeRequests),
    /// Gitea or Forgejo.
    Gitea(gitea::Pulls),
}

impl Forge {
    /// That of a GitOps repository; `None` where it is asked as nobody. It asks once, and says when to ask again.
    ///
    /// # Errors
    /// When the configuration does not say what or where its host is, or the API's address may not be asked.
    pub fn new(gitops: &Gitops, gates: &Gates, http: &Guarded) -> Result<Option<Self>> {
        let Some(forge) = &gitops.forge else { return Ok(None) };
        let kind = gitops.forge_kind().context("`forge.kind`: nothing says what hosts the repository")?;
        let api = gitops.api().context("`forge.api`: nothing says where the API is")?;
        let project = gitops.project().context("`repository`: its URL names no repository of such a host")?;
        let http = http.client_for(&Url::parse(&api).context("`forge.api`: it is no URL")?)?;
        let token = || forge.token.clone().context("`forge.token`: nobody is asked without one");
        let method = forge.merge_method;
        Ok(Some(match kind {
            ForgeKind::Github => {
                let owner = format!("repos/{project}");
                let credentials = Credentials::new(forge.token.as_ref(), forge.app.as_ref(), Some(&owner), RIGHTS)?;
                let api = Api::new(&api, credentials, gates, http, |_, _| {}).at_once();
                Self::Github(Box::new(github::Pulls::new(api, project, method)))
            }
            ForgeKind::Gitlab => {
                Self::Gitlab(gitlab::MergeRequests::new(&api, token()?, &project, method, gates, http))
            }
            ForgeKind::Gitea => Self::Gitea(gitea::Pulls::new(&api, token()?, project, method, gates, http)),
        }))
    }

    /// What is in the way of this, as far as the host tells: who asks, what they may do, and how the repository is set.
    /// Nothing is changed.
    ///
    /// # Errors
    /// [`crate::Later`] where nobody can say now; else the host does not let one ask about the repository, and why.
    pub async fn faults(&self, wanted: &Wanted) -> Result<Vec<Fault>> {
        match self {
            Self::Github(pulls) => pulls.faults(wanted).await,
            Self::Gitlab(requests) => requests.faults(wanted).await,
            Self::Gitea(pulls) => pulls.faults(wanted).await,
        }
    }

    /// The open pull request of the draft's branch, saying what the draft says: the one that is there, or a new one.
    pub async fn open(&self, draft: &Draft) -> Result<Pull> {
        match self {
            Self::Github(pulls) => open(pulls.as_ref(), draft).await,
            Self::Gitlab(requests) => open(requests, draft).await,
            Self::Gitea(pulls) => open(pulls, draft).await,
        }
    }

    /// The pull request of this number with this page; `None` when there is none. Where a number is another's, as in
    /// another repository than it was opened in, its page is too.
    pub async fn get(&self, number: u64, url: &str) -> Result<Option<Pull>> {
        let found = match self {
            Self::Github(pulls) => pulls.get(number).await,
            Self::Gitlab(requests) => requests.get(number).await,
            Self::Gitea(pulls) => pulls.get(number).await,
        };
        Ok(found?.filter(|pull| pull.url == url))
    }

    /// Whether a branch of the repository's own is done with: none of its pull requests into the other is open, and the last
    /// one that was merged or closed had this commit at its head.
    pub async fn is_over(&self, branch: &str, into: &str, head: &CommitSha) -> Result<bool> {
        match self {
            Self::Github(pulls) => is_over(pulls.as_ref(), branch, into, head).await,
            Self::Gitlab(requests) => is_over(requests, branch, into, head).await,
            Self::Gitea(pulls) => is_over(pulls, branch, into, head).await,
        }
    }

    /// Closes it, if it is open, and says why at the top of it.
    pub async fn close(&self, pull: &Pull, why: &str) -> Result<()> {
        if pull.state != State::Open {
            return Ok(());
        }
        let body = format!("**Closed by Windlass:** {why}\n\n{}", pull.body);
        match self {
            Self::Github(pulls) => pulls.close(pull.number, &body).await,
            Self::Gitlab(requests) => requests.close(pull.number, &body).await,
            Self::Gitea(pulls) => pulls.close(pull.number, &body).await,
        }
    }

    /// Merges it in the configured way, if its head still is this commit.
    pub async fn merge(&self, number: u64, head: &CommitSha) -> Result<Merging> {
        match self {
            Self::Github(pulls) => pulls.merge(number, head).await,
            Self::Gitlab(requests) => requests.merge(number, head).await,
            Self::Gitea(pulls) => pulls.merge(number, head).await,
        }
    }

    /// What was said of a pull request's commit by checks, statuses and pipelines.
    pub async fn checks(&self, pull: &Pull, head: &CommitSha) -> Result<Checks> {
        match self {
            Self::Github(pulls) => pulls.checks(head).await,
            Self::Gitlab(requests) => requests.checks(pull, head).await,
            Self::Gitea(pulls) => pulls.checks(head).await,
        }
    }
}

async fn open(host: &impl Opens, draft: &Draft) -> Result<Pull> {
    if let Some(open) = host.find(&draft.branch, &draft.into).await? {
        return told(host, open, draft).await;
    }
    match host.make(draft).await? {
        Ok(made) => Ok(made),
        Err(why) => match host.find(&draft.branch, &draft.into).await? {
            Some(open) => told(host, open, draft).await,
            None => bail!(why),
        },
    }
}

async fn is_over(host: &impl Opens, branch: &str, into: &str, head: &CommitSha) -> Result<bool> {
    let last = host.last_head(branch, into).await?;
    Ok(last.as_ref() == Some(head) && host.find(branch, into).await?.is_none())
}

/// One that says what the draft says.
async fn told(host: &impl Opens, open: Pull, draft: &Draft) -> Result<Pull> {
    if open.title == draft.title && open.body == draft.body {
        return Ok(open);
    }
    host.tell(open.number, draft).await
}
