//! stub
use crate::{BusError, Deliveries, Letters, Settings};
use proto::{Message, WorkerName};
use std::time::Duration;
/// Bus.
#[derive(Clone)]
pub struct AmqpBus;
impl AmqpBus {
    pub(crate) async fn open(_: Settings) -> Result<Self, BusError> {
        unimplemented!()
    }
    pub(crate) async fn publish(&self, _: &[Message]) -> Result<(), BusError> {
        unimplemented!()
    }
    pub(crate) async fn publish_to(&self, _: WorkerName, _: &[Message]) -> Result<(), BusError> {
        unimplemented!()
    }
    pub(crate) async fn consume(&self, _: WorkerName, _: u16) -> Result<Deliveries, BusError> {
        unimplemented!()
    }
    pub(crate) async fn dead_letters(&self, _: u16) -> Result<Letters, BusError> {
        unimplemented!()
    }
    pub(crate) fn ready(&self) -> Result<(), String> {
        unimplemented!()
    }
    pub(crate) async fn depths(&self) -> Result<Vec<(String, u64)>, BusError> {
        unimplemented!()
    }
    pub(crate) async fn close(&self) {
        unimplemented!()
    }
}
pub(crate) struct Settle;
impl Settle {
    pub(crate) async fn ack(self) -> Result<(), BusError> {
        unimplemented!()
    }
    pub(crate) async fn retry(self, _: &Message, _: u32, _: Duration) -> Result<(), BusError> {
        unimplemented!()
    }
    pub(crate) async fn park(self, _: &Message, _: u32, _: &str) -> Result<(), BusError> {
        unimplemented!()
    }
}
