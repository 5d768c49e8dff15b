//! The command line, run as people run it.

use crate::environment::Environment;
use crate::process::Process;
use anyhow::{Context, Result, bail};
use serde_json::Value as Json;
use std::path::Path;
use std::process::Command;

/// `tidemill`, told where everything is.
#[derive(Debug, Clone)]
pub struct Tidemill {
    environment: Environment,
    variables: Vec<(String, String)>,
}

/// How a run of it ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The arguments.
    pub line: String,
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// Itself if the exit code was `code`.
    ///
    /// # Errors
    /// Shows both outputs when it was another.
    pub fn with_code(self, code: i32) -> Result<Self> {
        if self.code == code {
            return Ok(self);
        }
        bail!("`tidemill {}` ended with {}, not {code}\n{}\n{}", self.line, self.code, self.out, self.err)
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Json> {
        serde_json::from_str(&self.out).with_context(|| format!("`tidemill {}` did not print JSON:\n{}", self.line, self.out))
    }
}

impl Tidemill {
    /// The command line for `environment`, with more or other variables.
    #[must_use]
    pub fn new(environment: &Environment, variables: Vec<(String, String)>) -> Self {
        Self { environment: environment.clone(), variables }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it is not there.
    pub fn run<S: AsRef<str>>(&self, args: &[S]) -> Result<Ended> {
        let output = self.command(args).output().context("cannot run tidemill: is it built?")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended { line: line(args), code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// Runs it and wants exit code 0.
    ///
    /// # Errors
    /// When it failed, with what it said.
    pub fn succeed<S: AsRef<str>>(&self, args: &[S]) -> Result<Ended> {
        self.run(args)?.with_code(0)
    }

    /// Starts it in the background; both outputs go to `log`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn start<S: AsRef<str>>(&self, args: &[S], log: &Path) -> Result<Process> {
        Process::start(format!("tidemill {}", line(args)), &mut self.command(args), log)
    }

    fn command<S: AsRef<str>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(self.environment.bin_dir.join("tidemill"));
        command.args(args.iter().map(AsRef::as_ref)).env("NO_COLOR", "1").env("TIDEMILL_HOME", &self.environment.home);
        command.envs(self.variables.iter().map(|(n, v)| (n, v)));
        command
    }
}

fn line<S: AsRef<str>>(args: &[S]) -> String {
    args.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}
