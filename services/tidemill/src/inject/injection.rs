//! What changes in the world, and which rows it hits.

use crate::generate::Payment;
use rust_decimal::{Decimal, RoundingStrategy};
use sha2::{Digest, Sha256};

/// A change of the world.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// What changes.
    pub kind: Kind,
    /// From when on, microseconds of event time since 1970.
    pub from: i64,
    /// Same seed, same choices.
    pub seed: u64,
}

/// What changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The number in `column` is multiplied.
    Drift {
        /// The column.
        column: String,
        /// By this.
        factor: Decimal,
    },
    /// A share of the keys in `key` is compromised: all their events are labelled 1.
    FraudWave {
        /// Column of the keys.
        key: String,
        /// Column of the label.
        label: String,
        /// Share of the keys, 0 to 1.
        share: f64,
    },
    /// `column` is null in a share of the events.
    MissingField {
        /// The column.
        column: String,
        /// Share of the events, 0 to 1.
        share: f64,
    },
}

/// The handbook's scenario of a compromised terminal.
const TERMINAL: u8 = 2;

impl Injection {
    /// Whether the thing called `name` is among a share of all, by the seed.
    pub(super) fn hits(&self, name: &[u8], share: f64) -> bool {
        let digest = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(name).finalize();
        let bits = digest.iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        ((bits >> 11) as f64) < share * (1u64 << 53) as f64
    }

    /// Changes generated payments, in the order of time, as [`super::Injected`] changes their file. Payments have no field that
    /// may be missing: nothing happens to them then. Gives how many were changed.
    pub fn payments(&self, payments: &mut [Payment]) -> usize {
        let first = payments.partition_point(|payment| payment.event_time < self.from);
        let mut changed = 0;
        for payment in &mut payments[first..] {
            let hit = match &self.kind {
                Kind::Drift { factor, .. } => {
                    let cents = times(Decimal::new(payment.cents, 2), *factor).map(|d| d.mantissa());
                    cents.and_then(|c| i64::try_from(c).ok()).map(|cents| payment.cents = cents).is_some()
                }
                Kind::FraudWave { share, .. } => {
                    let hit = self.hits(payment.terminal_id.to_string().as_bytes(), *share);
                    if hit && !payment.is_fraud() {
                        payment.fraud_scenario = TERMINAL;
                    }
                    hit
                }
                Kind::MissingField { .. } => false,
            };
            changed += usize::from(hit);
        }
        changed
    }
}

/// The product with as many digits after the point as `number` has; a tie goes to the even digit. `None` if it is too large.
pub(super) fn times(number: Decimal, factor: Decimal) -> Option<Decimal> {
    let mut product = number.checked_mul(factor)?.round_dp_with_strategy(number.scale(), RoundingStrategy::MidpointNearestEven);
    product.rescale(number.scale());
    Some(product)
}
