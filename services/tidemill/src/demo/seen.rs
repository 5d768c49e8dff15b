//! What a downstream reader has seen, held against what is known of the payments.

use super::latency::Latencies;
use super::learned::Learned;
use super::news::News;
use super::quality::Quality;
use crate::generate::Payment;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_events::Prediction;
use tidemill_events::control::Performance;
use tidemill_events::records::Reject;

/// Predictions and rejects seen so far.
#[derive(Debug)]
pub(super) struct Seen {
    payments: Arc<[Payment]>,
    /// The decision that raises an alert.
    alert: String,
    /// Predictions seen.
    pub(super) predictions: u64,
    /// Predictions and truth, by the version of the model that decided.
    pub(super) judged: BTreeMap<i32, Judged>,
    /// What the learning loop has said and nobody has shown yet.
    pub(super) news: Vec<String>,
    /// What has to follow yet: trainings that alerts asked for, verdicts on models, deployments.
    pub(super) awaited: i64,
    /// What of the learning loop has been seen.
    pub(super) learned: Learned,
    /// How good decisions were once their labels were in.
    pub(super) quality: Quality,
    /// Rejected events by reason.
    pub(super) rejected: BTreeMap<String, u64>,
    /// Labels that met their prediction, and those that were rejected.
    pub(super) outcomes: u64,
    pub(super) rejected_labels: u64,
    /// The topic of labels.
    labels: String,
    /// From the append in raw to here, of all predictions.
    pub(super) latencies: Latencies,
    /// The same of the predictions since the last [`Seen::take_recent`].
    recent: Latencies,
    /// The last event that raised an alert.
    pub(super) last_alert: Option<CompactString>,
}

/// Alerts against the truth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Predictions in all.
    pub(super) predictions: u64,
    /// Frauds with an alert.
    pub(super) caught: u64,
    /// Frauds without.
    pub(super) missed: u64,
    /// Alerts on genuine payments.
    pub(super) false_alerts: u64,
}

impl Judged {
    /// Alerts in all.
    pub(super) fn alerts(&self) -> u64 {
        self.caught + self.false_alerts
    }

    /// Share of alerts that are frauds; `None` without alerts.
    pub(super) fn precision(&self) -> Option<f64> {
        share(self.caught, self.alerts())
    }

    /// Share of frauds that have an alert; `None` without frauds.
    pub(super) fn recall(&self) -> Option<f64> {
        share(self.caught, self.caught + self.missed)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Seen {
    /// Nothing yet; `payments` are known, the decision `alert` calls for a look, and labels are on topic `labels`.
    pub(super) fn new(payments: Arc<[Payment]>, alert: String, labels: String) -> Self {
        Self {
            payments,
            alert,
            predictions: 0,
            judged: BTreeMap::new(),
            news: Vec::new(),
            awaited: 0,
            learned: Learned::default(),
            quality: Quality::default(),
            rejected: BTreeMap::new(),
            outcomes: 0,
            rejected_labels: 0,
            labels,
            latencies: Latencies::default(),
            recent: Latencies::default(),
            last_alert: None,
        }
    }

    /// A prediction was received at `now`, microseconds since 1970.
    pub(super) fn prediction(&mut self, prediction: &Prediction, now: i64) {
        self.predictions += 1;
        let latency = now - prediction.ingested_at;
        self.latencies.note(latency);
        self.recent.note(latency);
        let payment = prediction.event_id.parse().ok().and_then(|id: usize| self.payments.get(id));
        let judged = self.judged.entry(prediction.model.version).or_default();
        judged.predictions += 1;
        match (payment.is_some_and(Payment::is_fraud), prediction.decision == self.alert) {
            (true, true) => judged.caught += 1,
            (true, false) => judged.missed += 1,
            (false, true) => judged.false_alerts += 1,
            (false, false) => return,
        }
        if prediction.decision == self.alert {
            self.last_alert = Some(prediction.event_id.clone());
        }
    }

    /// A reject was received.
    pub(super) fn reject(&mut self, reject: Reject) {
        if reject.source.topic == self.labels {
            self.rejected_labels += 1;
        } else {
            *self.rejected.entry(reject.reason).or_default() += 1;
        }
    }

    /// An outcome was received.
    pub(super) fn outcome(&mut self) {
        self.outcomes += 1;
    }

    /// The learning loop has said something.
    pub(super) fn news(&mut self, News { line, awaits, shows }: News) {
        self.news.push(line);
        self.awaited += awaits;
        self.learned.take(shows);
    }

    /// A window's quality was received.
    pub(super) fn window(&mut self, window: Performance) {
        self.news.extend(self.quality.window(window).map(str::to_owned));
    }

    /// Raw records, and labels, that have come out at the other end.
    pub(super) fn done(&self) -> (u64, u64) {
        (self.predictions + self.rejected.values().sum::<u64>(), self.outcomes + self.rejected_labels)
    }

    /// Alerts of all models.
    pub(super) fn alerts(&self) -> u64 {
        self.judged.values().map(Judged::alerts).sum()
    }

    /// Latencies since the last call.
    pub(super) fn take_recent(&mut self) -> Latencies {
        std::mem::take(&mut self.recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_held_against_the_truth() {
        let payment =
            |id, fraud_scenario| Payment { transaction_id: id, event_time: 0, customer_id: 0, terminal_id: 0, cents: 1, fraud_scenario };
        let mut seen = Seen::new([payment(0, 0), payment(1, 1), payment(2, 3), payment(3, 0)].into(), "review".into(), "p.labels".into());
        for (id, decision) in [("0", "accept"), ("1", "review"), ("2", "accept"), ("3", "review"), ("bad-1", "accept")] {
            let prediction = Prediction { event_id: id.into(), decision: decision.into(), ingested_at: 1_000, ..Prediction::default() };
            seen.prediction(&prediction, 6_000);
        }
        let judged = seen.judged[&0];
        assert_eq!(judged, Judged { predictions: 5, caught: 1, missed: 1, false_alerts: 1 });
        assert_eq!((judged.precision(), judged.recall(), seen.alerts()), (Some(0.5), Some(0.5), 2));
        seen.outcome();
        assert_eq!((seen.predictions, seen.done()), (5, (5, 1)));
        assert_eq!(seen.last_alert.as_deref(), Some("3"));
        assert_eq!(seen.take_recent().quantile(1.0), Some(5));
        assert_eq!(seen.take_recent().quantile(1.0), None);
        assert_eq!(Judged::default().precision(), None);
    }
}
