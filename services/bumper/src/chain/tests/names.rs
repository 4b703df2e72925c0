//! Components that the configuration has under another name from now on, or not at all.

use proto::{Release, RollbackRequested};

use super::table::{HELD, OPEN, Table, config, release, staging};

const TWO: &str = "staging: { path: s, rollback: automatic, sync: { command: ['true'] } }
      production: { path: p, after: staging, sync: { command: ['true'] } }";

/// As `config`, with the backend's image under the name `api`.
fn renamed(environments: &str) -> runtime::Config {
    let mut config = config(&["frontend", "backend"], environments);
    let app = config.apps.values_mut().next().unwrap();
    let backend = app.components.remove(&"backend".parse().unwrap()).unwrap();
    app.components.insert("api".parse().unwrap(), backend);
    config
}

fn known(release: &Release) -> Vec<(&str, &str)> {
    release.iter().map(|(name, image)| (name.as_str(), image.image.as_str())).collect()
}

#[test]
fn what_waits_goes_under_the_names_there_are_now() {
    let mut table = Table::new(&["frontend", "backend"], HELD);
    table.offer(&[("frontend", 2), ("backend", 2)]);
    table.config = renamed(OPEN);
    let (_, wishes) = table.asks();
    assert_eq!(known(&wishes[0].wanted), [("api", "r.example/backend"), ("frontend", "r.example/frontend")]);
}

#[test]
fn what_waits_leaves_behind_what_is_none_of_the_app_any_more() {
    let mut table = Table::new(&["frontend", "backend"], HELD);
    table.offer(&[("frontend", 2), ("backend", 2)]);
    table.config = config(&["frontend"], OPEN);
    let mut other = table.clone();
    let (_, wishes) = table.asks();
    assert_eq!(wishes[0].wanted, release(&[("frontend", 2)]));
    other.config = config(&["search"], OPEN);
    let (told, wishes) = other.asks();
    assert!(wishes.is_empty() && told.reasons[0].contains("none of its components"), "{told:?}");
    assert_eq!(other.waits(), None);
}

#[test]
fn what_was_verified_together_is_promoted_so_under_another_name() {
    let mut table = Table::new(&["frontend", "backend"], TWO);
    let new = table.deploys(&[("frontend", 2), ("backend", 2)]);
    table.config = renamed(TWO);
    let (_, wishes) = table.judges(&new, true);
    assert_eq!(known(&wishes[0].wanted), [("api", "r.example/backend"), ("frontend", "r.example/frontend")]);
}

#[test]
fn what_is_taken_back_is_so_under_the_names_there_are_now() {
    let mut table = Table::new(&["frontend", "backend"], OPEN);
    let good = table.deploys(&[("frontend", 1), ("backend", 1)]);
    table.judges(&good, true);
    let new = table.deploys(&[("frontend", 2), ("backend", 2)]);
    table.judges(&new, true);
    table.config = renamed(OPEN);
    let (app, by, reason) = (table.app.clone(), "ada".to_owned(), "slow".to_owned());
    let asked = RollbackRequested { app, environment: staging(), to: None, by, reason };
    let (_, wishes) = table.step(|step| step.taken_back(&asked, &[new.clone(), good.clone()]));
    assert_eq!(known(&wishes[0].wanted), [("api", "r.example/backend"), ("frontend", "r.example/frontend")]);
    let digests: Vec<_> = wishes[0].wanted.values().map(|image| image.digest.clone()).collect();
    let healthy: Vec<_> = good.release.values().map(|image| image.digest.clone()).collect();
    assert_eq!(digests, healthy);
}
