//! An environment whose files nobody can read while its pull request is open.

use super::hosted::{Hosted, Kind};
use crate::world::*;

#[tokio::test]
async fn files_that_break_while_a_pull_request_is_open_hold_up_their_environment_alone() {
    let hosted = Hosted::new(Kind::Github, "").await;
    let world = &hosted.world;
    let staging = hosted.merged('a').await;
    let (production, _) = world.waits(&verdict(&staging, true)).await;
    let whole = world.repo.text("production/app.yaml");
    world.repo.write(&[("production/app.yaml", "spec: [\n")]);
    assert!(world.refused(&production).await.contains("production/app.yaml"));

    let next = hosted.merged('b').await;
    assert_eq!((next.environment.as_str(), next.commit.as_ref()), ("staging", Some(&commit('b'))));
    let (back, why) = world.waits(&verdict(&next, false)).await;
    assert!(why.contains("the merge of"), "{why}");
    hosted.merge(hosted.last().number, "merge");
    assert_eq!(world.bump(&back).await.release, staging.release);
    // Once they are mended it is looked at as before.
    world.repo.write(&[("production/app.yaml", &whole)]);
    assert!(world.not_yet(&production).await.contains("the merge of"));
}
