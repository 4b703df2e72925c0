#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::exec::ExecError;

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
        let program = git().local(&self.path()).args(args.to_vec()).keep_stdout(10_000);
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

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|text| (*text).to_owned().try_into().unwrap()).collect();
    Guard::new(&config::Network { allow })
}

fn git() -> Git {
    Git::new(&config::Git::default(), &guard(&["127.0.0.1"]))
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
    git().run(git().local(into.path()).args(["init", "-q"]), "").await.unwrap();
    git().run(git().local(into.path()).args(["config", "protocol.version", "0"]), "").await.unwrap();
    git().checkout(&origin.url(), &first, into.path()).await.unwrap();
    assert_eq!(std::fs::read_to_string(into.path().join("a")).unwrap(), "first");
    let absent = CommitSha::new("b".repeat(40)).unwrap();
    let error = git().fetch(&origin.url(), &[&absent], into.path(), &["--depth=1"]).await.unwrap_err();
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
async fn what_differs_between_two_commits_is_listed_path_by_path() {
    let origin = Origin::new().await;
    let made = ["docs", "src/deep"].map(|folder| std::fs::create_dir_all(origin.path().join(folder)));
    assert!(made.iter().all(Result::is_ok));
    for name in ["docs/a", "src/deep/moves", "src/stays", "mode"] {
        std::fs::write(origin.path().join(name), name).unwrap();
    }
    let first = origin.commit("a", "first").await;
    origin.commit("a", "on the way").await;
    let back = origin.commit("a", "first").await;
    std::fs::rename(origin.path().join("src/deep/moves"), origin.path().join("docs/moved")).unwrap();
    std::fs::set_permissions(origin.path().join("mode"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"odd\n\xff\xc3\xbc");
    std::fs::write(origin.path().join::<&std::ffi::OsStr>(odd), "").unwrap();
    let last = origin.commit("docs/b", "last").await;
    // Whether the server leaves files out when asked to, or does not know how.
    for filter in ["false", "true"] {
        origin.git(&["config", "uploadpack.allowFilter", filter]).await;
        let changed = async |since: &CommitSha, commit: &CommitSha| {
            let within = tempfile::tempdir().unwrap();
            git().changed(&origin.url(), since, commit, within.path()).await.map(Option::unwrap)
        };
        let names = ["docs/b", "docs/moved", "mode", "odd\n\u{fffd}ü", "src/deep/moves"];
        assert_eq!(changed(&first, &last).await.unwrap(), names);
        assert_eq!(changed(&last, &first).await.unwrap(), names);
        assert_eq!(changed(&first, &back).await.unwrap(), Vec::<String>::new());
        let absent = CommitSha::new("b".repeat(40)).unwrap();
        let error = changed(&absent, &last).await.unwrap_err();
        assert!(matches!(&error, GitError::NoSuchCommit { commit, .. } if *commit == absent), "{error}");
    }
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
    for git_command in [git().local(folder.path()), git().remote(None, "http://127.0.0.1/").await.unwrap()] {
        let error = git().run(git_command.args(["ls-remote", "--", &url]), &url).await.unwrap_err();

        assert!(matches!(error, GitError::Refused { .. }), "{error}");
    }
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
        url: "https://127.0.0.1/acme/".to_owned(),
        username: "me".to_owned(),
        password: Some(format!("file:{}", token.display()).try_into().unwrap()),
        app: None,
        key: None,
        known_hosts: None,
    };
    let config = config::Git { credentials: vec![credential], ..config::Git::default() };
    let git = Git::new(&config, &guard(&["127.0.0.0/8"]));
    let header = async |url: &str| {
        let command = git.remote(None, url).await.unwrap().args(["config", "--get-urlmatch", "http.extraHeader", url]);
        String::from_utf8(command.keep_stdout(1000).run().await.unwrap().stdout).unwrap()
    };
    assert_eq!(
        header("https://127.0.0.1/acme/x.git").await.trim(),
        format!("Authorization: Basic {}", STANDARD.encode("me:hunter22"))
    );
    assert_eq!(header("https://127.0.0.1/other/x.git").await, "");
    assert_eq!(header("https://127.0.0.2/acme/x.git").await, "");
    let command = git.remote(None, "https://127.0.0.1/acme/x.git").await.unwrap();
    assert!(!format!("{command:?}").contains("hunter22"));
    std::fs::remove_file(&token).unwrap();
    let error = git.remote(None, "https://127.0.0.1/acme/x.git").await.unwrap_err();
    let of_secret = matches!(error, GitError::Program(ExecError::Secret { .. }));
    assert!(of_secret && error.to_string().contains("token"), "{error}");
}

/// A server that answers every request so, and what asked it.
fn server(address: &str, answer: String) -> (std::net::SocketAddr, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind(address).unwrap();
    let (at, (tell, asked)) = (listener.local_addr().unwrap(), std::sync::mpsc::channel());
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let n = socket.read(&mut head).unwrap_or_default();
            let _nobody_listens_any_more = tell.send(String::from_utf8_lossy(&head[..n]).into_owned());
            let _it_may_have_gone = socket.write_all(answer.as_bytes());
        }
    });
    (at, asked)
}

