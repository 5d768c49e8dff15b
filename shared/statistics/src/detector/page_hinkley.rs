//! The Page-Hinkley test: E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954.

/// Which changes of the mean give an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// It rises.
    Up,
    /// It falls.
    Down,
    /// Either.
    #[default]
    Both,
}

/// Settings of [`PageHinkley`]; the default is river's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PageHinkleySettings {
    /// Observations before the first alarm.
    pub min_instances: u64,
    /// A change of the mean by this much is tolerated, in units of the values.
    pub delta: f64,
    /// An alarm is given when the cumulated deviation is this far from its extreme.
    pub threshold: f64,
    /// What is left of the cumulated deviation after one more observation, 0 to 1.
    pub alpha: f64,
    /// Which changes give an alarm.
    pub direction: Direction,
}

impl Default for PageHinkleySettings {
    fn default() -> Self {
        Self { min_instances: 30, delta: 0.005, threshold: 50.0, alpha: 0.9999, direction: Direction::Both }
    }
}

/// Cumulates deviations from the running mean, and gives an alarm when they go far from their least
/// (upwards) or greatest (downwards) value. Constant time and memory.
#[derive(Debug, Clone, PartialEq)]
pub struct PageHinkley {
    settings: PageHinkleySettings,
    rows: u64,
    mean: f64,
    rise: f64,
    least_rise: f64,
    fall: f64,
    greatest_fall: f64,
    alarm: bool,
}

impl Default for PageHinkley {
    fn default() -> Self {
        Self::new(PageHinkleySettings::default())
    }
}

impl PageHinkley {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(settings: PageHinkleySettings) -> Self {
        // -1 and not -infinity: river starts so, and positions of alarms depend on it
        Self { settings, rows: 0, mean: 0.0, rise: 0.0, least_rise: f64::INFINITY, fall: 0.0, greatest_fall: -1.0, alarm: false }
    }

    /// Takes one observation; true if the mean has changed.
    pub fn update(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        if self.alarm {
            *self = Self::new(self.settings);
        }
        let PageHinkleySettings { min_instances, delta, threshold, alpha, direction } = self.settings;
        self.rows += 1;
        self.mean += 1.0 / self.rows as f64 * (x - self.mean);
        let deviation = x - self.mean;
        self.rise = alpha * self.rise + deviation - delta;
        self.fall = alpha * self.fall + deviation + delta;
        self.least_rise = self.least_rise.min(self.rise);
        self.greatest_fall = self.greatest_fall.max(self.fall);

        let up = direction != Direction::Down && self.rise - self.least_rise > threshold;
        let down = direction != Direction::Up && self.greatest_fall - self.fall > threshold;
        self.alarm = self.rows >= min_instances && (up || down);
        self.alarm
    }

    /// Observations since the start or the last alarm.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Their mean; `None` without observations.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.rows > 0).then_some(self.mean)
    }
}
