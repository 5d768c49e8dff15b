//! The drift-watcher's settings.

use tidemill_service::config::{Common, Store};

/// Watches how far data, scores and errors move from what a model was trained on
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-drift-watcher", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) store: Store,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
