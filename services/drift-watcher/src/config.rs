//! The drift-watcher's settings.

use tidemill_service::config::Common;

/// Watches how far data, scores and errors move from what a model was trained on
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-drift-watcher", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    /// Object store with the models' references
    #[arg(long, env = "TIDEMILL_STORE", value_name = "URL")]
    pub(crate) store: String,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
