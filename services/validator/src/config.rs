//! The validator's settings.

use tidemill_service::config::Common;

/// Checks every raw event: valid ones go on, the others are kept with their reason
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-validator", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    /// Break a rule of exactly-once; only in builds for tests
    #[arg(long, env = "TIDEMILL_FAULT", value_name = "FAULT", hide = true)]
    pub(crate) fault: Option<String>,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
