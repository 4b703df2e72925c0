//! Pull requests by a GitHub App: the token of its installation, for Git and for the API alike.

use std::time::Duration;

use bumper::Bumper;
use forge::{Forge, Gates};
use runtime::Failure;

use super::hosted::Hosted;

#[tokio::test]
async fn one_token_pushes_the_branch_and_opens_and_merges_the_pull_request() {
    let (hosted, github) = Hosted::by_app("merge: when_checks_pass").await;
    let (waiting, _) = hosted.proposed('a').await;
    let pull = hosted.last();
    assert_eq!(pull.branch, "windlass/shop/staging");
    hosted.check(&pull.head, "unit", Some("success"));
    let waiting = hosted.lands(waiting).await;
    let deployment = hosted.world.bump(&waiting).await;
    assert_eq!(hosted.last().merged, Some(deployment.revision.to_string()));
    assert_eq!(github.requests().tokens, 1);
}

#[tokio::test]
async fn a_token_that_is_taken_back_meanwhile_is_made_anew_and_the_question_asked_again() {
    let (mut hosted, github) = Hosted::by_app("").await;
    let (waiting, _) = hosted.proposed('a').await;
    github.revoke_tokens();
    assert!(hosted.world.not_yet(&waiting).await.contains("the merge of"));
    assert_eq!(github.requests().tokens, 2, "one more, for both");
    hosted.merge(hosted.last().number, "merge");
    github.revoke_tokens();
    // Another process begins with Git, which is given another at its next try.
    hosted.world.bumper = Bumper::new(&hosted.world.context).unwrap();
    let failure = hosted.world.handle(&waiting).await.unwrap_err();
    assert!(matches!(&failure, Failure::Transient(why) if why.to_string().contains("at the next try")), "{failure:?}");
    hosted.world.bump(&waiting).await;
    assert_eq!(github.requests().tokens, 3);
}

#[tokio::test]
async fn of_many_that_are_refused_at_once_each_is_answered_and_one_token_is_made() {
    let (hosted, github) = Hosted::by_app("").await;
    hosted.proposed('a').await;
    let (pull, context) = (hosted.last().number, &hosted.world.context);
    let url = format!("https://github.example/acme/gitops/pull/{pull}");
    let gitops = context.config.apps[&"shop".parse().unwrap()].gitops.as_ref().unwrap();
    let gates = Gates::sharing(context.git.installations());
    let forges: Vec<_> = (0..3).map(|_| Forge::new(gitops, &gates, &context.http).unwrap().unwrap()).collect();
    for _ in 0..2 {
        let asked = futures_util::future::join_all(forges.iter().map(|forge| forge.get(pull, &url))).await;
        assert!(asked.iter().all(|pull| pull.as_ref().is_ok_and(Option::is_some)), "{asked:?}");
        github.revoke_tokens();
    }
    let asked = futures_util::future::join_all(forges.iter().map(|forge| forge.get(pull, &url))).await;
    assert!(asked.iter().all(|pull| pull.as_ref().is_ok_and(Option::is_some)), "{asked:?}");
    assert_eq!(github.requests().tokens, 3);
}

#[tokio::test]
async fn a_token_that_ends_before_it_would_be_used_is_not_used() {
    let (hosted, github) = Hosted::by_app("").await;
    github.token_life(Duration::from_secs(30));
    let (waiting, _) = hosted.proposed('a').await;
    let before = github.requests().tokens;
    assert!(before > 1, "{before}");
    github.token_life(Duration::from_hours(1));
    hosted.world.not_yet(&waiting).await;
    hosted.world.not_yet(&waiting).await;
    assert_eq!(github.requests().tokens, before + 1);
}

#[tokio::test]
async fn an_app_that_is_not_installed_there_is_told_with_what_to_do() {
    let (hosted, github) = Hosted::by_app("").await;
    let (waiting, _) = hosted.proposed('a').await;
    let app = github.app("Iv23li", &["repos/acme/other"]).await.unwrap();
    std::fs::write(hosted.secrets.join("key.pem"), app.private_key).unwrap();
    github.revoke_tokens();
    let why = hosted.world.refused(&waiting).await;
    assert!(why.contains("the App is not installed on repos/acme/gitops (404 Not Found); install it there"), "{why}");
}

#[tokio::test]
async fn github_in_trouble_when_a_token_is_asked_for_is_asked_again_later() {
    let (hosted, github) = Hosted::by_app("").await;
    let (waiting, _) = hosted.proposed('a').await;
    github.revoke_tokens();
    github.fail_next(1, 502);
    // The question itself is refused; what is in trouble is the first for another token.
    let failure = hosted.world.handle(&waiting).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Transient(why) if why.to_string().contains("the token of the App")),
        "{failure:?}"
    );
    assert!(hosted.world.not_yet(&waiting).await.contains("the merge of"));
}
