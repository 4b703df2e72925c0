//! The bumper over real parts: a real registry, a real Git server, a real ledger. Only the deliveries are handed to it
//! by the tests themselves, so that they can come twice, late and out of order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "bumper/gitops.rs"]
mod gitops;
#[path = "bumper/world.rs"]
mod world;

#[path = "bumper/apps.rs"]
mod apps;
#[path = "bumper/branches.rs"]
mod branches;
#[path = "bumper/conflicts.rs"]
mod conflicts;
#[path = "bumper/corpus.rs"]
mod corpus;
#[path = "bumper/deploy.rs"]
mod deploy;
#[path = "bumper/faults.rs"]
mod faults;
#[path = "bumper/gates.rs"]
mod gates;
#[path = "bumper/git.rs"]
mod git;
#[path = "bumper/injections.rs"]
mod injections;
#[path = "bumper/late.rs"]
mod late;
#[path = "bumper/manifests.rs"]
mod manifests;
#[path = "bumper/many.rs"]
mod many;
#[path = "bumper/orders.rs"]
mod orders;
#[path = "bumper/owed.rs"]
mod owed;
#[path = "bumper/partly.rs"]
mod partly;
#[path = "bumper/proposals/mod.rs"]
mod proposals;
#[path = "bumper/registries.rs"]
mod registries;
#[path = "bumper/repositories.rs"]
mod repositories;
#[path = "bumper/signed.rs"]
mod signed;
#[path = "bumper/source.rs"]
mod source;
#[path = "bumper/ssh.rs"]
mod ssh;
#[path = "bumper/styles.rs"]
mod styles;
#[path = "bumper/tags.rs"]
mod tags;
#[path = "bumper/verdicts.rs"]
mod verdicts;
