//! CEL's timestamp accessors, in UTC, from microseconds: integer arithmetic only.
//!
//! CEL counts months, days of the month and days of the year from 0, and `getDate` from 1.

const DAY: i64 = 86_400_000_000;

/// A part of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Part {
    /// This part of the instant `micros` after 1970-01-01T00:00:00Z.
    pub(crate) fn of(self, micros: i64) -> i64 {
        let days = micros.div_euclid(DAY);
        let in_day = micros.rem_euclid(DAY) / 1_000;
        match self {
            Part::Milliseconds => in_day % 1_000,
            Part::Seconds => in_day / 1_000 % 60,
            Part::Minutes => in_day / 60_000 % 60,
            Part::Hours => in_day / 3_600_000,
            Part::DayOfWeek => (days + 4).rem_euclid(7),
            Part::FullYear => civil(days).0,
            Part::Month => civil(days).1 - 1,
            Part::DayOfMonth => civil(days).2 - 1,
            Part::Date => civil(days).2,
            Part::DayOfYear => days - days_before_year(civil(days).0),
        }
    }
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01.
///
/// Counts in 400-year eras of years that begin in March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}

#[cfg(test)]
mod tests {
    use super::Part;
    use jiff::{Timestamp, tz::TimeZone};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_jiff(micros in Timestamp::MIN.as_microsecond()..Timestamp::MAX.as_microsecond()) {
            let t = Timestamp::from_microsecond(micros).unwrap().to_zoned(TimeZone::UTC);
            prop_assert_eq!(Part::FullYear.of(micros), i64::from(t.year()));
            prop_assert_eq!(Part::Month.of(micros), i64::from(t.month()) - 1);
            prop_assert_eq!(Part::Date.of(micros), i64::from(t.day()));
            prop_assert_eq!(Part::DayOfMonth.of(micros), i64::from(t.day()) - 1);
            prop_assert_eq!(Part::DayOfYear.of(micros), i64::from(t.day_of_year()) - 1);
            prop_assert_eq!(Part::DayOfWeek.of(micros), i64::from(t.weekday().to_sunday_zero_offset()));
            prop_assert_eq!(Part::Hours.of(micros), i64::from(t.hour()));
            prop_assert_eq!(Part::Minutes.of(micros), i64::from(t.minute()));
            prop_assert_eq!(Part::Seconds.of(micros), i64::from(t.second()));
            prop_assert_eq!(Part::Milliseconds.of(micros), i64::from(t.millisecond()));
        }

        #[test]
        fn never_overflows(micros: i64) {
            for part in [Part::FullYear, Part::Month, Part::DayOfYear, Part::Date, Part::DayOfWeek, Part::Hours] {
                part.of(micros);
            }
        }
    }

    #[test]
    fn sunday_is_day_0() {
        let sunday = tidemill_events::time::parse_instant("2018-07-29T12:30:00Z").unwrap();
        assert_eq!(Part::DayOfWeek.of(sunday), 0);
        assert_eq!(Part::Hours.of(sunday), 12);
    }
}
