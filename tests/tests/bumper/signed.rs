//! Commits that are signed when a key is given, as Git itself verifies them.

use std::{path::Path, process::Command};

use runtime::{Failure, Worker};
use testkit::folder::Folder;

use crate::world::{CONFIG, World, commit, deployments};

fn done(program: &str, args: &[&str], home: &Path) -> String {
    let output = Command::new(program).args(args).env("GNUPGHOME", home).output();
    let output = output.unwrap_or_else(|why| panic!("{program}: {why}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Deploys one commit to two environments at once, by a bumper that signs with this; both commits' ids.
async fn two_bumps(world: &World, key: &str) -> Vec<String> {
    let config = CONFIG.replace(", after: staging", "").replace("git: {", &format!("git: {{ sign: {{ {key} }},"));
    let bumper = world.another_bumper(&config, "signs").await;
    world.push_both(&commit('a')).await;
    let outcomes = bumper.handle(&world.pushed("frontend", "main", None)).await.unwrap();
    let bumps = deployments(&outcomes);
    assert_eq!(bumps.len(), 2, "{outcomes:?}");
    assert_eq!(world.repo.count(), 3);
    bumps.iter().map(|bump| bump.revision.to_string()).collect()
}

#[tokio::test]
async fn by_an_ssh_key() {
    let (world, keys) = (World::new().await, Folder::new("keys").unwrap());
    let (key, file) = (keys.join("key"), keys.join("key").display().to_string());
    done("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &file], keys.path());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let signers = keys.write("signers", &format!("hauler@example.org {public}")).unwrap();
    let allowed = format!("gpg.ssh.allowedSignersFile={}", signers.display());
    for revision in two_bumps(&world, &format!("ssh: \"file:{file}\"")).await {
        world.repo.git(&["-c", "gpg.format=ssh", "-c", &allowed, "verify-commit", &revision]);
        let message = world.repo.message(&revision);
        assert!(message.contains("Windlass-Event: "), "{message}");
    }
}

#[tokio::test]
async fn by_a_gpg_key() {
    let (world, home) = (World::new().await, Folder::new("gpg").unwrap());
    let home = home.path();
    let who = "Hauler <hauler@example.org>";
    done("gpg", &["--batch", "--passphrase", "", "--quick-gen-key", who, "ed25519", "sign", "never"], home);
    let armored = done("gpg", &["--batch", "--export-secret-keys", "--armor"], home);
    let file = home.join("exported");
    std::fs::write(&file, armored).unwrap();
    let path = world.repo.path.display().to_string();
    for revision in two_bumps(&world, &format!("gpg: \"file:{}\"", file.display())).await {
        done("git", &["-C", &path, "verify-commit", &revision], home);
    }
    done("gpgconf", &["--kill", "all"], home);
}

#[tokio::test]
async fn of_a_key_that_has_expired_gpgs_own_words_are_told_and_no_others() {
    let (world, home) = (World::new().await, Folder::new("gpg").unwrap());
    let home = home.path();
    let long_ago = ["--batch", "--passphrase", "", "--faked-system-time", "20200101T000000"];
    let made = ["--quick-gen-key", "Hauler <hauler@example.org>", "ed25519", "sign", "1d"];
    done("gpg", &[&long_ago[..], &made[..]].concat(), home);
    let file = home.join("exported");
    std::fs::write(&file, done("gpg", &["--batch", "--export-secret-keys", "--armor"], home)).unwrap();
    done("gpgconf", &["--kill", "all"], home);
    let sign = format!("git: {{ sign: {{ gpg: \"file:{}\" }},", file.display());
    let bumper = world.another_bumper(&CONFIG.replace("git: {", &sign), "expired").await;
    world.push_both(&commit('a')).await;
    let failure = bumper.handle(&world.pushed("frontend", "main", None)).await.unwrap_err();
    let Failure::Permanent(why) = failure else { panic!("{failure:?}") };
    let why = why.to_string();
    assert!(why.contains("Unusable secret key") && why.contains("expired"), "{why}");
    assert!(!["WARNING", "[GNUPG:]", "\n"].iter().any(|noise| why.contains(noise)), "{why}");
    assert_eq!(world.repo.count(), 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_said_and_nothing_is_pushed() {
    let (world, keys) = (World::new().await, Folder::new("keys").unwrap());
    let file = keys.write("key", "no key at all\n").unwrap();
    world.push_both(&commit('a')).await;
    for (n, kind) in ["ssh", "gpg"].into_iter().enumerate() {
        let sign = format!("git: {{ sign: {{ {kind}: \"file:{}\" }},", file.display());
        let bumper = world.another_bumper(&CONFIG.replace("git: {", &sign), &format!("none-{n}")).await;
        let failure = bumper.handle(&world.pushed("frontend", "main", None)).await.unwrap_err();
        let shown = format!("{failure:?}");
        assert!(shown.contains("git.sign"), "{kind}: {shown}");
    }
    assert_eq!(world.repo.count(), 1);
}
