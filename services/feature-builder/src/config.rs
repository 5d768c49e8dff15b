//! The feature-builder's settings.

use tidemill_service::config::{Common, Fault, Redis};

/// Computes the features of every valid event, and keeps the online store up to date
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-feature-builder", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) redis: Redis,

    #[command(flatten)]
    pub(crate) fault: Fault,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
