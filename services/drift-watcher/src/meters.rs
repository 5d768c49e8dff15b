//! What the watcher tells about itself: metrics, and the last windows for REST.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use tidemill_events::control::{Alert, Drift};
use tidemill_service::Metrics;
use tidemill_service::metrics::Labels;

/// Windows that are kept for REST, of each pipeline and kind.
const KEPT: usize = 60;

/// A column of a pipeline. Columns come from the pipeline's file, so there are not many.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Column {
    pipeline: Arc<str>,
    column: String,
}

type Gauges = Family<Column, Gauge<f64, AtomicU64>>;

/// Metrics of all pipelines; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Board {
    psi: Gauges,
    missing: Gauges,
    alerts: Family<Labels, Counter>,
    windows: Family<Labels, Counter>,
    late: Family<Labels, Gauge>,
    open: Family<Labels, Gauge>,
    last: Arc<Mutex<BTreeMap<String, VecDeque<Drift>>>>,
}

/// The board as the fold of one pipeline uses it.
#[derive(Debug, Clone)]
pub struct Meters {
    pipeline: Arc<str>,
    board: Board,
}

impl Board {
    /// Registers all of it.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        let board = Self::default();
        metrics.register(|r| {
            r.register("drift_psi", "Population stability index of a column in its last window", board.psi.clone());
            r.register("drift_missing", "Share of missing values of a column in its last window", board.missing.clone());
            r.register("drift_alerts", "Alerts raised, by kind", board.alerts.clone());
            r.register("drift_windows", "Windows measured, by kind", board.windows.clone());
            r.register("drift_late", "Records that came after their window had closed, since the leader started", board.late.clone());
            r.register("drift_open_windows", "Windows that are not closed yet", board.open.clone());
        });
        board
    }

    /// For the fold of `pipeline`, which begins anew.
    #[must_use]
    pub fn of(&self, pipeline: &str) -> Meters {
        self.lock().remove(pipeline);
        Meters { pipeline: pipeline.into(), board: self.clone() }
    }

    /// The last windows of `pipeline`, the oldest first; `None` where this instance does not watch it.
    #[must_use]
    pub fn last(&self, pipeline: &str) -> Option<Vec<Drift>> {
        self.lock().get(pipeline).map(|windows| windows.iter().cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, VecDeque<Drift>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meters {
    /// A window that is on the topic.
    pub(crate) fn drift(&self, drift: Drift) {
        let kind = if drift.kind == "concept" { "concept" } else { "data" };
        self.board.windows.get_or_create(&self.labels(kind)).inc();
        for column in &drift.columns {
            let label = Column { pipeline: self.pipeline.clone(), column: column.column.clone() };
            for (gauges, measure) in [(&self.board.psi, "psi"), (&self.board.missing, "missing")] {
                if let Some(value) = column.measures.get(measure) {
                    gauges.get_or_create(&label).set(*value);
                }
            }
        }
        let mut last = self.board.lock();
        let windows = last.entry(self.pipeline.to_string()).or_default();
        windows.push_back(drift);
        if windows.len() > 2 * KEPT {
            windows.pop_front();
        }
    }

    /// An alert that is on the topic.
    pub(crate) fn alert(&self, alert: &Alert) {
        let kind = match alert.kind.as_str() {
            crate::message::CONCEPT => crate::message::CONCEPT,
            crate::message::SCORES => crate::message::SCORES,
            _ => crate::message::DATA,
        };
        self.board.alerts.get_or_create(&self.labels(kind)).inc();
    }

    /// Windows that are open, and records that came too late.
    pub(crate) fn open(&self, open: usize, late_data: u64, late_outcomes: u64) {
        self.board.lock().entry(self.pipeline.to_string()).or_default();
        self.board.open.get_or_create(&self.labels("")).set(open as i64);
        self.board.late.get_or_create(&self.labels("data")).set(late_data as i64);
        self.board.late.get_or_create(&self.labels("concept")).set(late_outcomes as i64);
    }

    fn labels(&self, outcome: &'static str) -> Labels {
        Labels { pipeline: self.pipeline.clone(), stage: crate::STAGE, outcome }
    }
}
