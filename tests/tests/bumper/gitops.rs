//! The GitOps repository, seen from its server's disk: what others write there, and what the bumper wrote.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use proto::EventId;
use testkit::{folder::Folder, githttp::GitServer};

/// A bare repository on the Git server, seen from its own disk.
pub(crate) struct Repo {
    pub(crate) url: String,
    pub(crate) path: PathBuf,
    scratch: Folder,
}

impl Repo {
    pub(crate) async fn new(server: &GitServer, name: &str) -> Self {
        let url = server.create(name).await.unwrap();
        Self { url, path: server.path(name), scratch: Folder::new("scratch").unwrap() }
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git_with(&self.path, args, b"", &self.path.join("index"))
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "refs/heads/main"])
    }

    pub(crate) fn show(&self, at: &str, path: &str) -> Vec<u8> {
        let output =
            Command::new("git").current_dir(&self.path).args(["show", &format!("{at}:{path}")]).output().unwrap();
        assert!(output.status.success(), "{path} at {at}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.show("main", path)).unwrap()
    }

    pub(crate) fn count(&self) -> usize {
        self.git(&["rev-list", "--count", "main"]).parse().unwrap()
    }

    pub(crate) fn message(&self, at: &str) -> String {
        self.git(&["show", "-s", "--format=%B", at])
    }

    /// Somebody else's commit on top of what is there.
    pub(crate) fn write(&self, files: &[(&str, &str)]) -> String {
        self.write_to("main", files)
    }

    /// The same on this branch.
    pub(crate) fn write_to(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let entries: Vec<_> = files.iter().map(|(path, text)| (*path, "100644", text.as_bytes())).collect();
        self.try_write_entries(branch, &entries).expect("somebody else wrote at the same time")
    }

    pub(crate) fn write_entries(&self, entries: &[(&str, &str, &[u8])]) -> String {
        self.try_write_entries("main", entries).expect("somebody else wrote at the same time")
    }

    /// The same, unless somebody else was faster.
    pub(crate) fn try_write(&self, path: &str, text: &str) -> Option<String> {
        self.try_write_entries("main", &[(path, "100644", text.as_bytes())])
    }

    fn try_write_entries(&self, branch: &str, entries: &[(&str, &str, &[u8])]) -> Option<String> {
        let own_index = self.scratch.join(&EventId::fresh().to_string());
        let run = |args: &[&str], input: &[u8]| git_with(&self.path, args, input, &own_index);
        let branch = format!("refs/heads/{branch}");
        let mut tip = Command::new("git");
        let tip = tip.current_dir(&self.path).args(["rev-parse", "-q", "--verify", &branch]).output().unwrap();
        let parent = String::from_utf8(tip.stdout).unwrap().trim().to_owned();
        if !parent.is_empty() {
            run(&["read-tree", &parent], b"");
        }
        let mut objects: BTreeMap<&[u8], String> = BTreeMap::new();
        let mut index = String::new();
        for (path, mode, bytes) in entries {
            let object = match *mode {
                "160000" => String::from_utf8(bytes.to_vec()).unwrap(),
                _ => objects.entry(bytes).or_insert_with(|| run(&["hash-object", "-w", "--stdin"], bytes)).clone(),
            };
            write!(index, "{mode} {object}\t{path}\0").unwrap();
        }
        run(&["update-index", "-z", "--index-info"], index.as_bytes());
        let tree = run(&["write-tree"], b"");
        let mut args = vec!["commit-tree", &tree, "-m", "by hand"];
        if !parent.is_empty() {
            args.extend(["-p", &parent]);
        }
        let new = run(&args, b"");
        // Where there is no parent there must be no branch, which Git takes an empty text for.
        let moved = Command::new("git").current_dir(&self.path).args(["update-ref", &branch, &new, &parent]).output();
        moved.unwrap().status.success().then_some(new)
    }

    /// Has the server run this when something is pushed.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path.join("hooks").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn git_with(dir: &Path, args: &[&str], input: &[u8], index: &Path) -> String {
    use std::{io::Write as _, process::Stdio};
    let who = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
    let mut command = Command::new("git");
    command.current_dir(dir).args(args).envs(who.map(|name| (name, "by@hand"))).env("GIT_INDEX_FILE", index);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
