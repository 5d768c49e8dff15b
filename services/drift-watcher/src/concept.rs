//! Whether decisions go wrong more often: the errors of each window, once its labels are in, through a detector.
//!
//! A window's labels are in when every partition of the outcomes has passed its end and the label horizon in label time;
//! with a default label also the lateness, as the evaluator waits so long for a label before it gives that.
//! Its outcomes are taken up in the order of event time and id, so the detector sees the same whatever the order in which
//! they came; those that another model than the window's own decided are left out. A new model starts a new detector. The
//! bootstrap expression has learned nothing that could grow old: it is not watched.

use crate::progress::Progress;
use crate::window::{MAX_ROWS, majority, place_of, window_of};
use std::collections::BTreeMap;
use tidemill_events::control::Span;
use tidemill_events::records::ModelRef;
use tidemill_events::views::OutcomeView;
use tidemill_pipeline::learning::Detector as Kind;
use tidemill_statistics::detector::{Adwin, Direction, PageHinkley, PageHinkleySettings};
use tidemill_statistics::sample::Sample;

/// An alarm counts if the window's share of errors is at least this many times that of the windows before: a detector on many
/// outcomes finds changes that matter to nobody, and improvements.
const RISE: f64 = 1.5;
/// The detector's word holds for as many windows: where errors rise slowly it speaks before they have risen enough.
const STANDS: u32 = 3;
/// And only with as many outcomes in the window as this.
pub(crate) const MIN_OUTCOMES: u64 = 1_000;

/// The errors of a window.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Errors {
    pub(crate) span: Span,
    pub(crate) model: ModelRef,
    pub(crate) outcomes: u64,
    pub(crate) errors: u64,
    pub(crate) alarm: bool,
    /// Share of errors in the windows of this model before.
    pub(crate) before: Option<f64>,
}

/// What is watched, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    /// Length of a window, microseconds.
    pub(crate) length: i64,
    /// How long after its event a label may come, microseconds.
    pub(crate) horizon: i64,
    /// How far labels go by that before an event gets the default label, microseconds; 0 where there is none.
    pub(crate) slack: i64,
    /// Scores from here on say that the label is 1.
    pub(crate) threshold: f64,
    /// The detector.
    pub(crate) detector: Kind,
}

/// The windows whose labels are not in yet, and the detector.
#[derive(Debug)]
pub(crate) struct Concept {
    settings: Settings,
    progress: Progress<i32>,
    open: BTreeMap<i64, Outcomes>,
    closed_to: i64,
    watched: Option<Watched>,
    late: u64,
}

#[derive(Debug)]
struct Outcomes {
    span: Span,
    models: Vec<(ModelRef, u64)>,
    sample: Sample<Judged>,
}

/// An outcome: when, whether the decision was wrong, and the place of the model among the window's.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Judged {
    time: i64,
    wrong: bool,
    model: u32,
}

/// The model that is watched.
#[derive(Debug)]
struct Watched {
    model: ModelRef,
    detector: Detector,
    outcomes: u64,
    errors: u64,
    /// For how many windows more the detector's word holds.
    stands: u32,
}

#[derive(Debug)]
enum Detector {
    Adwin(Adwin),
    PageHinkley(PageHinkley),
}

/// The label time from which on nothing more is known of a window.
fn closes(settings: &Settings, span: Span) -> i64 {
    span.to.saturating_add(settings.horizon).saturating_add(settings.slack)
}

