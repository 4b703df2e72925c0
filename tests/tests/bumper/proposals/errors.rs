//! What one kind of host has and the others have not.

use super::hosted::{Host, Hosted, Kind};
use crate::world::*;

fn with_a_token_that_only_reads(hosted: &Hosted) {
    let Host::Other(forge) = &hosted.host else { panic!("GitHub's tokens are another matter") };
    hosted.set_token(&forge.token(false));
}

async fn refused(hosted: &Hosted) -> String {
    let (frontend, _) = hosted.world.push_both(&commit('a')).await;
    hosted.world.refused(&hosted.world.pushed("frontend", "main", Some(&frontend))).await
}

#[tokio::test]
async fn a_token_without_the_scope_is_told_with_the_scope_it_lacks() {
    for (kind, words, scope) in [
        (Kind::Gitlab, "requires higher privileges", "the scope `api`"),
        (Kind::Gitea, "does not have at least one of required scope(s)", "the scope `write:repository`"),
    ] {
        let hosted = Hosted::new(kind, "").await;
        with_a_token_that_only_reads(&hosted);
        let why = refused(&hosted).await;
        assert!(why.contains("403") && why.contains(words) && why.contains(scope), "{why}");
        assert!(why.contains("/token may "), "{why}");
    }
}

#[tokio::test]
async fn a_repository_that_the_token_may_not_see_is_said_not_to_be_there_and_what_to_check() {
    for kind in [Kind::Gitlab, Kind::Gitea] {
        let hosted = Hosted::new(kind, "").await;
        hosted.repository(|it| it.rename("somebody/else"));
        let why = refused(&hosted).await;
        assert!(why.contains("404") && why.contains("/token may use the "), "{why}");
    }
}

#[tokio::test]
async fn a_pipeline_of_an_earlier_commit_says_nothing_and_one_of_the_merge_to_come_does() {
    let hosted = Hosted::new(Kind::Gitlab, "merge: when_checks_pass").await;
    let (waiting, _) = hosted.proposed('a').await;
    let (head, main) = (hosted.last().head, hosted.world.repo.head());
    hosted.repository(|it| it.set_pipeline(&main, "success"));
    let (waiting, why) = hosted.settles(waiting).await;
    assert!(why.ends_with("of which none has begun"), "{why}");
    let tree = format!("{head}^{{tree}}");
    let to_come = hosted.world.repo.git(&["commit-tree", &tree, "-p", &main, "-p", &head, "-m", "Merge"]);
    hosted.repository(|it| it.set_pipeline(&to_come, "manual"));
    let (waiting, why) = hosted.settles(waiting).await;
    assert!(why.contains("the checks of") && !why.contains("none has begun"), "one that waits for somebody: {why}");
    hosted.repository(|it| it.set_pipeline(&to_come, "failed"));
    let (waiting, why) = hosted.settles(waiting).await;
    assert!(why.ends_with("failed there: pipeline"), "{why}");
    hosted.repository(|it| it.set_pipeline(&to_come, "success"));
    let deployment = hosted.world.bump(&waiting).await;
    assert_eq!(hosted.last().merged, Some(deployment.revision.to_string()));
}

#[tokio::test]
async fn a_token_goes_into_no_url() {
    for kind in [Kind::Gitlab, Kind::Gitea] {
        let hosted = Hosted::new(kind, "").await;
        hosted.merged('a').await;
        let Host::Other(forge) = &hosted.host else { unreachable!() };
        let (asked, token) = (forge.requests(), std::fs::read_to_string(hosted.secrets.join("token")).unwrap());
        assert!(asked.iter().any(|request| request.starts_with("POST ")), "{asked:?}");
        assert!(!asked.iter().any(|request| request.contains(&token) || request.contains("token=")), "{asked:?}");
    }
}
