//! A GitOps repository over SSH: who is let in, whose server it is, and what a line that breaks leaves behind.

use std::path::Path;

use bumper::Bumper;
use runtime::{Failure, Worker};
use testkit::sshd::SshServer;

use crate::world::{CONFIG, World, commit, deployments};

struct Line {
    world: World,
    ssh: SshServer,
}

impl Line {
    async fn new() -> Self {
        Self { world: World::new().await, ssh: SshServer::start().await.unwrap() }
    }

    /// A bumper that has this key and knows these servers.
    async fn bumper(&self, name: &str, key: &Path, known: &Path) -> Bumper {
        let url = self.ssh.url(&self.world.repo.path);
        let credentials = format!(
            "git: {{ credentials: [{{ url: \"{url}\", key: \"file:{}\", known_hosts: \"{}\" }}],",
            key.display(),
            known.display()
        );
        let config = CONFIG.replace("\"GITOPS\"", &format!("\"{url}\"")).replace("git: {", &credentials);
        self.world.another_bumper(&config, name).await
    }

    async fn let_in(&self, name: &str) -> Bumper {
        self.bumper(name, &self.ssh.key(), &self.ssh.known_hosts()).await
    }
}

#[tokio::test]
async fn a_key_is_let_in_and_its_bumps_are_there() {
    let line = Line::new().await;
    let a = commit('a');
    line.world.push_both(&a).await;
    let bumper = line.let_in("key").await;
    let outcomes = bumper.handle(&line.world.pushed("frontend", "main", None)).await.unwrap();
    let [deployment] = &deployments(&outcomes)[..] else { panic!("{outcomes:?}") };
    assert_eq!(deployment.revision.as_str(), line.world.repo.head());
    assert!(line.world.repo.text("staging/app.yaml").contains(a.as_str()));
}

#[tokio::test]
async fn a_strange_server_and_a_strange_key_are_refused_and_say_what_to_mend() {
    let line = Line::new().await;
    line.world.push_both(&commit('a')).await;
    let event = line.world.pushed("frontend", "main", None);
    let (key, known) = (line.ssh.key(), line.ssh.known_hosts());
    let missing = line.world.folder.join("nowhere");
    for (name, key, known, says) in [
        ("server", &key, &line.ssh.wrong_known_hosts(), "known_hosts"),
        ("stranger", &line.ssh.strange_key(), &known, "Permission denied"),
        ("no-key", &missing, &known, "nowhere"),
        ("no-known-hosts", &key, &missing, "known_hosts"),
    ] {
        let failure = line.bumper(name, key, known).await.handle(&event).await.unwrap_err();
        let shown = format!("{failure:?}");
        assert!(!matches!(failure, Failure::Transient(_)) || name.starts_with("no-"), "{name}: {shown}");
        assert!(shown.contains(says) && shown.contains("git.credentials") | name.starts_with("no-"), "{name}: {shown}");
    }
    assert_eq!(line.world.repo.count(), 1);
}

#[tokio::test]
async fn a_line_that_breaks_and_a_disk_that_is_full_leave_no_half_state() {
    let line = Line::new().await;
    line.world.push_both(&commit('a')).await;
    let event = line.world.pushed("frontend", "main", None);
    let bumper = line.let_in("breaks").await;
    let push = |then: &str| {
        format!(
            "case \"$SSH_ORIGINAL_COMMAND\" in git-receive-pack*) {then};; *) eval \"$SSH_ORIGINAL_COMMAND\";; esac"
        )
    };
    for (what, then) in [
        ("no answer at all", "exit 255"),
        ("cut before the pack", "head -c 200 | eval \"$SSH_ORIGINAL_COMMAND\""),
        ("cut within the pack", "head -c 400 | eval \"$SSH_ORIGINAL_COMMAND\""),
        ("no file may grow", "ulimit -f 0; eval \"$SSH_ORIGINAL_COMMAND\""),
    ] {
        line.ssh.open_with(&push(then)).unwrap();
        let failure = bumper.handle(&event).await.unwrap_err();
        assert!(matches!(failure, Failure::Transient(_)), "{what}: {failure:?}");
        assert_eq!(line.world.repo.count(), 1, "{what}");
        line.world.repo.git(&["fsck", "--strict", "--no-dangling"]);
    }
    line.ssh.open_with("").unwrap();
    assert_eq!(deployments(&bumper.handle(&event).await.unwrap()).len(), 1);
    assert_eq!(line.world.repo.count(), 2);
}
