//! Windows of event time: which outcomes belong to each, and when it is closed.
//!
//! **Closed.** An outcome's label is known within the horizon after its event, so a partition whose largest label time
//! has reached a window's end and the horizon has told all of it. With a default label it takes the lateness, too: only
//! then has an event without a label got it, and before the outcome that tells that time (`join`). A window is closed when that holds for every partition
//! of the topic. Once the topic has been read to its end, partitions that never had a record are not waited for, nor
//! those that have been silent for a minute of wall clock while another has passed the window.
//!
//! **Late.** What a partition tells of a window after it has passed that window itself is late, whatever the other
//! partitions have told by then. So a window's rows follow from the order within each partition alone, and a restart
//! that reads everything in another order of partitions comes to the same numbers. Late outcomes are counted and in no
//! record: a record is written once, and what comes after it could be in it only if it had come before. The exception
//! is a partition that was given up as silent or empty: what it tells of windows closed meanwhile is late as well.

use super::scores::Scores;
use std::collections::BTreeMap;
use tidemill_events::control::{Performance, Span};
use tidemill_events::records::ModelRef;
use tidemill_events::time::MINUTE;
use tidemill_events::views::{ModelView, OutcomeView};
use tidemill_pipeline::Pipeline;

/// How long a partition may be silent, microseconds of wall clock, before it is no longer waited for.
const SILENCE: i64 = MINUTE;

/// What the windows are, and what is measured of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Length of a window, microseconds.
    pub(crate) window: i64,
    /// How long after its event a label counts, microseconds.
    pub(crate) horizon: i64,
    /// How far labels go by that before an event gets the default label, microseconds; 0 where there is none.
    pub(crate) slack: i64,
    /// Partitions of `<p>.outcomes`.
    pub(crate) partitions: u32,
    /// Scores from here on are alarms.
    pub(crate) threshold: f64,
    /// `k` of precision at k.
    pub(crate) precision_at: Option<usize>,
    /// Rows of a window that are kept one by one; 16 bytes each. Beyond them a histogram of fixed size.
    pub(crate) exact: usize,
}

/// Rows of a window that are kept one by one: 16 MB.
const EXACT: usize = 1_000_000;

impl Settings {
    /// Those of `pipeline`, where it has that section and labels.
    pub(crate) fn of(pipeline: &Pipeline) -> Option<Self> {
        let (performance, labels) = pipeline.learning.performance.as_ref().zip(pipeline.learning.labels.as_ref())?;
        Some(Self {
            window: performance.window,
            horizon: labels.horizon,
            slack: labels.default.map_or(0, |_| pipeline.source.lateness),
            partitions: pipeline.source.partitions,
            threshold: pipeline.decision.threshold,
            precision_at: performance.precision_at.and_then(|k| usize::try_from(k).ok()),
            exact: EXACT,
        })
    }
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is one of its window's rows.
    Counted,
    /// Its window was closed.
    Late,
    /// Its window was written before this process read the topic.
    Told,
}

/// How far a partition has told.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Largest label time.
    label_time: i64,
    records: u64,
    /// `records` when it was last looked at.
    seen: u64,
    /// Wall clock when a look found more of them.
    moved_at: i64,
}

const NOTHING: Progress = Progress { label_time: i64::MIN, records: 0, seen: 0, moved_at: i64::MIN };

/// The windows of a pipeline.
#[derive(Debug)]
pub(super) struct Windows {
    settings: Settings,
    partitions: Vec<Progress>,
    open: BTreeMap<i64, Window>,
    /// Start of each written window by its end, and whether it was written before this process began.
    told: BTreeMap<i64, (i64, bool)>,
}

#[derive(Debug)]
struct Window {
    rows: i64,
    positives: i64,
    /// Outcomes by the model that decided.
    models: Vec<(ModelRef, i64)>,
    scores: Scores,
}

