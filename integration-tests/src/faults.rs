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
    bag: Bag,
    services: &'a mut Services,
    progress: &'a Progress,
    /// What has been done so far.
    pub kills: Vec<Kill>,
}

/// Who is next: drawn at random, but each of them once before any is again. Drawn freely, twenty kills spare one of eight services
/// in two of five runs.
struct Bag {
    random: ChaCha8Rng,
    among: &'static [Service],
    left: Vec<Service>,
}

impl Bag {
    fn new(seed: u64, among: &'static [Service]) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), among, left: Vec::new() }
    }

    /// One, or in one of four draws two. The last of a bag comes alone: the next bag may begin with the same.
    fn draw(&mut self) -> Vec<Service> {
        if self.left.is_empty() {
            self.left = self.among.to_vec();
        }
        let wanted = if self.random.next_u32().is_multiple_of(4) { 2 } else { 1 };
        let count = wanted.min(self.left.len());
        (0..count).map(|_| self.left.swap_remove(self.random.next_u32() as usize % self.left.len())).collect()
    }
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
        Self { bag: Bag::new(seed, among), services, progress, kills: Vec::new() }
    }

    /// Kills one service (in one of four rounds two at the same moment), starts it again at once, and waits until it
    /// has gone on and `pace` has passed.
    ///
    /// # Errors
    /// When a service had ended by itself, or does not go on within a minute.
    pub fn round(&mut self, pace: Duration) -> Result<()> {
        let begin = Instant::now();
        let mut waiting = Vec::new();
        let victims: Vec<Slot> = self.bag.draw().into_iter().map(|service| Slot(service, 1)).collect();
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
}

/// A seed: `TIDEMILL_SEED`, or one of this process's own.
#[must_use]
pub fn seed() -> u64 {
    std::env::var("TIDEMILL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn draws(seed: u64) -> Vec<Vec<Service>> {
        let mut bag = Bag::new(seed, &Service::ALL);
        (0..40).map(|_| bag.draw()).collect()
    }

    #[test]
    fn every_service_is_killed_before_one_is_killed_again() {
        let mut pairs = 0;
        for seed in 0..200 {
            let draws = draws(seed);
            pairs += draws.iter().filter(|victims| victims.len() == 2).count();
            for round in draws.concat().chunks_exact(Service::ALL.len()) {
                assert_eq!(round.iter().collect::<BTreeSet<_>>().len(), Service::ALL.len(), "seed {seed}: {round:?}");
            }
        }
        assert!((1_000..2_000).contains(&pairs), "{pairs} of 8,000 draws were pairs");
        assert_eq!(draws(7), draws(7), "a seed repeats its choices");
        assert_ne!(draws(7), draws(8));
    }
}