impl Concept {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, progress: Progress::default(), open: BTreeMap::new(), closed_to: i64::MIN, watched: None, late: 0 }
    }

    /// Takes up an outcome from `partition`.
    pub(crate) fn outcome(&mut self, partition: i32, outcome: &OutcomeView<'_>) {
        let span = window_of(outcome.event_time, self.settings.length);
        let before = self.progress.advance(partition, outcome.label_time);
        let late = before.is_some_and(|time| time >= closes(&self.settings, span));
        if late || span.to <= self.closed_to {
            self.late += 1;
            return;
        }
        let new = || Outcomes { span, models: Vec::new(), sample: Sample::new(MAX_ROWS) };
        let window = self.open.entry(span.from).or_insert_with(new);
        let model = place_of(&mut window.models, &outcome.model);
        window.models[model].1 += 1;
        // what could not be scored was decided as if above the threshold
        let positive = outcome.score.is_nan() || outcome.score >= self.settings.threshold;
        let wrong = positive != (outcome.label >= 0.5);
        window.sample.offer(outcome.event_id, || Judged { time: outcome.event_time, wrong, model: model as u32 });
    }

    /// Outcomes that came after their window had closed.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Notes the wall clock.
    pub(crate) fn look(&mut self, now: i64) {
        self.progress.look(now);
    }

    /// The errors of the oldest window, once nothing more can come into it. Windows of the bootstrap expression are passed over.
    pub(crate) fn closed(&mut self, caught_up: bool) -> Option<Errors> {
        loop {
            let entry = self.open.first_entry()?;
            let span = entry.get().span;
            if !self.progress.passed(closes(&self.settings, span), caught_up) {
                return None;
            }
            let window = entry.remove();
            self.closed_to = self.closed_to.max(span.to);
            if let Some(errors) = self.judge(window) {
                return Some(errors);
            }
        }
    }

    fn judge(&mut self, window: Outcomes) -> Option<Errors> {
        let place = majority(&window.models)?;
        let model = &window.models[place].0;
        if model.version == 0 {
            self.watched = None;
            return None;
        }
        if self.watched.as_ref().is_none_or(|w| w.model.digest != model.digest || w.model.version != model.version) {
            self.watched = Some(Watched::new(model.clone(), self.settings.detector));
        }
        let mut outcomes: Vec<(i64, &str, bool)> = window
            .sample
            .iter()
            .filter(|(_, judged)| judged.model as usize == place)
            .map(|(id, judged)| (judged.time, id, judged.wrong))
            .collect();
        outcomes.sort_unstable();
        self.watched.as_mut().map(|watched| watched.take(window.span, &outcomes))
    }
}

impl Watched {
    fn new(model: ModelRef, kind: Kind) -> Self {
        let detector = match kind {
            Kind::Adwin => Detector::Adwin(Adwin::default()),
            Kind::PageHinkley => {
                let upwards = PageHinkleySettings { direction: Direction::Up, ..PageHinkleySettings::default() };
                Detector::PageHinkley(PageHinkley::new(upwards))
            }
        };
        Self { model, detector, outcomes: 0, errors: 0, stands: 0 }
    }

    fn take(&mut self, span: Span, outcomes: &[(i64, &str, bool)]) -> Errors {
        let share = |errors: u64, outcomes: u64| (outcomes > 0).then(|| errors as f64 / outcomes as f64);
        let before = share(self.errors, self.outcomes);
        self.stands = self.stands.saturating_sub(1);
        let mut errors = 0;
        for (_, _, wrong) in outcomes {
            errors += u64::from(*wrong);
            if self.detector.update(f64::from(u8::from(*wrong))) {
                self.stands = STANDS;
            }
        }
        let count = outcomes.len() as u64;
        self.errors += errors;
        self.outcomes += count;
        let risen = before.zip(share(errors, count)).is_some_and(|(before, now)| now > 0.0 && now >= RISE * before);
        let alarm = self.stands > 0 && risen && count >= MIN_OUTCOMES;
        Errors { span, model: self.model.clone(), outcomes: count, errors, alarm, before }
    }
}

impl Detector {
    fn update(&mut self, x: f64) -> bool {
        match self {
            Detector::Adwin(detector) => detector.update(x),
            Detector::PageHinkley(detector) => detector.update(x),
        }
    }
}

#[cfg(test)]
mod tests;
