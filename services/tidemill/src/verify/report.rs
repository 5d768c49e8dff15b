//! What verification found: counts per invariant and the first violations of each.

use crate::output::{self, count};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt;

/// Violations shown of each invariant; all are counted.
const SHOWN: usize = 10;

/// A promise of docs/ARCHITECTURE.md, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Invariant {
    /// 1: every raw record is valid or rejected, exactly once; what was acknowledged is in raw.
    Ledger,
    /// 2: exactly one record per valid event on each topic after, exactly one outcome or reject per label.
    Predictions,
    /// 3: counts and sums equal a recomputation.
    Values,
    /// 4: the online store equals the fold of what is done.
    Online,
    /// 5: vectors equal a fold of the hop's input in offset order.
    Vectors,
    /// 6: along a partition of the predictions the models follow each other as they were deployed.
    Champion,
}

impl Invariant {
    /// Its number and name.
    #[must_use]
    pub(super) fn title(self) -> &'static str {
        match self {
            Invariant::Ledger => "1 ledger",
            Invariant::Predictions => "2 exactly once",
            Invariant::Values => "3 counts and sums",
            Invariant::Online => "4 online store",
            Invariant::Vectors => "5 vectors",
            Invariant::Champion => "6 champion",
        }
    }
}

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct At {
    /// Its topic.
    pub(super) topic: String,
    /// Its partition.
    pub(super) partition: i32,
    /// Its offset.
    pub(super) offset: i64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Violation {
    /// The record it was seen at, if it was seen at one.
    #[serde(flatten)]
    pub(super) at: Option<At>,
    /// The event, if known.
    pub(super) event_id: Option<String>,
    /// What was expected.
    pub(super) expected: String,
    /// What was found instead.
    pub(super) found: String,
}

/// How an invariant fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Section {
    /// Which.
    pub(super) invariant: Invariant,
    /// Single facts that were checked.
    pub(super) checked: u64,
    /// Those that do not hold.
    pub(super) violations: u64,
    /// The first of them.
    pub(super) first: Vec<Violation>,
}

impl Section {
    /// Nothing checked yet.
    #[must_use]
    pub(super) fn new(invariant: Invariant) -> Self {
        Self { invariant, checked: 0, violations: 0, first: Vec::new() }
    }

    /// Checks a fact; the violation is made only if it does not hold and is among the first.
    pub(super) fn check(&mut self, holds: bool, violation: impl FnOnce() -> Violation) {
        self.checked += 1;
        if !holds {
            self.violate(violation);
        }
    }

    /// Counts a violation of a fact that was counted already.
    pub(super) fn violate(&mut self, violation: impl FnOnce() -> Violation) {
        self.violations += 1;
        if self.first.len() < SHOWN {
            self.first.push(violation());
        }
    }

    /// Adds what another part of the work found.
    pub(super) fn merge(&mut self, other: Section) {
        self.checked += other.checked;
        self.violations += other.violations;
        let room = SHOWN - self.first.len();
        self.first.extend(other.first.into_iter().take(room));
    }
}

/// The result of a verification.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    /// The pipeline.
    pub(super) pipeline: String,
    /// Its version.
    pub(super) pipeline_version: i32,
    /// Whether everything holds.
    pub(super) ok: bool,
    /// Records in raw.
    pub(super) raw: u64,
    /// Those that are valid.
    pub(super) valid: u64,
    /// Those that are rejected.
    pub(super) rejected: u64,
    /// Rejects by reason.
    pub(super) reasons: BTreeMap<String, u64>,
    /// Features that differ from those of this version, in vectors that an earlier one computed: not judged.
    pub(super) outdated: u64,
    /// How long it took.
    pub(super) seconds: f64,
    /// What was checked.
    pub(super) invariants: Vec<Section>,
}

impl output::Report for Report {
    fn rows(&self) -> Vec<Json> {
        let mut rows = Vec::new();
        for section in &self.invariants {
            let Section { invariant, checked, violations, first } = section;
            rows.push(json!({"kind": "invariant", "invariant": invariant, "checked": checked, "violations": violations}));
            for violation in first {
                rows.push(output::row(json!({"kind": "violation", "invariant": invariant}), json!(violation)));
            }
        }
        rows
    }

    fn table(&self) -> String {
        let Self { pipeline, pipeline_version, raw, valid, rejected, reasons, seconds, .. } = self;
        let [raw, valid, rejected] = [raw, valid, rejected].map(|n| count(*n));
        let mut out = format!("{pipeline} version {pipeline_version}: {raw} raw = {valid} valid + {rejected} rejected\n");
        if !reasons.is_empty() {
            let reasons: Vec<String> = reasons.iter().map(|(reason, n)| format!("{reason} {}", count(*n))).collect();
            out += &format!("rejected: {}\n", reasons.join(", "));
        }
        let mut table = output::table(["invariant", "checked", "violations"]);
        for section in &self.invariants {
            table.add_row([section.invariant.title().to_owned(), count(section.checked), count(section.violations)]);
        }
        out += &format!("\n{}\n\n", table.trim_fmt());
        if self.outdated > 0 {
            let n = count(self.outdated);
            out += &format!("{n} times, features of an earlier version of the pipeline differ from this one's: not judged\n\n");
        }
        for section in self.invariants.iter().filter(|s| s.violations > 0) {
            out += &format!("{}: the first {} of {}\n", section.invariant.title(), section.first.len(), count(section.violations));
            section.first.iter().for_each(|violation| out += &violation.to_string());
        }
        out + &format!("{} ({seconds:.1} s)\n", if self.ok { "everything holds" } else { "VIOLATED" })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.at.as_ref().map(At::to_string);
        let event = self.event_id.as_ref().map(|id| format!("event {id}"));
        let head: Vec<String> = place.into_iter().chain(event).collect();
        if !head.is_empty() {
            writeln!(f, "  {}", head.join(" "))?;
        }
        writeln!(f, "      expected {}", self.expected)?;
        writeln!(f, "      found    {}", self.found)
    }
}
