//! The cluster that a command talks to.

use crate::output::count;
use anyhow::{Context, bail};
use std::time::Duration;
use tidemill_events::records;
use tidemill_expr::did_you_mean;
use tidemill_kafka::admin::Admin;
use tidemill_kafka::pipelines;
use tidemill_kafka::registry::{Blocking, Registry};
use tokio::runtime::Runtime;

/// How long a command waits for a registry that is down.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where Kafka and the registry are.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Flags {
    /// Kafka brokers
    #[arg(long, env = "TIDEMILL_KAFKA", value_name = "HOST:PORT,…")]
    pub kafka: String,
    /// Schema registry
    #[arg(long, env = "TIDEMILL_REGISTRY", value_name = "URL")]
    pub registry: String,
}

/// A connection to Kafka and the registry, for a thread of its own.
pub struct Cluster {
    /// Kafka brokers.
    pub brokers: String,
    /// Topics and offsets.
    pub admin: Admin,
    /// Schemas.
    pub registry: Blocking,
    client: Registry,
    runtime: Runtime,
}
