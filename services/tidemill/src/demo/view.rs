//! What the demo shows while it runs: a few lines that are redrawn in a terminal, else one line at a time.

use crate::output::count;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// Between two pictures in a terminal, and between two lines elsewhere.
const REDRAW: Duration = Duration::from_secs(1);
const LINE: Duration = Duration::from_secs(5);

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Picture {
    /// Seconds since the start.
    pub(super) seconds: f64,
    /// Records to publish, and those the ingestor has answered for good.
    pub(super) total: u64,
    pub(super) answered: u64,
    /// Acknowledged records a second, lately.
    pub(super) acknowledged_rate: f64,
    /// Predictions seen, and a second, lately.
    pub(super) predictions: u64,
    pub(super) prediction_rate: f64,
    /// Predictions at or above the threshold.
    pub(super) alerts: u64,
    /// Refused by the ingestor; rejected by the validator, by reason.
    pub(super) refused: u64,
    pub(super) rejected: BTreeMap<String, u64>,
    /// Labels that met their prediction.
    pub(super) outcomes: u64,
    /// Offsets that each stage has not done.
    pub(super) behind: Vec<(String, u64)>,
    /// Milliseconds from the append in raw to here, lately.
    pub(super) p50: Option<usize>,
    pub(super) p99: Option<usize>,
    /// Resident bytes of each service.
    pub(super) memory: Vec<(String, u64)>,
    /// Why nothing is acknowledged at the moment.
    pub(super) trouble: Option<String>,
}

impl Picture {
    fn lines(&self) -> Vec<String> {
        let percent = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
        let trouble = self.trouble.as_ref().map_or_else(String::new, |t| format!("  waiting: {t}"));
        vec![
            format!(
                "published    {} of {} ({:.0} %), {}/s acknowledged{trouble}",
                count(self.answered),
                count(self.total),
                percent(self.answered, self.total),
                per_second(self.acknowledged_rate)
            ),
            format!(
                "predictions  {}, {}/s, {} ({:.2} %) at or over the threshold",
                count(self.predictions),
                per_second(self.prediction_rate),
                count(self.alerts),
                percent(self.alerts, self.predictions)
            ),
            format!("bad records  {}", self.bad()),
            format!("labels       {} met their prediction", count(self.outcomes)),
            format!("behind       {}", join(&self.behind, |n| count(*n))),
            format!("latency      {}", self.latency()),
            format!("memory       {}", self.memory_line()),
        ]
    }

    fn line(&self) -> String {
        let behind: u64 = self.behind.iter().map(|(_, n)| n).sum();
        let memory: u64 = self.memory.iter().map(|(_, n)| n).sum();
        let trouble = self.trouble.as_ref().map_or_else(String::new, |t| format!(" · waiting: {t}"));
        format!(
            "{:4.0} s  {} of {} published, {}/s · {} predictions, {}/s · {} outcomes · {} behind · {} · {}{trouble}",
            self.seconds,
            count(self.answered),
            count(self.total),
            per_second(self.acknowledged_rate),
            count(self.predictions),
            per_second(self.prediction_rate),
            count(self.outcomes),
            count(behind),
            self.latency(),
            mib(memory)
        )
    }

    fn bad(&self) -> String {
        let mut all = vec![("refused by the ingestor".to_owned(), self.refused)];
        all.extend(self.rejected.iter().map(|(reason, n)| (reason.clone(), *n)));
        join(&all, |n| count(*n))
    }

    fn latency(&self) -> String {
        match (self.p50, self.p99) {
            (Some(p50), Some(p99)) => format!("p50 {p50} ms, p99 {p99} ms"),
            _ => "no prediction lately".into(),
        }
    }

    fn memory_line(&self) -> String {
        let all: u64 = self.memory.iter().map(|(_, n)| n).sum();
        format!("{}, together {}", join(&self.memory, |n| mib(*n)), mib(all))
    }
}

fn per_second(rate: f64) -> String {
    count(rate.round().max(0.0) as u64)
}

/// Bytes in MiB, for people.
pub(super) fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn join<T>(all: &[(String, T)], show: impl Fn(&T) -> String) -> String {
    all.iter().map(|(name, value)| format!("{name} {}", show(value))).collect::<Vec<_>>().join(" · ")
}

/// The lines on standard error.
pub(super) struct View {
    screen: MultiProgress,
    lines: Vec<ProgressBar>,
    terminal: bool,
}

impl View {
    /// A view for where standard error goes.
    pub(super) fn new() -> Self {
        let terminal = stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { screen: MultiProgress::with_draw_target(target), lines: Vec::new(), terminal }
    }

    /// How often there should be a new picture.
    pub(super) fn every(&self) -> Duration {
        if self.terminal { REDRAW } else { LINE }
    }

    /// Shows how things stand now.
    pub(super) fn show(&mut self, picture: &Picture) {
        if !self.terminal {
            eprintln!("{}", picture.line());
            return;
        }
        let lines = picture.lines();
        while self.lines.len() < lines.len() {
            let style = ProgressStyle::with_template("  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            self.lines.push(self.screen.add(ProgressBar::new_spinner().with_style(style)));
        }
        for (bar, line) in self.lines.iter().zip(lines) {
            bar.set_message(line);
            bar.tick();
        }
    }

    /// Says something that stays.
    pub(super) fn say(&self, line: &str) {
        if self.terminal {
            // a terminal that cannot be written to has nobody to tell
            let _ = self.screen.println(line);
        } else {
            eprintln!("{line}");
        }
    }

    /// Leaves the last picture where it is.
    pub(super) fn finish(&mut self) {
        self.lines.drain(..).for_each(|bar| bar.abandon());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_what_people_ask_for() {
        let picture = Picture {
            seconds: 12.0,
            total: 868_214,
            answered: 94_000,
            acknowledged_rate: 7_893.6,
            predictions: 93_800,
            prediction_rate: 7_880.0,
            alerts: 250,
            refused: 31,
            rejected: [("late".to_owned(), 30)].into(),
            outcomes: 70_000,
            behind: vec![("validator".into(), 12), ("predictor".into(), 1_005)],
            p50: Some(61),
            p99: Some(108),
            memory: vec![("ingestor".into(), 22 << 20)],
            trouble: Some("connection refused".into()),
        };
        let lines = picture.lines();
        assert_eq!(lines[0], "published    94,000 of 868,214 (11 %), 7,894/s acknowledged  waiting: connection refused");
        assert_eq!(lines[1], "predictions  93,800, 7,880/s, 250 (0.27 %) at or over the threshold");
        assert_eq!(lines[2], "bad records  refused by the ingestor 31 · late 30");
        assert_eq!(lines[3], "labels       70,000 met their prediction");
        assert_eq!(lines[4], "behind       validator 12 · predictor 1,005");
        assert_eq!(lines[6], "memory       ingestor 22 MiB, together 22 MiB");
        assert_eq!(
            picture.line(),
            "  12 s  94,000 of 868,214 published, 7,894/s · 93,800 predictions, 7,880/s · 70,000 outcomes · 1,017 behind · p50 61 ms, p99 108 ms · 22 MiB · waiting: connection refused"
        );
    }
}
