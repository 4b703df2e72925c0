//! What carries and remembers Windlass's events: files of its own, or a private RabbitMQ and PostgreSQL.

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;

use crate::{engine::Layout, postgres::Postgres, rabbitmq::RabbitMq};

/// Which of the two; `--bus` of the programs built on the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BusKind {
    /// One file, and everything in one process.
    Sqlite,
    /// RabbitMQ with PostgreSQL, and every service a process of its own.
    Amqp,
}

/// Addresses for the configuration, and the servers behind them; dropping it stops those.
pub struct Backing {
    /// `bus` of the configuration.
    pub bus: String,
    /// `ledger` of the configuration.
    pub ledger: String,
    _servers: Option<(RabbitMq, Postgres)>,
}

impl BusKind {
    /// How Windlass is run over it.
    pub fn layout(self) -> Layout {
        match self {
            Self::Sqlite => Layout::Together,
            Self::Amqp => Layout::Apart,
        }
    }

    /// Starts what it needs.
    pub async fn start(self) -> Result<Backing> {
        if self == Self::Sqlite {
            return Ok(Backing { bus: "sqlite".to_owned(), ledger: "sqlite".to_owned(), _servers: None });
        }
        let (rabbit, postgres) = tokio::try_join!(RabbitMq::start(), Postgres::start())?;
        let (bus, ledger) = (rabbit.url(), postgres.database().await?);
        Ok(Backing { bus, ledger, _servers: Some((rabbit, postgres)) })
    }
}

impl fmt::Display for BusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Amqp { "amqp" } else { "sqlite" })
    }
}
