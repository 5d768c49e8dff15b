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
            eprintln!("error: {}", describe(&error));
            Exit::Failed.into()
        }
    }
}

/// The error and its causes; many say their cause themselves, and once is enough.
fn describe(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::describe;
    use anyhow::anyhow;

    #[test]
    fn a_cause_is_said_once() {
        assert_eq!(describe(&anyhow!("c").context("b: c").context("a")), "a: b: c");
    }
}
