//! Waiting for a condition, never for a time.

use anyhow::{Context, Result};
use std::thread;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);

/// Asks `condition` until it gives something. One that fails is asked again: what it asks may be restarting.
///
/// # Errors
/// After `patience`, with `what` and what `condition` last failed with.
pub fn until<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let give_up = Instant::now() + patience;
    loop {
        let last = match condition() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() > give_up {
            let message = format!("waited {patience:?} in vain: {what}");
            return Err(last.unwrap_or_else(|| anyhow::anyhow!("it is not so"))).context(message);
        }
        thread::sleep(POLL);
    }
}

/// Asks `condition` until it holds.
///
/// # Errors
/// As [`until`].
pub fn until_holds(what: &str, patience: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, patience, || condition().map(|holds| holds.then_some(())))
}
