//! A bumper on a machine without a Git that can be held to the addresses that were checked.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

const CONFIG: &str = "
data: FOLDER/data
apps:
  shop:
    repository: acme/shop
    gitops: { repository: 'https://git.example/gitops.git' }
    environments: { staging: { path: staging, sync: { argocd: shop } } }
";

/// What the bumper says when it does not start. Nothing else is on its search path but what is in the folder `bin`.
async fn last_words(folder: &Path) -> String {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("windlass-bumper");
    assert!(program.is_file(), "{} is not built; run: cargo build --workspace --bins", program.display());
    let config = folder.join("windlass.yaml");
    std::fs::write(&config, CONFIG.replace("FOLDER", &folder.display().to_string())).unwrap();
    let mut command = Command::new(program);
    command.arg("--config").arg(config).args(["--set", "ops.listen=127.0.0.1:0"]).env("PATH", folder.join("bin"));
    let ended = command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).output();
    let ended = tokio::time::timeout(Duration::from_mins(1), ended).await.expect("it does not stay").unwrap();
    assert!(!ended.status.success());
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn without_a_git_that_obeys_it_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    let words = last_words(folder.path()).await;
    assert!(words.contains("`apps.shop.gitops.repository`") && words.contains("no program `git`"), "{words}");

    let git = folder.path().join("bin/git");
    std::fs::write(&git, "#!/bin/sh\necho git version 2.36.6\n").unwrap();
    std::fs::set_permissions(&git, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = last_words(folder.path()).await;
    assert!(words.contains("git is `2.36.6`") && words.contains("install git 2.37 or newer"), "{words}");
}
