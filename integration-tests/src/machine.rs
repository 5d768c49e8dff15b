//! How much of the machine the hypervisor gave to others: on a machine that is shared, time on the clock is not time to work.

use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// Processor time of all cores since the machine was started, in the kernel's ticks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// So far.
    ///
    /// # Errors
    /// When there is no /proc/stat.
    pub fn until_now() -> Result<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?).context("/proc/stat is not as proc(5) says")
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal; guests are in user and nice already.
    fn parse(stat: &str) -> Option<Self> {
        let ticks = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
        let ticks: Vec<u64> = ticks.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { all: ticks.iter().sum(), stolen: *ticks.get(7)? })
    }

    /// From `before` on.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        // the kernel may take ticks back: see proc(5) on iowait
        Self { all: self.all.saturating_sub(before.all), stolen: self.stolen.saturating_sub(before.stolen) }
    }
}

impl Ticks {
    /// The share of all processor time that the hypervisor took.
    #[must_use]
    pub fn stolen(self) -> f64 {
        self.stolen as f64 / self.all.max(1) as f64
    }
}

impl fmt::Display for Ticks {
    /// Says how much the hypervisor took.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the hypervisor took {:.0} % of the machine", 100.0 * self.stolen())
    }
}

/// A stopwatch that also knows how much of its time the hypervisor took.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch {
    begun: Instant,
    ticks: Ticks,
}

/// What a [`Stopwatch`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Elapsed {
    /// On the clock.
    pub clock: Duration,
    /// Its part in which the hypervisor gave the machine to others.
    pub stolen: Duration,
}

impl Stopwatch {
    /// Starts.
    ///
    /// # Errors
    /// As [`Ticks::until_now`].
    pub fn start() -> Result<Self> {
        Ok(Self { begun: Instant::now(), ticks: Ticks::until_now()? })
    }

    /// The time since then.
    ///
    /// # Errors
    /// As [`Ticks::until_now`].
    pub fn elapsed(&self) -> Result<Elapsed> {
        Ok(Elapsed::new(self.begun.elapsed(), Ticks::until_now()?.since(self.ticks)))
    }
}

impl Elapsed {
    fn new(clock: Duration, ticks: Ticks) -> Self {
        Self { clock, stolen: clock.mul_f64(ticks.stolen()) }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.clock.as_secs_f64())?;
        let stolen = self.stolen.as_secs_f64();
        if stolen >= 0.05 { write!(f, " ({stolen:.1} of them the hypervisor's)") } else { Ok(()) }
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
        let elapsed = Elapsed::new(Duration::from_secs(10), now.since(before));
        assert_eq!((elapsed.clock, elapsed.stolen), (Duration::from_secs(10), Duration::from_secs(4)));
        assert_eq!(elapsed.to_string(), "10.0 s (4.0 of them the hypervisor's)");
        assert_eq!(Elapsed::new(Duration::from_secs(10), before.since(now)).to_string(), "10.0 s");
    }
}
