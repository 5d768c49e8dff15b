//! The binary `tidemill`.

use clap::Parser;
use std::process::ExitCode;
use tidemill_cli::cli::Cli;
use tidemill_cli::output::Exit;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            Exit::Failed.into()
        }
    }
}
