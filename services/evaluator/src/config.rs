//! The evaluator's settings.

use std::path::PathBuf;
use tidemill_service::config::{Common, Fault, Store};

/// Joins each label to the prediction of its event, once; measures decisions, and judges models
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-evaluator", version)]
pub struct Config {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    pub(crate) store: Store,

    /// Memory of all joins together, MiB; beyond that, what waits for a label lies on disk
    #[arg(long, env = "TIDEMILL_JOIN_MEMORY", value_name = "MIB", default_value_t = 512)]
    pub(crate) join_memory: usize,

    /// Folder of what has no room in memory; not on a RAM disk. Nothing in it outlives the process
    #[arg(long, env = "TIDEMILL_SCRATCH", value_name = "FOLDER", default_value_os_t = std::env::temp_dir().join("tidemill"))]
    pub(crate) scratch: PathBuf,

    #[command(flatten)]
    pub(crate) fault: Fault,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}
