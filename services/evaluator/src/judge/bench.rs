//! Loads challenger, champion and the rows held back, and scores them. Blocking, and heavy: on a thread of its own.

use super::verdict::{Verdict, verdict};
use std::collections::HashMap;
use std::sync::Arc;
use tidemill_events::Value;
use tidemill_events::control::{Candidate, Evaluation};
use tidemill_events::layout::FeatureType;
use tidemill_events::records::{ModelRef, SourceRecord};
use tidemill_pipeline::Pipeline;

/// The rows held back to judge a challenger by.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Holdout {
    /// Names of the columns.
    pub(crate) features: Vec<String>,
    /// One column for each of them, all as long as `labels`; NaN where a value is missing.
    pub(crate) columns: Vec<Vec<f64>>,
    /// The labels.
    pub(crate) labels: Vec<f64>,
}

/// A model that was opened, its digest and golden rows checked.
pub(crate) trait Opened {
    /// The features that it reads, in the order of a row.
    fn features(&self) -> &[String];

    /// The score of each row of `rows`, row-major, NaN where a value is missing.
    fn scores(&self, rows: &[f64]) -> Vec<f64>;

    /// The rows that were held back when it was trained.
    ///
    /// # Errors
    /// [`Failed`].
    fn holdout(&self) -> Result<Holdout, Failed>;
}

/// Why something could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failed {
    /// The store is away: to be tried again.
    #[error("{0}")]
    Away(String),
    /// It is not what it should be, and never will be.
    #[error("{0}")]
    Refused(String),
}

/// Where models are.
pub(crate) trait Vault: Send + Sync {
    /// Opens the model of this digest.
    ///
    /// # Errors
    /// [`Failed`].
    fn open(&self, digest: &str) -> Result<Box<dyn Opened>, Failed>;
}

/// Why a candidate could not be judged now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotJudged(pub(crate) String);

/// What judges the candidates of one pipeline.
pub(crate) struct Bench {
    pipeline: Arc<Pipeline>,
    vault: Box<dyn Vault>,
}

impl Bench {
    /// Of `pipeline`, with the models of `vault`.
    #[must_use]
    pub(crate) fn new(pipeline: Arc<Pipeline>, vault: Box<dyn Vault>) -> Self {
        Self { pipeline, vault }
    }

    /// The pipeline's name.
    #[must_use]
    pub(crate) fn pipeline(&self) -> &str {
        &self.pipeline.name
    }

    /// Judges `candidate`, of record `record`, against `champion`, or the bootstrap expression if there is none.
    ///
    /// A challenger or rows that cannot be opened are a refusal, with the reason. So is a champion that cannot: what
    /// serves is broken, and a person should look.
    ///
    /// # Errors
    /// While the object store is away.
    pub(crate) fn judge(&self, record: SourceRecord, candidate: &Candidate, champion: Option<&ModelRef>) -> Result<Evaluation, NotJudged> {
        let challenger = candidate.model.clone().unwrap_or_default();
        let champion = champion.filter(|model| model.version > 0).cloned().unwrap_or_else(|| self.pipeline.bootstrap_model());
        let (labels, verdict) = match self.compare(&challenger, &champion) {
            Ok(compared) => compared,
            Err(Failed::Away(why)) => return Err(NotJudged(why)),
            Err(Failed::Refused(why)) => (Vec::new(), Verdict { detail: why, ..Verdict::default() }),
        };
        Ok(Evaluation {
            pipeline: self.pipeline.name.clone(),
            candidate: record,
            challenger,
            champion,
            holdout: candidate.holdout,
            rows: labels.len() as i64,
            positives: labels.iter().filter(|label| **label >= 0.5).count() as i64,
            challenger_metrics: verdict.challenger,
            champion_metrics: verdict.champion,
            gates: verdict.gates,
            passed: verdict.passed,
            detail: verdict.detail,
            evaluated_at: 0,
        })
    }

    fn compare(&self, challenger: &ModelRef, champion: &ModelRef) -> Result<(Vec<f64>, Verdict), Failed> {
        let named = |what: &'static str| {
            move |failed: Failed| match failed {
                Failed::Away(why) => Failed::Away(format!("{what}: {why}")),
                Failed::Refused(why) => Failed::Refused(format!("{what} cannot be opened: {why}")),
            }
        };
        let opened = self.vault.open(&challenger.digest).map_err(named("the challenger"))?;
        self.fits(&*opened).map_err(named("the challenger"))?;
        let holdout = opened.holdout().map_err(named("the challenger's holdout"))?;
        let new = scores(&*opened, &holdout);
        let old = if champion.version == 0 {
            self.bootstrap_scores(&holdout)
        } else {
            scores(&*self.vault.open(&champion.digest).map_err(named("the champion"))?, &holdout)
        };
        let verdict = verdict(&self.pipeline, &holdout.labels, &new, &old);
        Ok((holdout.labels, verdict))
    }

    /// A challenger reads the numbers of the vector, all of them in their order, as the pipeline is applied now.
    fn fits(&self, challenger: &dyn Opened) -> Result<(), Failed> {
        let numbers = self.pipeline.layout.features.iter().filter(|column| column.ty == FeatureType::Double);
        let wanted: Vec<&str> = numbers.map(|column| column.name.as_str()).collect();
        if challenger.features() == wanted {
            return Ok(());
        }
        Err(Failed::Refused(format!("wrong_features: it reads {:?}, the pipeline gives {wanted:?}", challenger.features())))
    }

    /// The bootstrap's scores. What it cannot score is an alarm, as the predictor decides.
    fn bootstrap_scores(&self, holdout: &Holdout) -> Vec<f64> {
        let alarm = self.pipeline.decision.threshold.max(1.0);
        let columns = places(holdout, self.pipeline.layout.features.iter().map(|column| column.name.as_str()));
        let mut row = vec![Value::Null; columns.len()];
        let score = |index: usize| {
            for (value, column) in row.iter_mut().zip(&columns) {
                let known = column.map(|c| holdout.columns[c][index]).filter(|v| !v.is_nan());
                *value = known.map_or(Value::Null, Value::Double);
            }
            let score = self.pipeline.bootstrap.eval(&row).ok().and_then(|v| v.as_f64());
            score.filter(|s| !s.is_nan()).unwrap_or(alarm)
        };
        (0..holdout.labels.len()).map(score).collect()
    }
}

/// Rows that are scored at a time.
const BLOCK: usize = 4_096;

fn scores(model: &dyn Opened, holdout: &Holdout) -> Vec<f64> {
    let columns = places(holdout, model.features().iter().map(String::as_str));
    let count = holdout.labels.len();
    let mut scores = Vec::with_capacity(count);
    let mut rows = Vec::with_capacity(BLOCK * columns.len());
    for first in (0..count).step_by(BLOCK) {
        rows.clear();
        for index in first..count.min(first + BLOCK) {
            rows.extend(columns.iter().map(|column| column.map_or(f64::NAN, |c| holdout.columns[c][index])));
        }
        scores.extend(model.scores(&rows));
    }
    scores
}

/// For each name the holdout's column, if it has it: a champion may know features that are no more.
fn places<'a>(holdout: &Holdout, names: impl Iterator<Item = &'a str>) -> Vec<Option<usize>> {
    let columns: HashMap<&str, usize> = holdout.features.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    names.map(|name| columns.get(name).copied()).collect()
}
