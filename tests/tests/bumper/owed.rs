//! Fixes of the fast path, until a deploy branch has them.

use proto::{CommitSha, Data, Deployment, Event, FixSettled};
use runtime::{Outcome, Outcomes};
use testkit::githttp::Work;

use crate::{
    source::{change, pushed},
    world::*,
};

/// A fix that runs in staging, and is in no deploy branch.
struct Fixed {
    world: World,
    work: Work,
    fix: CommitSha,
    deployment: Deployment,
}

impl Fixed {
    async fn new(config: &str) -> Self {
        let world = World::with(config).await;
        let work = world.work().await;
        let first = change(&work, "shop", "one\ntwo\nthree\n").await;
        world.healthy(&world.deploy(&first).await).await;
        work.branch("hotfix/x").await.unwrap();
        let fix = change(&work, "shop", "one\ntwo, mended\nthree\n").await;
        work.git(&["switch", "--quiet", "main"]).await.unwrap();
        let deployment = world.fix(&fix).await;
        Self { world, work, fix, deployment }
    }

    async fn owed(&self) -> Vec<CommitSha> {
        self.world.chain().await.owed_still().map(|owed| owed.commit.clone()).collect()
    }

    /// What the deploy branch gets next, and the event of its images.
    async fn next(&self, text: &str) -> (CommitSha, Event) {
        let next = change(&self.work, "other", text).await;
        let event = pushed(&self.world, &next).await;
        (next, event)
    }
}

fn settled(outcomes: &Outcomes) -> Vec<FixSettled> {
    let settled = |outcome: &Outcome| match outcome {
        Outcome::Event { data, .. } => match &**data {
            Data::FixSettled(settled) => Some(settled.clone()),
            _ => None,
        },
        Outcome::Ignored { .. } => None,
    };
    outcomes.iter().filter_map(settled).collect()
}

#[tokio::test]
async fn a_release_without_the_fix_waits_and_one_that_merges_it_settles_it() {
    let fixed = Fixed::new(CONFIG).await;
    let Fixed { world, work, fix, deployment } = &fixed;
    assert_eq!(fixed.owed().await, std::slice::from_ref(fix));
    let (_, next) = fixed.next("without").await;
    let (waiting, why) = world.waits(&next).await;
    assert!(why.contains(&format!("the fix {}", fix.short())) && why.contains("windlass settle"), "{why}");
    // A verdict does not change that, nor does the promotion of the fix itself.
    let promoted = world.bump(&verdict(deployment, true)).await;
    assert_eq!((promoted.environment.as_str(), promoted.commit.as_ref()), ("production", Some(fix)));
    world.healthy(&promoted).await;
    assert!(world.not_yet(&waiting).await.contains("the fix"));
    assert_eq!(fixed.owed().await, std::slice::from_ref(fix));

    work.git(&["merge", "--quiet", "--no-edit", "hotfix/x"]).await.unwrap();
    work.push().await.unwrap();
    let merged: CommitSha = work.head().await.unwrap().parse().unwrap();
    let outcomes = world.handle(&pushed(world, &merged).await).await.unwrap();
    let told = settled(&outcomes);
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0].commit, told[0].by.as_str()), (fix, "Windlass"));
    assert!(told[0].reason.contains(merged.short()), "{}", told[0].reason);
    assert_eq!(deployments(&outcomes)[0].commit, Some(merged));
    assert_eq!(fixed.owed().await, []);
    assert!(world.ignored(&waiting).await.contains("superseded"));
    // Its own word says nothing new.
    assert_eq!(world.handle(&event(told[0].clone())).await.unwrap().iter().count(), 0);
}

#[tokio::test]
async fn what_waits_without_the_fix_does_not_replace_it_once_main_has_it() {
    let config = CONFIG.replace("after: staging,", "after: staging, soak: 1h,");
    let world = World::with(&config.replace(
        "deploy: [main]",
        "deploy: [main]
    fast_path: { skip: [soak] }",
    ))
    .await;
    let work = world.work().await;
    world
        .healthy(
            &world
                .deploy(
                    &change(
                        &work,
                        "shop",
                        "one
two
three
",
                    )
                    .await,
                )
                .await,
        )
        .await;
    work.branch("hotfix/x").await.unwrap();
    let fix = change(
        &work,
        "shop",
        "one
two, mended
three
",
    )
    .await;
    work.git(&["switch", "--quiet", "main"]).await.unwrap();
    let without = world.deploy(&change(&work, "other", "without").await).await;
    let (waiting, _) = world.waits(&verdict(&without, true)).await;
    world.healthy(&world.bump(&verdict(&world.fix(&fix).await, true)).await).await;
    let for_the_fix = format!("waits for the fix {}", fix.short());
    assert!(world.not_yet(&waiting).await.contains(&for_the_fix));

    work.git(&["merge", "--quiet", "--no-edit", "hotfix/x"]).await.unwrap();
    work.push().await.unwrap();
    let merged: CommitSha = work.head().await.unwrap().parse().unwrap();
    let outcomes = world.handle(&pushed(&world, &merged).await).await.unwrap();
    assert_eq!((settled(&outcomes).len(), world.chain().await.owed_still().count()), (1, 0));
    world.handle(&event(settled(&outcomes).remove(0))).await.unwrap();
    assert!(world.not_yet(&waiting).await.contains(&for_the_fix), "it is still what runs in production");
    let (_, why) = world.waits(&verdict(&deployments(&outcomes)[0], true)).await;
    assert!(why.contains("having been healthy for 1h"), "{why}");
    assert!(world.ignored(&waiting).await.contains("superseded"));
}

