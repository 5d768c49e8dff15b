//! `tidemill explain`: the page about a diagnostic code.

use crate::output::{self, Exit};
use anyhow::bail;

/// `tidemill explain`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A code such as TM0107
    code: String,
}

/// Prints the page.
///
/// # Errors
/// When there is no such code, or standard output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some(page) = tidemill_pipeline::explain(&args.code) else {
        bail!("there is no code `{}`: codes are TM and four digits, as in front of a message of `tidemill check`", args.code)
    };
    output::write(&format!("{}\n", page.trim_end()))?;
    Ok(Exit::Ok)
}
