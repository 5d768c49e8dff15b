//! Kills services at random and measures how long each takes to go on.

use crate::machine::{Elapsed, Stopwatch};
use crate::progress::{Position, Progress};
use crate::services::{Service, Services, Slot};
use crate::until::until;
use anyhow::{Result, bail};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::thread;
use std::time::{Duration, Instant};

/// How often a killed service is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A service that does not go on for this long never will.
const GIVE_UP: Duration = Duration::from_secs(60);

/// A kill and what came after it.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// Who was killed.
    pub slot: Slot,
    /// From the kill until every input partition had moved on; of a service with none of its own, until it was ready.
    pub recovery: Elapsed,
}

/// Kills one service after the other.
pub struct Killer<'a> {
    random: ChaCha8Rng,
    among: &'static [Service],
    services: &'a mut Services,
    progress: &'a Progress,
    /// What has been done so far.
    pub kills: Vec<Kill>,
}

struct Waiting {
    slot: Slot,
    killed: Stopwatch,
    before: Position,
}

impl<'a> Killer<'a> {
    /// One that kills `among` these, and makes the same choices for the same `seed`.
    #[must_use]
    pub fn new(seed: u64, among: &'static [Service], services: &'a mut Services, progress: &'a Progress) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), among, services, progress, kills: Vec::new() }
    }

    /// Kills one service (in one of four rounds two at the same moment), starts it again at once, and waits until it
    /// has gone on and `pace` has passed.
    ///
    /// # Errors
    /// When a service had ended by itself, or does not go on within a minute.
    pub fn round(&mut self, pace: Duration) -> Result<()> {
        let begin = Instant::now();
        let mut waiting = Vec::new();
        let victims: Vec<Slot> = self.victims().into_iter().map(|service| Slot(service, 1)).collect();
        victims.iter().try_for_each(|slot| self.services.kill(*slot))?;
        let killed = Stopwatch::start()?;
        victims.iter().try_for_each(|slot| self.services.launch(*slot))?;
        for slot in victims {
            // only now: where the dead one stood is told when its successor has ended its transaction
            let before = until("Kafka tells how far a service has come", GIVE_UP, || self.progress.of(slot.0).map(Some))?;
            waiting.push(Waiting { slot, killed, before });
        }
        while !waiting.is_empty() {
            let mut still = Vec::new();
            for victim in waiting {
                match self.recovered(&victim)? {
                    Some(recovery) => self.kills.push(Kill { slot: victim.slot, recovery }),
                    None => still.push(victim),
                }
            }
            waiting = still;
            thread::sleep(LOOK);
        }
        thread::sleep(pace.saturating_sub(begin.elapsed()));
        Ok(())
    }

    fn recovered(&self, victim: &Waiting) -> Result<Option<Elapsed>> {
        let since = victim.killed.elapsed()?;
        // a question that nobody answers in time is asked again
        let goes_on = match victim.slot.0 {
            Service::Trainer | Service::Deployer | Service::DriftWatcher => self.services.is_ready(victim.slot),
            of_the_stream => self.progress.has_moved(of_the_stream, &victim.before),
        };
        if let Ok(true) = goes_on {
            return Ok(Some(since));
        }
        if since.clock > GIVE_UP {
            let log = self.services.process(victim.slot)?.log_end();
            bail!("{} has not gone on {since} after it was killed: {:?}, {goes_on:?}\n{log}", victim.slot, victim.before);
        }
        Ok(None)
    }

    fn victims(&mut self) -> Vec<Service> {
        let mut left = self.among.to_vec();
        let count = if self.random.next_u32().is_multiple_of(4) { 2 } else { 1 };
        (0..count).map(|_| left.swap_remove(self.random.next_u32() as usize % left.len())).collect()
    }
}

/// A seed: `TIDEMILL_SEED`, or one of this process's own.
#[must_use]
pub fn seed() -> u64 {
    std::env::var("TIDEMILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()))
}