#[tokio::test]
async fn a_squash_and_a_cherry_pick_are_known_by_what_they_change() {
    for way in [&["cherry-pick"][..], &["merge", "--squash", "--quiet"]] {
        let fixed = Fixed::new(CONFIG).await;
        let Fixed { world, work, fix, deployment } = &fixed;
        world.healthy(deployment).await;
        // Two commits of the branch, the second with the first: only that is owed then.
        work.git(&["switch", "--quiet", "hotfix/x"]).await.unwrap();
        let second = change(work, "more", "and more\n").await;
        world.healthy(&world.fix(&second).await).await;
        assert_eq!(fixed.owed().await, std::slice::from_ref(&second));
        work.git(&["switch", "--quiet", "main"]).await.unwrap();
        let (_, next) = fixed.next("something else").await;
        assert!(world.waits(&next).await.1.contains(second.short()));
        match way {
            ["cherry-pick"] => work.git(&["cherry-pick", fix.as_str(), second.as_str()]).await.unwrap(),
            _ => work.git(&[way, &["hotfix/x"]].concat()).await.unwrap(),
        };
        let commit: CommitSha = work.commit("the same by another name").await.unwrap().parse().unwrap();
        work.push().await.unwrap();
        let outcomes = world.handle(&pushed(world, &commit).await).await.unwrap();
        assert_eq!(settled(&outcomes).len(), 1, "{way:?} {outcomes:?}");
        assert_eq!(deployments(&outcomes)[0].commit, Some(commit));
        assert_eq!(fixed.owed().await, []);
    }
}

#[tokio::test]
async fn a_person_settles_what_is_solved_another_way() {
    let fixed = Fixed::new(CONFIG).await;
    let Fixed { world, fix, deployment, .. } = &fixed;
    world.healthy(deployment).await;
    let (commit, next) = fixed.next("another way").await;
    let (waiting, _) = world.waits(&next).await;
    world.settle(fix).await;
    assert_eq!(fixed.owed().await, []);
    assert_eq!(world.bump(&waiting).await.commit, Some(commit));
    let (app, commit, reason) = ("shop".parse().unwrap(), fix.clone(), "once more".to_owned());
    let word = FixSettled { app, commit, note: None, by: "mona".to_owned(), reason };
    assert!(world.ignored(&event(word)).await.contains("no fix"));
}

#[tokio::test]
async fn a_fix_that_was_bad_is_owed_to_nobody() {
    let fixed = Fixed::new(CONFIG).await;
    let Fixed { world, deployment, .. } = &fixed;
    let back = world.bump(&verdict(deployment, false)).await;
    assert_eq!(fixed.owed().await, []);
    world.healthy(&back).await;
    let (commit, next) = fixed.next("onwards").await;
    assert_eq!(world.bump(&next).await.commit, Some(commit));
}

#[tokio::test]
async fn a_fix_that_was_bad_in_one_environment_is_owed_as_long_as_another_runs_it() {
    let fast = "deploy: [main]\n    fast_path: { to: [staging, production] }";
    let world = World::with(&CONFIG.replace("deploy: [main]", fast)).await;
    let good = world.deploy(&commit('a')).await;
    world.healthy(&world.bump(&verdict(&good, true)).await).await;
    for component in ["frontend", "backend"] {
        world.push(component, Some(&commit('c')), &[commit('c').as_str(), "hotfix-x"]).await;
    }
    let fixed = deployments(&world.handle(&world.pushed("frontend", "hotfix-x", None)).await.unwrap());
    let [production, staging] = &fixed[..] else { panic!("{fixed:?}") };
    assert_eq!((production.environment.as_str(), staging.environment.as_str()), ("production", "staging"));
    world.healthy(production).await;
    world.healthy(&world.bump(&verdict(staging, false)).await).await;
    let next = verdict(&world.deploy(&commit('b')).await, true);
    assert!(world.waits(&next).await.1.contains(&format!("the fix {}", commit('c').short())));
    // Bad there as well it is owed to nobody.
    world.ignored(&verdict(production, false)).await;
    assert_eq!(world.chain().await.owed, []);
}
