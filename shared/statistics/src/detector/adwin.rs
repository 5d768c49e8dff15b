//! ADWIN2: A. Bifet and R. Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007.
//!
//! The window is a list of summaries, each of `2^level` neighbouring observations. At every `clock`-th
//! observation each cut between two summaries is looked at: where the means of the two parts are too far
//! apart for their lengths, the oldest summary is dropped and the cuts are looked at again. The order of
//! the floating-point operations is river's, since positions of alarms depend on it.

use std::collections::VecDeque;

/// Settings of [`Adwin`]; the default is river's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdwinSettings {
    /// Bound on the probability of a false alarm, between 0 and 1; the smaller, the later the alarm.
    pub delta: f64,
    /// Observations from one look to the next; 0 counts as 1.
    pub clock: u64,
    /// Most summaries of one level, before two become one of the next; 0 counts as 1.
    pub max_buckets: usize,
    /// Least observations on either side of a cut.
    pub min_window_length: u64,
    /// No look until the window has more observations than this.
    pub grace_period: u64,
}

impl Default for AdwinSettings {
    fn default() -> Self {
        Self { delta: 0.002, clock: 32, max_buckets: 5, min_window_length: 5, grace_period: 10 }
    }
}

/// Neighbouring observations: their sum, and the sum of their squared distances from their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    total: f64,
    squares: f64,
}

/// A window that is as long as its mean is steady. Logarithmic memory; a look takes time proportional to
/// the summaries, which are `max_buckets log2(length)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Adwin {
    settings: AdwinSettings,
    /// Summaries of `2^i` observations at index i, oldest first; the highest level is the oldest.
    levels: Vec<VecDeque<Bucket>>,
    whole: Bucket,
    width: u64,
    ticks: u64,
    alarm: bool,
}

impl Default for Adwin {
    fn default() -> Self {
        Self::new(AdwinSettings::default())
    }
}

impl Adwin {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(settings: AdwinSettings) -> Self {
        let settings = AdwinSettings { clock: settings.clock.max(1), max_buckets: settings.max_buckets.max(1), ..settings };
        let whole = Bucket { total: 0.0, squares: 0.0 };
        Self { settings, levels: vec![VecDeque::new()], whole, width: 0, ticks: 0, alarm: false }
    }

    /// Takes one observation; true if the mean has changed.
    pub fn update(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        if self.alarm {
            *self = Self::new(self.settings);
        }
        self.push(x);
        self.ticks += 1;
        if self.ticks.is_multiple_of(self.settings.clock) && self.width > self.settings.grace_period {
            while self.has_cut() {
                self.alarm = true;
                self.drop_oldest();
            }
        }
        self.alarm
    }

    /// Observations in the window: since the last change.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Their mean; `None` if there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.width > 0).then(|| self.whole.total / self.width as f64)
    }

    fn push(&mut self, x: f64) {
        let before = self.width as f64;
        if self.width > 0 {
            let distance = x - self.whole.total / before;
            self.whole.squares += before * distance * distance / (before + 1.0);
        }
        self.width += 1;
        self.whole.total += x;
        self.insert(0, Bucket { total: x, squares: 0.0 });
    }

    /// Puts a summary on its level; the two oldest of a level that is full become one of the next.
    fn insert(&mut self, mut level: usize, mut bucket: Bucket) {
        loop {
            if level == self.levels.len() {
                self.levels.push(VecDeque::new());
            }
            let buckets = &mut self.levels[level];
            buckets.push_back(bucket);
            if buckets.len() <= self.settings.max_buckets {
                return;
            }
            let (Some(a), Some(b)) = (buckets.pop_front(), buckets.pop_front()) else { return };
            let size = size(level);
            let gap = a.total / size - b.total / size;
            bucket = Bucket { total: a.total + b.total, squares: a.squares + b.squares + size * 0.5 * gap * gap };
            level += 1;
        }
    }

    fn drop_oldest(&mut self) {
        let level = self.levels.len() - 1;
        let Some(oldest) = self.levels[level].pop_front() else { return };
        let size = size(level);
        self.width -= 1 << level;
        self.whole.total -= oldest.total;
        let rest = self.width as f64;
        let gap = oldest.total / size - self.whole.total / rest;
        self.whole.squares -= oldest.squares + size * rest * gap * gap / (size + rest);
        while self.levels.len() > 1 && self.levels.last().is_some_and(VecDeque::is_empty) {
            self.levels.pop();
        }
    }

    /// Whether there is a cut with means further apart than chance explains.
    fn has_cut(&self) -> bool {
        let width = self.width as f64;
        let least = self.settings.min_window_length as f64;
        let confidence = (2.0 * width.ln() / self.settings.delta).ln();
        let variance = self.whole.squares / width;
        let (mut old, mut old_total) = (0.0, 0.0);
        let (mut new, mut new_total) = (width, self.whole.total);
        for (level, buckets) in self.levels.iter().enumerate().rev() {
            let size = size(level);
            for bucket in buckets {
                old += size;
                new -= size;
                old_total += bucket.total;
                new_total -= bucket.total;
                if new <= 0.0 || old < least || new < least {
                    continue;
                }
                let distance: f64 = old_total / old - new_total / new;
                let lengths = 1.0 / (old - least + 1.0) + 1.0 / (new - least + 1.0);
                let tolerated = (2.0 * lengths * variance * confidence).sqrt() + 2.0 / 3.0 * confidence * lengths;
                if distance.abs() > tolerated {
                    return true;
                }
            }
        }
        false
    }
}

fn size(level: usize) -> f64 {
    (1u64 << level) as f64
}
