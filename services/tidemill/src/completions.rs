//! `tidemill completions`: completion scripts for shells.

use crate::output::{self, Exit};
use clap_complete::Shell;

/// `tidemill completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script for `cli`.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args, mut cli: clap::Command) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "tidemill", &mut script);
    output::write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
