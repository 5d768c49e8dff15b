//! The evaluator's settings.

use tidemill_service::config::{Common, Store};

/// Joins each label to the prediction of its event, once; measures decisions, and judges models
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-evaluator", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) store: Store,

    /// Break a rule of exactly-once; only in builds for tests
    #[arg(long, env = "TIDEMILL_FAULT", value_name = "FAULT", hide = true)]
    pub(crate) fault: Option<String>,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
