//! How many records are on their way, so that those that would only wait behind them can wait outside of the client.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// More on their way than this are waited for. librdkafka 2.12 sends nothing more of a partition behind five records in
/// flight, and spins while any behind them are due (see `transactional`): what waits here costs nothing, and leaves together.
const CROWD: usize = 32;

/// Records handed to one client and not answered.
#[derive(Debug, Default)]
pub(super) struct Flight {
    records: AtomicUsize,
    landed: Notify,
}

impl Flight {
    pub(super) fn start(&self, records: usize) {
        self.records.fetch_add(records, Ordering::AcqRel);
    }

    /// One was answered.
    pub(super) fn land(&self) {
        if self.records.fetch_sub(1, Ordering::AcqRel) == CROWD + 1 {
            self.landed.notify_waiters();
        }
    }

    /// Nobody is to wait for those that are left.
    pub(super) fn end(&self) {
        self.landed.notify_waiters();
    }

    /// Waits until there is no crowd, for `patience` at most.
    pub(super) async fn turn(&self, patience: Duration) {
        // made before the look, so that no landing in between is missed
        let landed = self.landed.notified();
        if self.records.load(Ordering::Acquire) > CROWD {
            // out of patience the records go the way of all others, to be acknowledged or refused
            let _ = timeout(patience, landed).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[tokio::test]
    async fn a_crowd_is_waited_for_and_then_all_go() {
        let flight = Flight::default();
        flight.start(CROWD);
        flight.turn(Duration::MAX).await;
        flight.start(2);
        let (mut one, mut other) = (pin!(flight.turn(Duration::from_secs(100))), pin!(flight.turn(Duration::from_secs(100))));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            assert!(one.as_mut().poll(&mut context).is_pending() && other.as_mut().poll(&mut context).is_pending());
            flight.land();
        }
        assert!(one.as_mut().poll(&mut context).is_ready() && other.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn what_a_client_that_has_ended_still_had_is_not_waited_for() {
        let flight = Flight::default();
        flight.start(CROWD + 1);
        let mut waits = pin!(flight.turn(Duration::from_secs(100)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        flight.end();
        assert!(waits.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn a_broker_that_is_away_is_not_waited_for_longer_than_wanted() {
        let flight = Flight::default();
        flight.start(CROWD + 1);
        flight.turn(Duration::from_millis(20)).await;
    }
}
