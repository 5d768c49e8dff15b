//! How a training goes, on standard error: a line that changes in a terminal, else a line when there is news.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

/// Between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

pub(super) struct Show {
    bar: ProgressBar,
    /// When the last line was written where there is no terminal.
    said: Option<Instant>,
    terminal: bool,
}

impl Show {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self { bar, said: None, terminal: stderr().is_terminal() }
    }

    pub(super) fn line(&mut self, text: &str) {
        if self.terminal {
            self.bar.set_message(text.to_owned());
            self.bar.tick();
        } else if self.said.is_none_or(|said| said.elapsed() >= EVERY) {
            eprintln!("{text}");
            self.said = Some(Instant::now());
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
