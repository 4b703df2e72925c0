//! stub
use std::time::Duration;
use proto::{AppName, Digest, EnvironmentName, EventId, EventType, Message, Timestamp};
use uuid::Uuid;
use crate::{Claim, ClaimKey, DeadFilter, EnvironmentState, EventFilter, NewDeadLetter, Quarantined, Recorded, Result, Run, StoredDeadLetter};
/// Ledger.
#[derive(Clone)]
pub struct PostgresLedger;
impl PostgresLedger {
    pub(crate) async fn open(_: &str) -> Result<Self> { unimplemented!() }
    pub(crate) async fn ping(&self) -> Result<()> { unimplemented!() }
    pub(crate) async fn claim(&self, _: &ClaimKey, _: Uuid, _: Duration) -> Result<Claim> { unimplemented!() }
    pub(crate) async fn heartbeat(&self, _: &ClaimKey, _: Uuid, _: Duration) -> Result<bool> { unimplemented!() }
    pub(crate) async fn complete(&self, _: &ClaimKey, _: Uuid, _: &[Message]) -> Result<bool> { unimplemented!() }
    pub(crate) async fn release(&self, _: &ClaimKey, _: Uuid, _: &str, _: bool) -> Result<()> { unimplemented!() }
    pub(crate) async fn runs(&self, _: EventId) -> Result<Vec<Run>> { unimplemented!() }
    pub(crate) async fn record(&self, _: &[Message]) -> Result<u64> { unimplemented!() }
    pub(crate) async fn events(&self, _: &EventFilter) -> Result<Vec<Recorded>> { unimplemented!() }
    pub(crate) async fn event(&self, _: EventId) -> Result<Option<Recorded>> { unimplemented!() }
    pub(crate) async fn newest(&self, _: EventType, _: &AppName, _: &str) -> Result<Option<Recorded>> { unimplemented!() }
    pub(crate) async fn bury(&self, _: &NewDeadLetter) -> Result<(Uuid, bool)> { unimplemented!() }
    pub(crate) async fn dead_letters(&self, _: &DeadFilter) -> Result<Vec<StoredDeadLetter>> { unimplemented!() }
    pub(crate) async fn dead_letter(&self, _: Uuid) -> Result<Option<StoredDeadLetter>> { unimplemented!() }
    pub(crate) async fn mark_replayed(&self, _: Uuid, _: &str) -> Result<()> { unimplemented!() }
    pub(crate) async fn environment(&self, _: &AppName, _: &EnvironmentName) -> Result<Option<EnvironmentState>> { unimplemented!() }
    pub(crate) async fn environments(&self) -> Result<Vec<EnvironmentState>> { unimplemented!() }
    pub(crate) async fn put_environment(&self, _: &EnvironmentState) -> Result<()> { unimplemented!() }
    pub(crate) async fn quarantine(&self, _: &Quarantined) -> Result<()> { unimplemented!() }
    pub(crate) async fn quarantined(&self, _: &AppName, _: &Digest) -> Result<Option<Quarantined>> { unimplemented!() }
    pub(crate) async fn now(&self) -> Result<Timestamp> { unimplemented!() }
}
