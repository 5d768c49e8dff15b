//! The commands, and which module does each.

use crate::output::Exit;
use crate::{apply, check, completions, demo, explain, generate, inject, models, publish, status, trace, train, verify, wait};
use clap::{CommandFactory, Parser, Subcommand};

/// Streams of raw events in, predictions out, exactly once
#[derive(Debug, Parser)]
#[command(name = "tidemill", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a pipeline file, without a cluster
    Check(check::Args),
    /// Apply a pipeline file: create its topics, register its schemas, tell the services
    Apply(apply::Args),
    /// Explain a diagnostic code, such as TM0107
    Explain(explain::Args),
    /// Publish an event file through the ingestor
    Publish(publish::Args),
    /// Generate event files
    #[command(subcommand)]
    Generate(generate::Command),
    /// Change the world in an event file from some day on, to see drift being found
    #[command(subcommand)]
    Inject(inject::Command),
    /// Show it all: payments published, predicted, watched, verified
    Demo(demo::Args),
    /// Wait until every stage of a pipeline has done all its input
    Wait(wait::Args),
    /// Check that nothing was lost, doubled or computed wrong
    Verify(verify::Args),
    /// Follow one event through the topics
    Trace(trace::Args),
    /// Show what is applied, how far it is, and whether the services are well
    Status(status::Args),
    /// Models: what became of each; approve, reject, roll back
    #[command(subcommand)]
    Models(models::Command),
    /// Ask for a training of a pipeline's model, or call it off
    Train(train::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn run(&self) -> anyhow::Result<Exit> {
        match &self.command {
            Command::Check(args) => check::run(args),
            Command::Apply(args) => apply::run(args),
            Command::Explain(args) => explain::run(args),
            Command::Publish(args) => publish::run(args),
            Command::Generate(command) => generate::run(command),
            Command::Inject(command) => inject::run(command),
            Command::Demo(args) => demo::run(args, &|words| Self::try_parse_from(words)?.run()),
            Command::Wait(args) => wait::run(args),
            Command::Verify(args) => verify::run(args),
            Command::Trace(args) => trace::run(args),
            Command::Status(args) => status::run(args),
            Command::Models(command) => models::run(command),
            Command::Train(args) => train::run(args),
            Command::Completions(args) => completions::run(args, Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
