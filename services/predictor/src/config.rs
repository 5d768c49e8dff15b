//! The predictor's settings.

use tidemill_service::config::{Common, Fault, Redis, Store};

/// Scores every feature vector on the stream, and answers over REST
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-predictor", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) redis: Redis,

    #[command(flatten)]
    pub(crate) store: Store,

    #[command(flatten)]
    pub(crate) fault: Fault,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
