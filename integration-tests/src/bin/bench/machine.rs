//! The machine, so that figures can be compared.

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::thread;

/// Cores, model, memory, kernel, and the command line.
///
/// # Errors
/// When there is no /proc.
pub(crate) fn describe() -> Result<String> {
    let read = |file: &str| fs::read_to_string(file).with_context(|| format!("cannot read {file}"));
    let cpu = read("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).map_or("unknown", |l| l.trim_start_matches(['\t', ' ', ':']));
    let memory = read("/proc/meminfo")?;
    let kib = memory.lines().find_map(|l| l.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse::<u64>().ok());
    let cores = thread::available_parallelism().context("cannot count the cores")?;
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    let command = if arguments.is_empty() { "make bench".to_owned() } else { format!("make bench ARGS='{}'", arguments.join(" ")) };
    let gib = kib.unwrap_or(0) as f64 / f64::from(1 << 20);
    Ok(format!("`{command}` on {cores} cores ({model}), {gib:.0} GiB, Linux {}\n", kernel.trim()))
}
