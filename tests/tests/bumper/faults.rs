//! What may go wrong at a Git server, one list over HTTP with a password and over SSH with a key: each has its clear
//! outcome and leaves no half state, and once it is mended the same bump goes through.

use std::{net::TcpListener, path::PathBuf};

use bumper::Bumper;
use proto::Event;
use runtime::{Failure, Worker};
use testkit::{githttp::AtPush, sshd::SshServer};

use crate::world::{CONFIG, World, commit, deployments};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    WrongCredential,
    NoRightToPush,
    ProtectedBranch,
    HookDeclines,
    DiskFull,
    LineCut,
    AnswerLost,
    InternalError,
    Unavailable,
    LeadsElsewhere,
}

/// What comes of it: whether it is tried again by itself, and words that say what is wrong and where.
struct Outcome {
    again: bool,
    says: &'static [&'static str],
}

const FAULTS: [Fault; 10] = [
    Fault::WrongCredential,
    Fault::NoRightToPush,
    Fault::ProtectedBranch,
    Fault::HookDeclines,
    Fault::DiskFull,
    Fault::LineCut,
    Fault::AnswerLost,
    Fault::InternalError,
    Fault::Unavailable,
    Fault::LeadsElsewhere,
];

/// Writes fail as on a disk that is full, and kill nobody.
const NO_ROOM: &str = "trap '' XFSZ; ulimit -f 0";
const PASSWORD: &str = "hunter2-hunter2";

/// A way to the repository.
enum Way {
    Http,
    Ssh(SshServer),
}

/// A bumper that has a way to a repository, and a server beside it that nobody has a reason to ask.
struct Line {
    world: World,
    bumper: Bumper,
    way: Way,
    /// The password, or the key.
    credential: PathBuf,
    known_hosts: PathBuf,
    elsewhere: TcpListener,
}

impl Line {
    async fn over_http() -> Self {
        let world = World::new().await;
        world.git.require("windlass", PASSWORD);
        let url = world.repo.url.clone();
        let credential = world.folder.write("credential", PASSWORD).unwrap();
        let server = url.rsplit_once('/').unwrap().0;
        let access = format!("url: \"{server}\", username: windlass, password: \"file:{}\"", credential.display());
        Self::new(world, Way::Http, &url, &access, credential).await
    }

    async fn over_ssh() -> Self {
        let (world, ssh) = (World::new().await, SshServer::start().await.unwrap());
        let url = ssh.url(&world.repo.path);
        let credential = world.folder.write("credential", &std::fs::read_to_string(ssh.key()).unwrap()).unwrap();
        let known = world.folder.write("known", &std::fs::read_to_string(ssh.known_hosts()).unwrap()).unwrap();
        let access =
            format!("url: \"{url}\", key: \"file:{}\", known_hosts: \"{}\"", credential.display(), known.display());
        Self::new(world, Way::Ssh(ssh), &url, &access, credential).await
    }

    async fn new(world: World, way: Way, url: &str, access: &str, credential: PathBuf) -> Self {
        let config = CONFIG.replace("\"GITOPS\"", &format!("\"{url}\""));
        let config = config.replace("git: {", &format!("git: {{ credentials: [{{ {access} }}],"));
        let bumper = world.another_bumper(&config, "line").await;
        let (known_hosts, elsewhere) = (world.folder.join("known"), TcpListener::bind("127.0.0.2:0").unwrap());
        elsewhere.set_nonblocking(true).unwrap();
        Self { world, bumper, way, credential, known_hosts, elsewhere }
    }

    fn breaks(&self, fault: Fault) {
        let hook = |name: &str, script: &str| self.world.repo.hook(name, script);
        match fault {
            Fault::ProtectedBranch => hook("update", "echo 'GL-1: main is protected: ask mona' >&2; exit 1"),
            Fault::HookDeclines => hook("pre-receive", "echo 'GL-2: frozen until Monday' >&2; exit 1"),
            Fault::AnswerLost => hook("post-receive", "kill -9 $PPID"),
            _ => match &self.way {
                Way::Http => self.breaks_http(fault),
                Way::Ssh(ssh) => self.breaks_ssh(ssh, fault),
            },
        }
    }

    fn breaks_http(&self, fault: Fault) {
        let at_push = match fault {
            Fault::WrongCredential => return std::fs::write(&self.credential, "wrong-wrong-wrong").unwrap(),
            Fault::NoRightToPush => AtPush::Status(403),
            Fault::DiskFull => AtPush::After(NO_ROOM.to_owned()),
            Fault::LineCut => AtPush::Cut,
            Fault::InternalError => AtPush::Status(500),
            Fault::Unavailable => AtPush::Status(503),
            Fault::LeadsElsewhere => AtPush::Redirect(format!("http://{}/x.git", self.elsewhere.local_addr().unwrap())),
            Fault::ProtectedBranch | Fault::HookDeclines | Fault::AnswerLost => unreachable!(),
        };
        self.world.git.at_push(Some(at_push));
    }

