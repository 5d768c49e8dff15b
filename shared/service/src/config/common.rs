//! The flags that services share.

use super::{Secret, values};
use crate::logging::Format;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What every service needs to know.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// File with more settings: TOML, its keys are the long names of these flags
    #[arg(long, env = "TIDEMILL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Kafka brokers to start from, comma-separated
    #[arg(long, env = "TIDEMILL_KAFKA", value_name = "HOST:PORT", value_parser = values::brokers)]
    pub kafka: String,

    /// Schema registry
    #[arg(long, env = "TIDEMILL_REGISTRY", value_name = "URL", value_parser = values::http_url)]
    pub registry: String,

    /// Address of this service's HTTP endpoints
    #[arg(long, env = "TIDEMILL_LISTEN", value_name = "ADDRESS:PORT", value_parser = values::listen)]
    pub listen: SocketAddr,

    /// Which instance of the service this is: it names the instance to Kafka, so no two may have the same
    #[arg(long, env = "TIDEMILL_INSTANCE", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=999))]
    pub instance: u32,

    /// Threads that answer HTTP
    #[arg(long, env = "TIDEMILL_WORKERS", value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,

    /// OpenTelemetry collector that takes OTLP over HTTP: spans and metrics are sent there, and nowhere without it
    #[arg(long, env = "TIDEMILL_OTLP", value_name = "URL", value_parser = values::http_url)]
    pub otlp: Option<String>,

    /// What to log: a level (error, warn, info, debug, trace), or levels per module such as info,rdkafka=debug
    #[arg(long, env = "TIDEMILL_LOG", value_name = "FILTER", default_value = "info", value_parser = values::log_filter)]
    pub log: String,

    /// How log lines look
    #[arg(long, env = "TIDEMILL_LOG_FORMAT", value_name = "FORMAT", default_value = "text", value_enum)]
    pub log_format: Format,
}

/// For services that use the online store.
#[derive(Debug, Clone, clap::Args)]
pub struct Redis {
    /// Redis, the online store
    #[arg(long, env = "TIDEMILL_REDIS", value_name = "HOST:PORT", value_parser = values::host_port)]
    pub redis: String,
}

/// For services that take writes over HTTP.
#[derive(Debug, Clone, clap::Args)]
pub struct Write {
    /// Bearer token that callers must send; better in the environment or the file than on the command line
    #[arg(long, env = "TIDEMILL_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = values::token)]
    pub token: Secret,
}

/// For services that read or write models and training sets.
#[derive(Debug, Clone, clap::Args)]
pub struct Store {
    /// Object store of models and training sets, such as file:///var/lib/tidemill
    #[arg(long, env = "TIDEMILL_STORE", value_name = "URL", value_parser = values::store_url)]
    pub store: String,
}

/// For services whose exactly-once is tested by breaking it.
#[derive(Debug, Clone, clap::Args)]
pub struct Fault {
    /// Break a rule of exactly-once; only in builds for tests
    #[arg(long, env = "TIDEMILL_FAULT", value_name = "FAULT", hide = true)]
    pub fault: Option<String>,
}
