//! Only frauds are labelled, once a night, and everything else gets the default: every outcome is in its window.

use super::*;
use crate::performance::{PerformanceFold, Settings};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tidemill_events::control::Performance;
use tidemill_events::time::MINUTE;
use tidemill_task_sets::observer::Fold;

/// More than leave at once.
const A_DAY: usize = 2 * DUE + 880;
const FRAUDS: usize = 24;
const DAYS: usize = 11;

impl Bench {
    /// The outcomes' records, which are done with that.
    fn told(&mut self) -> Vec<Vec<u8>> {
        let told = self.out.iter().filter(|o| o.topic == OUTCOMES).map(|o| o.payload.to_vec()).collect();
        self.out.clear();
        self.task.commit(0, false);
        told
    }
}

#[test]
fn each_window_has_all_its_outcomes() {
    let mut bench = Bench::with(Some(0.0));
    let mut told = Vec::new();
    for day in 0..DAYS {
        for n in 0..A_DAY {
            let event_time = T0 + day as i64 * DAY + n as i64 * (DAY / A_DAY as i64);
            bench.predict(&format!("{day}-{n}"), event_time, "");
            told.append(&mut bench.told());
        }
        // the night's batch has one time
        for n in (0..A_DAY).step_by(A_DAY / FRAUDS) {
            bench.label(&format!("{day}-{n}"), 1.0, T0 + (day + 1) as i64 * DAY);
            told.append(&mut bench.told());
        }
    }
    for _ in 0..10 {
        bench.task.tick(T0, &mut bench.out).unwrap();
        told.append(&mut bench.told());
    }

    let late = Arc::new(AtomicUsize::new(0));
    let (counted, outcomes) = (late.clone(), bench.shared.outcomes.clone());
    let own = AvroSchema::parse(&bench.shared.pipeline.layout.avro(PerPipeline::Performance)).unwrap();
    let mut pipeline = (*bench.shared.pipeline).clone();
    pipeline.learning.labels = Some(bench.shared.labels.clone());
    let settings = Settings { partitions: 1, ..Settings::of(&pipeline).unwrap() };
    assert_eq!((settings.window, settings.horizon, settings.slack), (DAY, 7 * DAY, 10 * MINUTE));
    let known = outcomes.schema().clone();
    let tell = Arc::new(move || _ = counted.fetch_add(1, Relaxed));
    let mut fold = PerformanceFold::new(settings, outcomes, Box::new(move |_| Ok(known.clone())), (own.clone(), 1), tell);
    let mut out = Outputs::default();
    for (offset, payload) in told.iter().enumerate() {
        let record =
            Record { topic: 0, partition: 0, offset: offset as i64, timestamp: 0, key: None, payload: Some(payload), traceparent: None };
        fold.take(&record).unwrap();
        fold.ready(0, false, &mut out).unwrap();
        fold.commit();
    }
    assert_eq!(late.load(Relaxed), 0, "no outcome comes when its window is closed");
    let windows: Vec<Performance> = out.iter().map(|o| own.decode(wire::split(Some(o.payload)).unwrap().1).unwrap()).collect();
    let rows: Vec<(i64, i64)> = windows.iter().map(|w| (w.rows, w.positives)).collect();
    // the last night lets go all but ten minutes of the day that ended a horizon ago
    assert_eq!(rows, vec![(A_DAY as i64, FRAUDS as i64); DAYS - 8]);
}
