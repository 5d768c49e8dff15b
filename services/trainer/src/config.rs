//! The trainer's settings.

use tidemill_service::config::{Common, Store, Write};

/// Trains models from what was served and what came true, and puts them up as candidates
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-trainer", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    /// Who may ask for a training.
    #[command(flatten)]
    pub(crate) write: Write,

    #[command(flatten)]
    pub(crate) store: Store,

    /// Labelled events that a training may have, at most: they are held in memory, half a kilobyte and more each
    #[arg(long, env = "TIDEMILL_TRAINING_ROWS", value_name = "N", default_value_t = 5_000_000)]
    pub(crate) training_rows: usize,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