    fn breaks_ssh(&self, ssh: &SshServer, fault: Fault) {
        let instead = match fault {
            Fault::WrongCredential => {
                std::fs::copy(ssh.strange_key(), &self.credential).unwrap();
                return;
            }
            Fault::LeadsElsewhere => {
                std::fs::copy(ssh.wrong_known_hosts(), &self.known_hosts).unwrap();
                return;
            }
            Fault::NoRightToPush => {
                "echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2; exit 1".to_owned()
            }
            Fault::DiskFull => format!("{NO_ROOM}; eval \"$SSH_ORIGINAL_COMMAND\""),
            // What holds the connection is killed.
            Fault::LineCut => "{ head -c 400; kill -9 $PPID; } | eval \"$SSH_ORIGINAL_COMMAND\"".to_owned(),
            Fault::InternalError => "echo 'fatal: internal error' >&2; exit 128".to_owned(),
            Fault::Unavailable => "exit 255".to_owned(),
            Fault::ProtectedBranch | Fault::HookDeclines | Fault::AnswerLost => unreachable!(),
        };
        let other = "*) eval \"$SSH_ORIGINAL_COMMAND\"";
        ssh.open_with(&format!("case \"$SSH_ORIGINAL_COMMAND\" in git-receive-pack*) {instead};; {other};; esac"))
            .unwrap();
    }

    fn mends(&self) {
        for hook in ["update", "pre-receive", "post-receive"] {
            let _there_may_be_none = std::fs::remove_file(self.world.repo.path.join("hooks").join(hook));
        }
        match &self.way {
            Way::Http => {
                self.world.git.at_push(None);
                std::fs::write(&self.credential, PASSWORD).unwrap();
            }
            Way::Ssh(ssh) => {
                ssh.open_with("").unwrap();
                std::fs::copy(ssh.key(), &self.credential).unwrap();
                std::fs::copy(ssh.known_hosts(), &self.known_hosts).unwrap();
            }
        }
    }

    fn outcome(&self, fault: Fault) -> Outcome {
        let is_http = matches!(self.way, Way::Http);
        let (again, says): (_, &[&str]) = match fault {
            Fault::WrongCredential if is_http => {
                (false, &["git.credentials", "a password, or others than it was given"])
            }
            Fault::WrongCredential => (false, &["git.credentials", "Permission denied"]),
            Fault::NoRightToPush if is_http => (false, &["git.credentials", "403"]),
            Fault::NoRightToPush => (false, &["git.credentials", "marked as read only"]),
            Fault::ProtectedBranch => (false, &["hook declined", "GL-1: main is protected: ask mona"]),
            Fault::HookDeclines => (false, &["pre-receive hook declined", "GL-2: frozen until Monday"]),
            Fault::DiskFull => (true, &["unpacker error", "File too large"]),
            Fault::LineCut | Fault::AnswerLost => (true, &["cannot be reached"]),
            Fault::InternalError if is_http => (true, &["cannot be reached", "500"]),
            Fault::Unavailable if is_http => (true, &["cannot be reached", "503"]),
            Fault::InternalError => (true, &["internal error"]),
            Fault::Unavailable => (true, &[]),
            Fault::LeadsElsewhere if is_http => (false, &["git.credentials", "302"]),
            Fault::LeadsElsewhere => (false, &["compare its key with the one in `known_hosts`"]),
        };
        Outcome { again, says }
    }

    /// Something breaks, is told, and is mended.
    async fn goes_through(&self, fault: Fault, event: &Event) {
        let (repo, begun) = (&self.world.repo, self.world.repo.head());
        let Outcome { again, says } = self.outcome(fault);
        self.breaks(fault);
        let failure = self.bumper.handle(event).await.expect_err(&format!("{fault:?} goes unnoticed"));
        let words = failure.to_string();
        assert_eq!(matches!(failure, Failure::Transient(_)), again, "{fault:?}: {failure:?}");
        for part in [&["GitOps repository "], says].concat() {
            assert!(words.contains(part), "{fault:?}: no `{part}` in: {words}");
        }
        assert!(!words.contains(PASSWORD), "{fault:?}: {words}");
        assert!(self.elsewhere.accept().is_err(), "{fault:?}: somebody else was asked");
        // The push itself had arrived where only its answer was lost.
        let arrived = usize::from(fault == Fault::AnswerLost);
        let since = |from: &str| repo.git(&["rev-list", "--count", &format!("{from}..main")]).parse::<usize>().unwrap();
        assert_eq!(since(&begun), arrived, "{fault:?}");
        repo.git(&["fsck", "--strict", "--no-dangling"]);

        self.mends();
        let outcomes = self.bumper.handle(event).await.unwrap_or_else(|why| panic!("{fault:?}, mended: {why:?}"));
        let [deployment] = &deployments(&outcomes)[..] else { panic!("{fault:?}, mended: {outcomes:?}") };
        assert_eq!(deployment.revision.as_str(), repo.head(), "{fault:?}");
        assert_eq!((since(&begun), repo.git(&["rev-parse", "main^"])), (1, begun), "{fault:?}");
    }
}

async fn every_fault(line: Line) {
    for (fault, digit) in FAULTS.into_iter().zip("0123456789".chars()) {
        let (frontend, _) = line.world.push_both(&commit(digit)).await;
        line.goes_through(fault, &line.world.pushed("frontend", "main", Some(&frontend))).await;
        let text = line.world.repo.text("staging/app.yaml");
        assert_eq!(text.matches(commit(digit).as_str()).count(), 2, "{fault:?}: {text}");
    }
    let repo = &line.world.repo;
    assert_eq!(repo.git(&["rev-list", "--count", "--merges", "main"]), "0");
    assert_eq!(repo.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
}

#[tokio::test]
async fn over_http_with_a_password_each_fault_is_clear_and_the_bump_goes_through_once_it_is_mended() {
    every_fault(Line::over_http().await).await;
}

#[tokio::test]
async fn over_ssh_with_a_key_each_fault_is_clear_and_the_bump_goes_through_once_it_is_mended() {
    every_fault(Line::over_ssh().await).await;
}
