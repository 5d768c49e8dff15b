//! What the infrastructure told in the environment.

use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// Addresses and folders of a running infrastructure.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `host:port` of the broker.
    pub kafka: String,
    /// `host:port` of Redis.
    pub redis: String,
    /// URL of the schema registry.
    pub registry: String,
    /// URL of the object store.
    pub store: String,
    /// The bearer token that writes need.
    pub token: String,
    /// The folder that `up.sh --home` was given: pids and logs of the infrastructure.
    pub home: PathBuf,
    /// Where `tidemill` and the services are.
    pub bin_dir: PathBuf,
    /// The data sets that lie beside some checkouts.
    pub data: Option<PathBuf>,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is not set and says how to set it. Nothing is skipped when there is no infrastructure.
    pub fn read() -> Result<Self> {
        Ok(Self {
            kafka: variable("TIDEMILL_KAFKA")?,
            redis: variable("TIDEMILL_REDIS")?,
            registry: variable("TIDEMILL_REGISTRY")?,
            store: variable("TIDEMILL_STORE")?,
            token: variable("TIDEMILL_TOKEN")?,
            home: variable("TIDEMILL_HOME")?.into(),
            bin_dir: bin_dir()?,
            data: env::var_os("TIDEMILL_DATA").map(PathBuf::from),
        })
    }

    /// The folder for the logs of what tests start.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.home.join("logs").join("tests")
    }
}

/// The checkout.
#[must_use]
pub fn repository() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

fn variable(name: &str) -> Result<String> {
    env::var(name).ok().filter(|v| !v.is_empty()).with_context(|| {
        format!(
            "{name} is not set: these tests need a running infrastructure. `make test` starts one and runs them; or \
             `infra/local/up.sh --home DIR`, `set -a; . DIR/env`, and TIDEMILL_HOME=DIR"
        )
    })
}

/// `TIDEMILL_BIN_DIR`, or where this very program was built.
fn bin_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("TIDEMILL_BIN_DIR") {
        return Ok(dir.into());
    }
    let program = env::current_exe().context("cannot tell where this program is")?;
    let folder = program.parent().context("this program lies in no folder")?;
    // test programs lie in target/PROFILE/deps
    Ok(if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder }.to_owned())
}
