//! What the process uses, read from /proc when somebody asks.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::fs;

/// Clock ticks per second in /proc: fixed by the Linux kernel's interface, whatever its timer does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory, processor time, threads and open files of this process; nothing where there is no /proc.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(kib) = status_number(&status, "VmRSS:") {
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory, bytes", kib * 1024)?;
        }
        if let Some(threads) = status_number(&status, "Threads:") {
            gauge(&mut encoder, "process_threads", "Threads", threads)?;
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            gauge(&mut encoder, "process_open_fds", "Open files", i64::try_from(files.count()).unwrap_or(i64::MAX))?;
        }
        if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time, user and system, seconds",
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: i64) -> Result<(), fmt::Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

fn status_number(status: &str, key: &str) -> Option<i64> {
    status.lines().find_map(|l| l.strip_prefix(key))?.split_ascii_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of /proc/self/stat; field 2 is a name in brackets that may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_processor_time_behind_any_name() {
        let stat = "7 (a) (b 9 9) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 100 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
    }
}
