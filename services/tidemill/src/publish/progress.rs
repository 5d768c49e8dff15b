//! How a publication goes, on standard error: a bar in a terminal, else a line every five seconds.

use super::tally::Tally;
use crate::output::count;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::convert::Infallible;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval_at};

const REDRAW: Duration = Duration::from_millis(250);
const LINE: Duration = Duration::from_secs(5);

/// Shows `tally` until it is dropped; `total` is the number of events there will be, where that is known.
pub(super) async fn show(tally: &Tally, total: Option<u64>) -> Infallible {
    let terminal = stderr().is_terminal();
    let bar = bar(total, terminal);
    let mut speed = Speed::new();
    let every = if terminal { REDRAW } else { LINE };
    let mut tick = interval_at(tokio::time::Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let acknowledged = tally.acknowledged.get();
        let line = line(tally, speed.update(acknowledged));
        if terminal {
            bar.set_position(acknowledged + tally.refused.get());
            bar.set_message(line);
        } else {
            eprintln!("{} of {} events acknowledged{line}", count(acknowledged), total.map_or("?".into(), count));
        }
    }
}

fn bar(total: Option<u64>, terminal: bool) -> ProgressBar {
    let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let template = if total.is_some() { "{bar:30} {human_pos}/{human_len}{msg}" } else { "{human_pos}{msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(total, target).with_style(style)
}

fn line(tally: &Tally, rate: f64) -> String {
    let mut line = format!(", {}/s", count(rate.round() as u64));
    for (counter, what) in [(&tally.refused, "refused"), (&tally.unreadable, "unreadable"), (&tally.labels_acknowledged, "labels")] {
        if counter.get() > 0 {
            line += &format!(", {} {what}", count(counter.get()));
        }
    }
    if let Some(trouble) = tally.trouble() {
        line += &format!(", waiting: {trouble}");
    }
    line
}

/// Speed over the last second or more.
struct Speed {
    since: Instant,
    count: u64,
    rate: f64,
}

impl Speed {
    fn new() -> Self {
        Self { since: Instant::now(), count: 0, rate: 0.0 }
    }

    fn update(&mut self, count: u64) -> f64 {
        let elapsed = self.since.elapsed();
        if elapsed >= Duration::from_secs(1) || self.count == 0 {
            self.rate = count.saturating_sub(self.count) as f64 / elapsed.as_secs_f64();
        }
        if elapsed >= Duration::from_secs(1) {
            (self.since, self.count) = (Instant::now(), count);
        }
        self.rate
    }
}
