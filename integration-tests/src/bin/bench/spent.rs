//! What each process took of the machine.

use crate::table::table;
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_integration_tests::infrastructure::part_usage;
use tidemill_integration_tests::machine::Ticks;
use tidemill_integration_tests::process::{Usage, usage};
use tidemill_integration_tests::{Environment, Stack};

/// The infrastructure's own processes.
const PARTS: [&str; 4] = ["kafka", "redis", "registry", "postgres"];

/// By process: processor time so far, or since a moment; resident memory now.
#[derive(Clone, Default)]
pub(crate) struct Spent {
    processes: BTreeMap<String, Usage>,
    machine: Ticks,
}

impl Spent {
    /// Of the infrastructure, the services and the benchmark itself, so far.
    pub(crate) fn until_now(stack: &Stack) -> Result<Self> {
        let environment: &Environment = &stack.environment;
        let mut processes: BTreeMap<String, Usage> =
            PARTS.iter().map(|part| Ok(((*part).to_owned(), part_usage(environment, part)?))).collect::<Result<_>>()?;
        processes.extend(stack.services.usage()?.into_iter().map(|(slot, usage)| (slot.to_string(), usage)));
        processes.insert("reader of predictions and outcomes".into(), usage(std::process::id())?);
        Ok(Self { processes, machine: Ticks::until_now()? })
    }

    /// Processor time from `before` on.
    pub(crate) fn since(mut self, before: &Self) -> Self {
        self.machine = self.machine.since(before.machine);
        for (name, usage) in &mut self.processes {
            usage.cpu -= before.processes.get(name).map_or(0.0, |usage| usage.cpu);
        }
        self
    }

    /// Also a process that has ended, or will.
    pub(crate) fn add(&mut self, name: &str, usage: Usage) {
        self.processes.insert(name.to_owned(), usage);
    }

    /// Processor seconds, time on the clock and what the hypervisor took, and a row for each process, for `events` events.
    pub(crate) fn report(&self, elapsed: Duration, events: u64) -> String {
        let total = self.processes.values().map(|usage| usage.cpu).sum();
        let (elapsed, table) = (elapsed.as_secs_f64(), self.table(total, events));
        format!("{elapsed:.1} s by the clock, {total:.1} processor seconds; {}:\n\n{table}", self.machine)
    }

    fn table(&self, total: f64, events: u64) -> String {
        let mut processes: Vec<_> = self.processes.iter().collect();
        processes.sort_by(|a, b| b.1.cpu.total_cmp(&a.1.cpu));
        let row = |(name, Usage { cpu, resident }): (&String, &Usage)| {
            let share = format!("{:.0} %", 100.0 * cpu / total);
            vec![name.clone(), format!("{cpu:.1}"), format!("{:.2}", cpu * 1e6 / events as f64), share, (resident >> 20).to_string()]
        };
        let rows: Vec<Vec<String>> = processes.into_iter().map(row).collect();
        table(&["process", "processor seconds", "µs an event", "share", "MiB at the end"], &rows)
    }
}
