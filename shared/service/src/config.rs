//! Configuration: one typed clap struct per service, from flags, environment and a file.
//!
//! A flag beats the environment, which beats the file, which beats the default. The file is TOML; its keys
//! are the long names of the flags. Anything wrong is refused at start, with exit code 2.

mod common;
mod file;
mod secret;
pub mod values;

pub use common::{Common, Fault, Redis, Store, Write};
pub use secret::Secret;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::path::PathBuf;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// By clap: a flag or a variable is wrong; or `--help` and `--version`, which are no errors.
    #[error(transparent)]
    Arguments(#[from] clap::Error),
    /// Something in the file is wrong.
    #[error("{0}")]
    File(String),
}

impl Error {
    /// Tells people; the exit code is 0 after `--help`, else 2.
    #[must_use]
    pub fn report(&self) -> std::process::ExitCode {
        match self {
            Error::Arguments(error) => {
                // nothing is left to tell that standard error is closed
                let _ = error.print();
                std::process::ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
            }
            Error::File(message) => {
                eprintln!("error: {message}");
                std::process::ExitCode::from(2)
            }
        }
    }
}

/// Reads the configuration of a service that listens on `listen` unless told otherwise.
///
/// # Errors
/// [`Error`], to be reported before anything is started.
pub fn load<C: CommandFactory + FromArgMatches>(listen: &'static str, args: impl IntoIterator<Item = OsString>) -> Result<C, Error> {
    load_as(C::command(), listen, args)
}

/// [`load`] with the flags of `command`.
fn load_as<C: FromArgMatches>(command: Command, listen: &'static str, args: impl IntoIterator<Item = OsString>) -> Result<C, Error> {
    let command = command.mut_arg("listen", |a| a.default_value(listen).required(false));
    let mut args: Vec<OsString> = args.into_iter().collect();
    if let Some((path, given)) = config_file(&command, &args) {
        let first = args.len().min(1);
        args.splice(first..first, file::flags(&command, &path, |id| is_given(&given, id))?);
    }
    let matches = command.try_get_matches_from(args)?;
    Ok(C::from_arg_matches(&matches)?)
}

/// The file's path and what flags and environment say; `None` without a file, or when they are wrong
/// already: then the real parse says so.
fn config_file(command: &Command, args: &[OsString]) -> Option<(PathBuf, ArgMatches)> {
    let lenient = command.clone().mut_args(|a| a.required(false));
    let given = lenient.try_get_matches_from(args).ok()?;
    given.get_one::<PathBuf>("config").cloned().map(|path| (path, given))
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

#[cfg(test)]
mod tests;
