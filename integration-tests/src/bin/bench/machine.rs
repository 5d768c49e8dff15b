//! The machine, so that figures can be compared: what it is, and how much of it the hypervisor gave to others.

use anyhow::{Context, Result};
use std::env;
use std::fmt;
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

/// Processor time of all cores since the machine was started, in the kernel's ticks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// So far.
    ///
    /// # Errors
    /// When there is no /proc/stat.
    pub(crate) fn until_now() -> Result<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?).context("/proc/stat is not as proc(5) says")
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice already.
    fn parse(stat: &str) -> Option<Self> {
        let ticks = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
        let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { all: ticks.iter().sum(), stolen: *ticks.get(7)? })
    }

    /// From `before` on.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { all: self.all - before.all, stolen: self.stolen - before.stolen }
    }
}

impl fmt::Display for Ticks {
    /// Says how much the hypervisor took.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the hypervisor took {:.0} % of the machine", 100.0 * self.stolen as f64 / self.all.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_a_share_of_all_processor_time() {
        let [before, now] = ["cpu  10 0 10 70 0 0 0 10 5 0\ncpu0 1", "cpu  20 5 10 85 0 0 0 30 9 0\n"].map(|s| Ticks::parse(s).unwrap());
        assert_eq!(now.since(before).to_string(), "the hypervisor took 40 % of the machine");
        assert!(Ticks::parse("cpu  1 2 3").is_none());
    }
}
