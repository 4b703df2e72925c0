#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use super::*;

/// A repository on disk, with an environment as clean as the one under test.
struct Origin {
    folder: tempfile::TempDir,
}

impl Origin {
    async fn new() -> Self {
        let origin = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(origin.path()).unwrap();
        origin.git(&["init", "-q", "."]).await;
        origin
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("origin")
    }

    fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    async fn git(&self, args: &[&str]) -> String {
        let program = git().command(Some(&self.path()), None).args(args.to_vec()).keep_stdout(10_000);
        let finished = program.run().await.unwrap();
        assert!(finished.succeeded(), "{args:?}: {}", finished.tail);
        String::from_utf8(finished.stdout).unwrap().trim().to_owned()
    }

    async fn commit(&self, name: &str, text: &str) -> CommitSha {
        std::fs::write(self.path().join(name), text).unwrap();
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", text]).await;
        CommitSha::new(self.git(&["rev-parse", "HEAD"]).await).unwrap()
    }
}

fn git() -> Git {
    Git::new(&config::Git::default())
}

#[tokio::test]
async fn the_exact_commit_is_checked_out() {
    let origin = Origin::new().await;
    let first = origin.commit("a", "first").await;
    let second = origin.commit("a", "second").await;
    for (commit, text) in [(&first, "first"), (&second, "second")] {
        let into = tempfile::tempdir().unwrap();
        git().checkout(&origin.url(), commit, into.path()).await.unwrap();
        assert_eq!(std::fs::read_to_string(into.path().join("a")).unwrap(), text);
    }
}

#[tokio::test]
async fn an_old_server_is_asked_for_its_branches() {
    let origin = Origin::new().await;
    let first = origin.commit("a", "first").await;
    origin.commit("a", "second").await;
    // Protocol 0 gives nothing that no ref names, unless it is told to.
    let into = tempfile::tempdir().unwrap();
    git().run(git().command(Some(into.path()), None).args(["init", "-q"]), "").await.unwrap();
    git().run(git().command(Some(into.path()), None).args(["config", "protocol.version", "0"]), "").await.unwrap();
    git().checkout(&origin.url(), &first, into.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(into.path().join("a")).unwrap(), "first");
    let absent = CommitSha::new("b".repeat(40)).unwrap();
    let error = git().fetch_commit(&origin.url(), &absent, into.path()).await.unwrap_err();
    assert!(matches!(error, GitError::NoSuchCommit { .. }), "{error}");
}

#[tokio::test]
async fn a_commit_that_is_not_there_is_named() {
    let origin = Origin::new().await;
    origin.commit("a", "first").await;
    let absent = CommitSha::new("b".repeat(40)).unwrap();
    let into = tempfile::tempdir().unwrap();
    let error = git().checkout(&origin.url(), &absent, into.path()).await.unwrap_err();
    assert!(matches!(&error, GitError::NoSuchCommit { commit, .. } if *commit == absent), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn no_hook_and_no_filter_of_the_repository_runs() {
    let origin = Origin::new().await;
    let mark = origin.folder.path().join("ran");
    origin.commit(".gitattributes", "* filter=evil\n").await;
    let commit = origin.commit("a", "x").await;
    let into = tempfile::tempdir().unwrap();
    let hooks = into.path().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    let hook = hooks.join("post-checkout");
    std::fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    git().checkout(&origin.url(), &commit, into.path()).await.unwrap();
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_symlink_stays_one() {
    let origin = Origin::new().await;
    std::os::unix::fs::symlink("/etc/passwd", origin.path().join("link")).unwrap();
    let commit = origin.commit("a", "x").await;
    let into = tempfile::tempdir().unwrap();
    git().checkout(&origin.url(), &commit, into.path()).await.unwrap();
    assert_eq!(std::fs::read_link(into.path().join("link")).unwrap(), Path::new("/etc/passwd"));
}

#[tokio::test]
async fn a_url_that_is_an_option_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran");
    let commit = CommitSha::new("a".repeat(40)).unwrap();
    for url in [format!("--upload-pack=touch {}", mark.display()), format!("ext::touch {}", mark.display())] {
        let into = tempfile::tempdir().unwrap();
        let error = git().checkout(&url, &commit, into.path()).await.unwrap_err();
        assert!(matches!(error, GitError::BadUrl { .. }), "{error}");
    }
    // Were it to slip through, Git itself is told to refuse it.
    let url = format!("ext::touch {}", mark.display());
    let error = git().run(git().command(None, Some(&url)).args(["ls-remote", "--", &url]), &url).await.unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error}");
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_repository_that_is_away_is_transient_and_one_that_is_not_there_is_not() {
    let commit = CommitSha::new("a".repeat(40)).unwrap();
    let into = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = git().checkout(&format!("http://127.0.0.1:{port}/x.git"), &commit, into.path()).await.unwrap_err();
    assert!(matches!(error, GitError::Unreachable { .. }), "{error}");
    let url = format!("file://{}/none", into.path().display());
    let error = git().checkout(&url, &commit, into.path()).await.unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn credentials_travel_in_the_environment_and_only_to_their_server() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "hunter22\n").unwrap();
    let credential = config::GitCredential {
        url: "https://host/acme/".to_owned(),
        username: "me".to_owned(),
        password: format!("file:{}", token.display()).try_into().unwrap(),
    };
    let git = Git::new(&config::Git { credentials: vec![credential], author: config::GitAuthor::default() });
    let header = |url: &'static str| {
        let command = git.command(None, Some(url)).args(["config", "--get-urlmatch", "http.extraHeader", url]);
        async move { String::from_utf8(command.keep_stdout(1000).run().await.unwrap().stdout).unwrap() }
    };
    assert_eq!(
        header("https://host/acme/x.git").await.trim(),
        format!("Authorization: Basic {}", STANDARD.encode("me:hunter22"))
    );
    assert_eq!(header("https://host/other/x.git").await, "");
    assert_eq!(header("https://other/acme/x.git").await, "");
    assert!(!format!("{:?}", git.command(None, Some("https://host/acme/x.git"))).contains("hunter22"));
    std::fs::remove_file(&token).unwrap();
    let error = git.command(None, Some("https://host/acme/x.git")).arg("version").run().await.unwrap_err();
    assert!(matches!(error, ExecError::Secret { .. }) && error.to_string().contains("token"), "{error}");
}
