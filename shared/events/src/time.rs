//! Instants and durations in microseconds, read from and written as text.

use jiff::Timestamp;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day.
pub const DAY: i64 = 24 * HOUR;

/// Reads an RFC 3339 instant, e.g. `2018-07-25T12:30:00Z`, into microseconds since 1970.
///
/// # Errors
/// Says what is not an instant.
pub fn parse_instant(text: &str) -> Result<i64, String> {
    text.parse::<Timestamp>()
        .map(|t| t.as_microsecond())
        .map_err(|_| format!("`{text}` is not an RFC 3339 instant such as 2018-07-25T12:30:00Z"))
}

/// Writes microseconds since 1970 as RFC 3339; the number itself where it is beyond the calendar.
#[must_use]
pub fn format_instant(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |t| t.to_string())
}

/// The day of an instant, as 2018-07-25, UTC; the number of microseconds since 1970 where it is beyond the calendar.
#[must_use]
pub fn format_date(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| micros.to_string(), |t| t.strftime("%F").to_string())
}

/// Reads a duration as pipeline files write it: a whole number and one of `s`, `m`, `h`, `d`; in microseconds.
///
/// # Errors
/// Says what is not a duration.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a duration: write a whole number and s, m, h or d, such as 10m or 7d");
    let unit = match text.chars().last().ok_or_else(bad)? {
        's' => SECOND,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        _ => return Err(bad()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(bad());
    }
    digits.parse::<i64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(bad)
}

/// Writes a duration in the largest unit that leaves a whole number.
#[must_use]
pub fn format_duration(micros: i64) -> String {
    for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")] {
        if micros % unit == 0 {
            return format!("{}{name}", micros / unit);
        }
    }
    format!("{micros}us")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_round_trip() {
        let t = parse_instant("2018-07-25T12:30:00.25Z").unwrap();
        assert_eq!(format_instant(t), "2018-07-25T12:30:00.25Z");
        assert!(parse_instant("yesterday").is_err());
        assert_eq!((format_date(t), format_date(-1)), ("2018-07-25".into(), "1969-12-31".into()));
    }

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        assert_eq!(parse_duration("7d"), Ok(7 * DAY));
        assert_eq!(parse_duration("10m"), Ok(10 * MINUTE));
        for bad in ["", "d", "1.5h", "-1d", "7 d", "1w", "99999999999999999999d", "７d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert_eq!(format_duration(36 * HOUR), "36h");
        assert_eq!(format_duration(48 * HOUR), "2d");
    }
}
