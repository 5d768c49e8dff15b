//! `tidemill completions`: completion scripts for shells.

use crate::cli::Cli;
use crate::output::{self, Exit};
use clap::CommandFactory;
use clap_complete::Shell;

/// `tidemill completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tidemill", &mut script);
    output::write(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
