//! Private real servers and faithful fakes, for the integration tests and the demo.
//!
//! Everything here has ports, folders and secrets of its own, on loopback, and is gone when its value is dropped or
//! the process that made it ends, however it ends. Nothing is started as the system's service, nothing waits for a
//! time where it can wait for a fact, and none of the services under test is known here.

pub mod folder;
pub mod http;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod rabbitmq;
pub mod wait;
