//! Live quality before and after a model has taken over: the windows that the evaluator has closed, once their labels are in.

use tidemill_events::control::Performance;
use tidemill_events::time::format_date;

/// The windows so far.
#[derive(Debug, Default)]
pub(super) struct Quality {
    /// The last one that a single model decided.
    last: Option<Performance>,
    /// What was said of each take-over.
    pub(super) lines: Vec<String>,
}

impl Quality {
    /// A window is closed: says how good it was beside the last one of the model before, if it is the first that its model decided
    /// alone. On the day of a switch both have decided, and the numbers are nobody's.
    pub(super) fn window(&mut self, window: Performance) -> Option<&str> {
        if window.versions.len() != 1 {
            return None;
        }
        let before = self.last.replace(window.clone()).filter(|before| before.model.version != window.model.version)?;
        self.lines.push(format!("live: {}; before it {}", one(&window, true), one(&before, false)));
        self.lines.last().map(String::as_str)
    }
}

/// A window's numbers, with their names if they are to be `named`.
fn one(window: &Performance, named: bool) -> String {
    let by = if window.model.version == 0 { "the rule".to_owned() } else { format!("model {}", window.model.version) };
    let metric =
        |name: &str, show: fn(f64) -> String| window.metrics.get(name).map_or_else(|| "undefined".to_owned(), |value| show(*value));
    let (ranking, precision) = (metric("average_precision", |v| format!("{v:.3}")), metric("precision", |v| format!("{:.1} %", 100.0 * v)));
    let [first, second] = if named { ["average precision ", "precision "] } else { [""; 2] };
    format!("{by} on {} ({} frauds): {first}{ranking}, {second}{precision}", format_date(window.window.from), window.positives)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tidemill_events::control::Span;
    use tidemill_events::records::ModelRef;
    use tidemill_events::time::DAY;

    fn window(day: i64, versions: &[i32], metrics: &[(&str, f64)]) -> Performance {
        Performance {
            window: Span { from: day * DAY, to: (day + 1) * DAY },
            model: ModelRef { version: versions[0], ..ModelRef::default() },
            rows: 100,
            positives: 10 + day,
            versions: versions.iter().map(|version| (version.to_string(), 50)).collect(),
            metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn the_first_window_of_a_model_alone_is_held_beside_the_last_of_the_one_before() {
        let mut quality = Quality::default();
        for day in 0..3 {
            assert_eq!(quality.window(window(day, &[0], &[("average_precision", 0.2 + day as f64 / 100.0), ("precision", 1.0)])), None);
        }
        assert_eq!(quality.window(window(3, &[1, 0], &[("average_precision", 0.5)])), None, "both decided");
        let line = "live: model 1 on 1970-01-05 (14 frauds): average precision 0.712, precision 68.0 %; \
                    before it the rule on 1970-01-03 (12 frauds): 0.220, 100.0 %";
        assert_eq!(quality.window(window(4, &[1], &[("average_precision", 0.712), ("precision", 0.68)])), Some(line));
        assert!(line.len() <= 160);
        assert_eq!(quality.window(window(5, &[1], &[])), None, "told once");
        let line = "live: model 3 on 1970-01-07 (16 frauds): average precision undefined, precision undefined; \
                    before it model 1 on 1970-01-06 (15 frauds): undefined, undefined";
        assert_eq!(quality.window(window(6, &[3], &[])), Some(line));
        assert_eq!(quality.lines.len(), 2);
    }
}