const GONE: &str = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_server_within_is_not_asked() {
    let (inside, asked) = server("127.0.0.2:0", GONE.to_owned());
    let commit = CommitSha::new("a".repeat(40)).unwrap();
    for host in ["127.0.0.2", "127.2", "0x7f000002", "[::ffff:127.0.0.2]"] {
        let (into, url) = (tempfile::tempdir().unwrap(), format!("http://{host}:{}/x.git", inside.port()));
        let error = git().checkout(&url, &commit, into.path()).await.unwrap_err();
        assert!(matches!(&error, GitError::Blocked(_)) && error.to_string().contains("`network.allow`"), "{error}");
    }
    assert!(asked.try_recv().is_err());
}

/// A name server that says where every name is.
struct At(std::net::IpAddr);

impl reqwest::dns::Resolve for At {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let found = std::net::SocketAddr::new(self.0, 0);
        Box::pin(async move { Ok(Box::new(std::iter::once(found)) as reqwest::dns::Addrs) })
    }
}

#[tokio::test]
async fn git_connects_to_what_was_checked_whatever_the_name_says_to_others() {
    let (public, asked) = server("127.0.0.1:0", GONE.to_owned());
    let guard = guard(&["127.0.0.1"]).with_names(Arc::new(At([127, 0, 0, 1].into())));
    let git = Git::new(&config::Git::default(), &guard);
    let commit = CommitSha::new("a".repeat(40)).unwrap();
    // No resolver of this machine's knows these, or knows them so; each is written as curl may read it otherwise.
    for host in ["rebinding.invalid", "Rebinding.invalid", "rebinding.invalid."] {
        let (into, url) = (tempfile::tempdir().unwrap(), format!("http://{host}:{}/x.git", public.port()));
        let error = git.checkout(&url, &commit, into.path()).await.unwrap_err();
        assert!(matches!(error, GitError::Refused { .. }), "{error}");
        assert!(
            asked.recv_timeout(Duration::from_secs(10)).unwrap().to_lowercase().contains("host: rebinding.invalid")
        );
    }
}

#[tokio::test]
async fn git_is_not_led_elsewhere_by_a_redirect() {
    let (inside, canary) = server("127.0.0.2:0", GONE.to_owned());
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: http://{inside}/x.git/info/refs\r\ncontent-length: 0\r\n\r\n");
    let (public, _asked) = server("127.0.0.1:0", moved);
    let (into, commit) = (tempfile::tempdir().unwrap(), CommitSha::new("a".repeat(40)).unwrap());
    let error = git().checkout(&format!("http://{public}/x.git"), &commit, into.path()).await.unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error}");
    assert!(canary.try_recv().is_err());
}
