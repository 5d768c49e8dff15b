//! The validator's settings.

use tidemill_service::config::{Common, Fault};

/// Checks every raw event: valid ones go on, the others are kept with their reason
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-validator", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) fault: Fault,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
