//! The feature-builder's settings.

use tidemill_service::config::{Common, Redis};

/// Computes the features of every valid event, and keeps the online store up to date
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-feature-builder", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) redis: Redis,

    /// Break a rule of exactly-once; only in builds for tests
    #[arg(long, env = "TIDEMILL_FAULT", value_name = "FAULT", hide = true)]
    pub(crate) fault: Option<String>,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
