//! The deployer's settings.

use tidemill_service::config::{Common, Write};

/// Keeps the registry of models: approves, deploys and rolls back, by policy and by command
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-deployer", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    /// Who may approve, reject and roll back.
    #[command(flatten)]
    pub(crate) write: Write,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