impl Windows {
    pub(super) fn new(settings: Settings) -> Self {
        let partitions = vec![NOTHING; settings.partitions as usize];
        Self { settings, partitions, open: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// A window that was written before. None that overlaps it is written again, also when windows had another
    /// length then.
    pub(super) fn told(&mut self, window: Span) {
        self.told.insert(window.to, (window.from, true));
    }

    pub(super) fn take(&mut self, partition: i32, outcome: &OutcomeView<'_>) -> Taken {
        let window = self.window(outcome.event_time.div_euclid(self.settings.window).saturating_mul(self.settings.window));
        let closes = self.closes(window);
        let index = usize::try_from(partition).unwrap_or_default();
        if index >= self.partitions.len() {
            self.partitions.resize(index + 1, NOTHING);
        }
        let progress = &mut self.partitions[index];
        let passed = progress.label_time >= closes;
        progress.label_time = progress.label_time.max(outcome.label_time);
        progress.records += 1;
        match self.writer(window) {
            Some(true) => return Taken::Told,
            Some(false) => return Taken::Late,
            None if passed => return Taken::Late,
            None => {}
        }
        let settings = &self.settings;
        self.open.entry(window.from).or_insert_with(|| Window::new(settings)).add(outcome);
        Taken::Counted
    }

    /// Notes at wall clock `now` which partitions have moved since the last look.
    pub(super) fn look(&mut self, now: i64) {
        for progress in &mut self.partitions {
            if progress.records != progress.seen || progress.moved_at == i64::MIN {
                progress.seen = progress.records;
                progress.moved_at = now;
            }
        }
    }

    /// The oldest window that is closed at wall clock `now`, which is told with that; to be asked until there is none.
    pub(super) fn close(&mut self, now: i64, caught_up: bool) -> Option<Performance> {
        let window = self.window(*self.open.first_key_value()?.0);
        let closes = self.closes(window);
        let passed = |p: &Progress| p.label_time >= closes;
        let given_up = |p: &Progress| caught_up && (p.records == 0 || now.saturating_sub(p.moved_at) >= SILENCE);
        if !self.partitions.iter().any(passed) || !self.partitions.iter().all(|p| passed(p) || given_up(p)) {
            return None;
        }
        let (_, closed) = self.open.pop_first()?;
        self.told.insert(window.to, (window.from, false));
        Some(closed.finish(window, &self.settings))
    }

    fn window(&self, from: i64) -> Span {
        Span { from, to: from.saturating_add(self.settings.window) }
    }

    /// The label time from which on nothing more is known of `window`.
    fn closes(&self, window: Span) -> i64 {
        window.to.saturating_add(self.settings.horizon).saturating_add(self.settings.slack)
    }

    /// `None` if nothing that overlaps `window` is written; else whether it was before this process began.
    fn writer(&self, window: Span) -> Option<bool> {
        let (_, (from, before)) = self.told.range(window.from.saturating_add(1)..).next()?;
        (*from < window.to).then_some(*before)
    }
}

impl Window {
    fn new(settings: &Settings) -> Self {
        Self { rows: 0, positives: 0, models: Vec::new(), scores: Scores::new(settings.exact, settings.threshold) }
    }

    fn add(&mut self, outcome: &OutcomeView<'_>) {
        self.rows += 1;
        self.positives += i64::from(outcome.label >= 0.5);
        match self.models.iter_mut().find(|(known, _)| is(known, &outcome.model)) {
            Some((_, count)) => *count += 1,
            None => self.models.push((outcome.model.to_owned(), 1)),
        }
        self.scores.add(outcome.score, outcome.label);
    }

    fn finish(self, window: Span, settings: &Settings) -> Performance {
        let mut versions: BTreeMap<String, i64> = BTreeMap::new();
        for (model, count) in &self.models {
            *versions.entry(model.version.to_string()).or_default() += count;
        }
        // of two with as many the newer, and then any order that is always the same
        let most = |(model, count): &(ModelRef, i64)| (*count, model.version, model.digest.clone(), model.stage.clone());
        let model = self.models.into_iter().max_by_key(most).map(|(model, _)| model).unwrap_or_default();
        let metrics = self.scores.metrics(settings.precision_at);
        let metrics = metrics.named().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Performance { window, model, rows: self.rows, positives: self.positives, versions, metrics }
    }
}

fn is(known: &ModelRef, view: &ModelView<'_>) -> bool {
    known.version == view.version && known.digest == view.digest && known.stage == view.stage && known.name == view.name
}
