//! When a record is due.

use std::str::FromStr;
use std::time::Duration;

/// How fast events are published.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Pace {
    /// As fast as they are acknowledged.
    #[default]
    Max,
    /// As fast as they happened, this many times over.
    EventTime(f64),
    /// This many a second.
    Rate(f64),
}

/// `--speed`: `max`, `live` or how many times faster than it happened, such as `60x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed(pub Pace);

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self(Pace::Max)),
            "live" => Ok(Self(Pace::EventTime(1.0))),
            _ => positive(text.strip_suffix('x').unwrap_or(""))
                .map(|times| Self(Pace::EventTime(times)))
                .ok_or_else(|| format!("`{text}` is not a speed: max, live, or a number and x, such as 60x")),
        }
    }
}

/// `--rate`: events a second, such as `2000/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub Pace);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        positive(text.strip_suffix("/s").unwrap_or(text))
            .map(|rate| Self(Pace::Rate(rate)))
            .ok_or_else(|| format!("`{text}` is not a rate: events a second, such as 2000/s"))
    }
}

fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|v: &f64| v.is_finite() && *v > 0.0)
}

/// Says when the next record is due: an open loop, so that a delay is caught up with and not hidden.
#[derive(Debug)]
pub(super) struct Pacer {
    pace: Pace,
    sent: u64,
    /// Event time of the first record.
    origin: Option<i64>,
    /// Time since the start, as last looked at.
    now: Duration,
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, sent: 0, origin: None, now: Duration::ZERO }
    }

    /// Whether [`Self::due_in`] wants event times.
    pub(super) fn by_event_time(&self) -> bool {
        matches!(self.pace, Pace::EventTime(_))
    }

    /// How long until the next record, of event time `event_time` (microseconds since 1970), is due;
    /// `None` when it is. `elapsed` tells the time since the start and is only asked when it matters.
    pub(super) fn due_in(&mut self, event_time: Option<i64>, elapsed: impl FnOnce() -> Duration) -> Option<Duration> {
        let due = match self.pace {
            Pace::Max => return None,
            Pace::Rate(rate) => Duration::try_from_secs_f64(self.sent as f64 / rate),
            Pace::EventTime(times) => {
                let event_time = event_time?;
                let since = event_time.saturating_sub(*self.origin.get_or_insert(event_time));
                Duration::try_from_secs_f64(since.max(0) as f64 / 1e6 / times)
            }
        }
        .unwrap_or(Duration::MAX);
        if due > self.now {
            self.now = elapsed();
        }
        due.checked_sub(self.now).filter(|wait| !wait.is_zero())
    }

    /// One record was sent.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> impl FnOnce() -> Duration {
        move || Duration::from_millis(millis)
    }

    fn millis(wait: Option<Duration>) -> Option<u128> {
        wait.map(|w| w.as_millis())
    }

    #[test]
    fn a_rate_spaces_records_evenly_and_catches_up() {
        let mut pacer = Pacer::new(Pace::Rate(100.0));
        let mut next = |now| {
            let wait = pacer.due_in(None, at(now));
            if wait.is_none() {
                pacer.sent();
            }
            millis(wait)
        };
        assert_eq!(next(0), None);
        assert_eq!(next(0), Some(10));
        assert_eq!(next(10), None);
        assert_eq!(next(10), Some(10));
        // after a stall of 25 ms, the two that are due go at once
        assert_eq!([next(35), next(35), next(35)], [None, None, Some(5)]);
    }

    #[test]
    fn event_time_is_scaled_from_the_first_event() {
        let mut pacer = Pacer::new(Pace::EventTime(60.0));
        let start = 1_522_540_831_000_000;
        assert_eq!(pacer.due_in(Some(start), at(0)), None);
        assert_eq!(millis(pacer.due_in(Some(start + 60_000_000), at(400))), Some(600));
        assert_eq!(pacer.due_in(Some(start + 60_000_000), at(1_000)), None);
        assert_eq!(pacer.due_in(Some(start - 60_000_000), at(1_000)), None, "an event out of order is late already");
        assert_eq!(pacer.due_in(None, at(1_000)), None);
    }

    #[test]
    fn the_clock_is_not_read_for_what_is_due_already() {
        let mut pacer = Pacer::new(Pace::Rate(1_000.0));
        pacer.sent();
        assert_eq!(pacer.due_in(None, at(50)), None);
        for _ in 0..49 {
            pacer.sent();
            assert_eq!(pacer.due_in(None, || panic!("the clock was read")), None);
        }
    }

    #[test]
    fn speeds_and_rates_are_read_as_people_write_them() {
        assert_eq!("max".parse(), Ok(Speed(Pace::Max)));
        assert_eq!("live".parse(), Ok(Speed(Pace::EventTime(1.0))));
        assert_eq!("1.5x".parse(), Ok(Speed(Pace::EventTime(1.5))));
        assert_eq!("2000/s".parse(), Ok(Rate(Pace::Rate(2_000.0))));
        assert_eq!("2000".parse(), Ok(Rate(Pace::Rate(2_000.0))));
        for bad in ["", "x", "0x", "-1x", "fast", "infx", "60"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
        for bad in ["", "/s", "0/s", "nan/s", "5/m"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
