//! GitOps repositories of kinds that are not met every day.

use std::process::Command;

use crate::world::*;

/// Makes the GitOps repository anew with these arguments of Git's, from wherever they say.
fn made_anew(world: &World, args: &[&str]) {
    let path = world.repo.path.display().to_string();
    std::fs::remove_dir_all(&path).unwrap();
    let made = Command::new("git").args(args).arg("--quiet").arg(&path).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    world.repo.git(&["config", "http.receivepack", "true"]);
}

#[tokio::test]
async fn one_that_names_things_by_sha256_is_written_to() {
    let world = World::new().await;
    made_anew(&world, &["init", "--bare", "--initial-branch=main", "--object-format=sha256"]);
    let first = world.repo.write(&[("staging/app.yaml", &world.manifest("v0"))]);
    assert_eq!(first.len(), 64);
    let deployed = world.deploy(&commit('a')).await;
    assert_eq!(deployed.revision.as_str(), world.repo.head());
    assert!(world.repo.text("staging/app.yaml").contains(commit('a').as_str()));
}

#[tokio::test]
async fn one_without_its_own_past_is_written_to() {
    let world = World::new().await;
    let whole = world.folder.join("whole.git");
    std::fs::rename(&world.repo.path, &whole).unwrap();
    std::fs::create_dir(&world.repo.path).unwrap();
    made_anew(&world, &["clone", "--bare", "--depth=1", &format!("file://{}", whole.display())]);
    for digit in ['a', 'b'] {
        let deployed = world.deploy(&commit(digit)).await;
        assert_eq!(deployed.revision.as_str(), world.repo.head());
        world.healthy(&deployed).await;
        // Others go on there as well.
        world.repo.write(&[("note", &digit.to_string())]);
    }
}

#[tokio::test]
async fn one_in_which_git_does_not_know_which_branch_is_meant_is_for_people_to_mend() {
    let world = World::new().await;
    world.push_both(&commit('a')).await;
    world.repo.git(&["update-ref", "refs/heads/refs/heads/main", "main"]);
    let event = world.pushed("frontend", "main", None);
    let why = world.refused(&event).await;
    assert!(why.contains("refs/heads/main matches more than one"), "{why}");
    world.repo.git(&["update-ref", "-d", "refs/heads/refs/heads/main"]);
    // A tag of the branch's name is no such.
    world.repo.git(&["tag", "main", "main"]);
    world.bump(&event).await;
    assert_ne!(world.repo.git(&["rev-parse", "refs/tags/main"]), world.repo.head());
}
