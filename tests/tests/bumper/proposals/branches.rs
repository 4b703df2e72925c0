//! Pull requests into the branches of different environments.

use proto::BumpReason;

use super::hosted::{Hosted, Kind};
use crate::world::*;

#[tokio::test]
async fn each_is_opened_into_its_environments_branch_and_merged_there() {
    for kind in [Kind::Github, Kind::Gitlab, Kind::Gitea] {
        let config = CONFIG.replace("path: production/app.yaml,", "path: production/app.yaml, branch: env/live,");
        let hosted = Hosted::with(kind, &config, "").await;
        let (world, repo) = (&hosted.world, &hosted.world.repo);
        repo.git(&["update-ref", "refs/heads/env/live", "refs/heads/main"]);
        let staging = hosted.merged('a').await;
        assert_eq!((hosted.last().into.as_str(), staging.branch.as_str()), ("main", "main"));
        let (waiting, _) = world.waits(&verdict(&staging, true)).await;
        let pull = hosted.last();
        assert_eq!((pull.branch.as_str(), pull.into.as_str()), ("windlass/shop/production", "env/live"));
        let merged = hosted.merge(pull.number, "squash");
        let production = world.bump(&waiting).await;
        assert_eq!((production.branch.as_str(), production.revision.as_str()), ("env/live", merged.as_str()));
        world.healthy(&production).await;
        // What is bad is taken back there too.
        let staging = hosted.merged('b').await;
        let (waiting, _) = world.waits(&verdict(&staging, true)).await;
        hosted.merge(hosted.last().number, "merge");
        let bad = world.bump(&waiting).await;
        let (waiting, _) = world.waits(&verdict(&bad, false)).await;
        let pull = hosted.last();
        assert_eq!((pull.branch.as_str(), pull.into.as_str()), ("windlass/shop/production.rollback", "env/live"));
        hosted.merge(pull.number, "rebase");
        let back = world.bump(&waiting).await;
        assert_eq!((back.reason, &back.release), (BumpReason::Rollback, &production.release));
        assert_eq!(back.revision.as_str(), repo.git(&["rev-parse", "refs/heads/env/live"]));
    }
}

#[tokio::test]
async fn none_is_merged_into_another_branch_than_its_environments() {
    for kind in [Kind::Github, Kind::Gitlab, Kind::Gitea] {
        let hosted = Hosted::new(kind, "merge: when_checks_pass").await;
        let repo = &hosted.world.repo;
        repo.git(&["update-ref", "refs/heads/release", "refs/heads/main"]);
        let (waiting, _) = hosted.proposed('a').await;
        let first = hosted.last();
        hosted.repository(|repository| repository.retarget(first.number, "release"));
        hosted.check(&first.head, "unit", Some("success"));
        let release = repo.git(&["rev-parse", "refs/heads/release"]);
        let (waiting, _) = hosted.world.waits(&waiting).await;
        assert_eq!(repo.git(&["rev-parse", "refs/heads/release"]), release, "it is merged there");
        let (pulls, last) = (hosted.pulls(), hosted.last());
        assert_eq!((pulls[0].state.as_str(), &pulls[0].merged), ("closed", &None));
        assert_eq!((last.number != first.number, last.into.as_str()), (true, "main"));
        hosted.check(&last.head, "unit", Some("success"));
        hosted.lands(waiting).await;
        assert!(hosted.last().merged.is_some());
        assert_eq!(repo.git(&["rev-parse", "refs/heads/release"]), release);
    }
}
