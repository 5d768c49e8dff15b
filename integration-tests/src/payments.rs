//! The payments that tests publish: the shared data set, or the generator's where that is missing.

use crate::command::Tidemill;
use crate::environment::Environment;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Days that hold at least 110,000 generated payments.
const DAYS: &str = "12";

/// A file of at least 100,000 payments in the order in which they happened; made in `folder` where there is none.
///
/// # Errors
/// When none can be generated.
pub fn file(environment: &Environment, tidemill: &Tidemill, folder: &Path) -> Result<PathBuf> {
    if let Some(shared) = shared(environment) {
        return Ok(shared);
    }
    let out = folder.join("payments.csv");
    tidemill.succeed(&["generate", "payments", "--days", DAYS, "--out", &out.to_string_lossy()])?;
    Ok(out)
}

/// The shared data set, where it is there.
#[must_use]
pub fn shared(environment: &Environment) -> Option<PathBuf> {
    environment.data.as_ref().map(|data| data.join("payments/payments.parquet")).filter(|file| file.is_file())
}
