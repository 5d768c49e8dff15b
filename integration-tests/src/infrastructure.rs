//! Faults of the infrastructure itself: the broker killed and started again, Redis emptied.

use crate::environment::{Environment, repository};
use crate::process::{Signal, Usage, send, usage};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;

/// Ends the broker with SIGKILL.
///
/// # Errors
/// When it does not run.
pub fn kill_broker(environment: &Environment) -> Result<()> {
    part(environment, "kill", "kafka")
}

/// Starts the broker on the ports and data it had, and waits until it answers.
///
/// # Errors
/// When it does not within a minute.
pub fn start_broker(environment: &Environment) -> Result<()> {
    part(environment, "start", "kafka")
}

/// Stops the broker where it is, or lets it go on.
///
/// # Errors
/// When it does not run.
pub fn signal_broker(environment: &Environment, signal: Signal) -> Result<()> {
    send(part_process(environment, "kafka")?, signal)
}

/// FLUSHALL.
///
/// # Errors
/// When Redis does not answer.
pub fn flush_redis(environment: &Environment) -> Result<()> {
    let mut connection = connect_redis(environment)?;
    redis::cmd("FLUSHALL").exec(&mut connection).context("FLUSHALL")
}

/// A connection of one's own to Redis.
///
/// # Errors
/// When Redis does not answer.
pub fn connect_redis(environment: &Environment) -> Result<redis::Connection> {
    let client = redis::Client::open(format!("redis://{}/", environment.redis)).context("the address of Redis")?;
    client.get_connection().context("Redis does not answer")
}

/// What a part of the infrastructure (kafka, redis, registry, postgres, collector) has used.
///
/// # Errors
/// When it does not run in the environment's home.
pub fn part_usage(environment: &Environment, part: &str) -> Result<Usage> {
    usage(part_process(environment, part)?)
}

fn part_process(environment: &Environment, part: &str) -> Result<u32> {
    let file = environment.home.join("pids").join(format!("{part}.pid"));
    let id = fs::read_to_string(&file).with_context(|| format!("{part} does not run in {}", environment.home.display()))?;
    id.trim().parse().with_context(|| format!("{} holds no process id", file.display()))
}

fn part(environment: &Environment, verb: &str, part: &str) -> Result<()> {
    let script = repository().join("infra/local/part.sh");
    let output = Command::new(&script).args([verb, part, "--home"]).arg(&environment.home).output();
    let output = output.with_context(|| format!("cannot run {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "part.sh {verb} {part}: {said}");
    Ok(())
}
