//! One value of a row, written as JSON the way the event schema wants it.

use std::io::Write;
use tidemill_events::schema::{Field, Type};
use tidemill_events::time::{format_instant, parse_instant};

/// A value of an event file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Absent.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// A double.
    Double(f64),
    /// An exact decimal: `unscaled` / 10^`scale`.
    Decimal {
        /// All digits.
        unscaled: i128,
        /// Digits after the point.
        scale: u32,
    },
    /// Microseconds since 1970.
    Instant(i64),
    /// Text that says nothing of its type (CSV), or is text (Parquet).
    Text(&'a str),
    /// A JSON value as it was written (NDJSON).
    Json(&'a str),
}

impl Cell<'_> {
    /// Appends the value of `field` to `out`.
    ///
    /// Numbers become strings where the schema says string, text becomes a number where the schema wants
    /// one and it is one. What does not fit goes as it is: the ingestor judges, and says why it refuses.
    pub(crate) fn write(self, field: &Field, out: &mut Vec<u8>) {
        let quoted = matches!(field.ty, Type::String | Type::Enum(_));
        match self {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Bool(v) => quote_if(quoted, out, |out| out.extend_from_slice(if v { b"true" } else { b"false" })),
            Cell::Integer(v) => quote_if(quoted, out, |out| integer(v, out)),
            Cell::Double(v) => quote_if(quoted || !v.is_finite(), out, |out| double(v, out)),
            Cell::Decimal { unscaled, scale } => quote_if(quoted, out, |out| decimal(unscaled, scale, out)),
            Cell::Instant(micros) => match field.ty {
                Type::TimestampMillis => integer(micros.div_euclid(1_000), out),
                Type::TimestampMicros => integer(micros, out),
                _ => string(&format_instant(micros), out),
            },
            Cell::Text(text) if !quoted && is_bare(text) => out.extend_from_slice(text.as_bytes()),
            Cell::Text(text) => string(text, out),
            Cell::Json(json) => quote_if(quoted && is_bare(json), out, |out| out.extend_from_slice(json.as_bytes())),
        }
    }

    /// The instant this cell says under type `ty`, microseconds since 1970.
    pub(crate) fn instant(self, ty: &Type) -> Option<i64> {
        let of_number = |v: i64| if *ty == Type::TimestampMillis { v.checked_mul(1_000) } else { Some(v) };
        match self {
            Cell::Instant(micros) => Some(micros),
            Cell::Integer(v) => of_number(v),
            Cell::Text(text) => text.parse().ok().and_then(of_number).or_else(|| parse_instant(text).ok()),
            Cell::Json(json) => Cell::Text(json.trim_matches('"')).instant(ty),
            Cell::Null | Cell::Bool(_) | Cell::Double(_) | Cell::Decimal { .. } => None,
        }
    }

    /// The number this cell is.
    pub(super) fn number(self) -> Option<f64> {
        match self {
            Cell::Bool(v) => Some(f64::from(u8::from(v))),
            Cell::Integer(v) => Some(v as f64),
            Cell::Double(v) => Some(v),
            Cell::Decimal { unscaled, scale } => Some(unscaled as f64 / 10f64.powi(scale as i32)),
            Cell::Text("true") | Cell::Json("true") => Some(1.0),
            Cell::Text("false") | Cell::Json("false") => Some(0.0),
            Cell::Text(text) => text.parse().ok(),
            Cell::Json(json) => json.trim_matches('"').parse().ok(),
            Cell::Null | Cell::Instant(_) => None,
        }
        .filter(|v| v.is_finite())
    }

    /// Appends bytes that are equal for equal keys.
    pub(super) fn key(self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => {}
            Cell::Bool(v) => out.push(u8::from(v)),
            Cell::Integer(v) => integer(v, out),
            Cell::Double(v) => out.extend_from_slice(&v.to_bits().to_be_bytes()),
            Cell::Decimal { unscaled, scale } => decimal(unscaled, scale, out),
            Cell::Instant(micros) => integer(micros, out),
            Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
            Cell::Json(json) => out.extend_from_slice(json.trim_matches('"').as_bytes()),
        }
    }
}

/// Whether `text` may stand in JSON without quotes: a number, true, false or null.
fn is_bare(text: &str) -> bool {
    match text.as_bytes() {
        b"true" | b"false" => true,
        [b'-' | b'0'..=b'9', ..] => is_number(text.as_bytes()),
        _ => false,
    }
}

/// JSON's grammar of numbers: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
fn is_number(mut rest: &[u8]) -> bool {
    fn digits(rest: &mut &[u8]) -> usize {
        let n = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        *rest = &rest[n..];
        n
    }
    rest = rest.strip_prefix(b"-").unwrap_or(rest);
    let leading_zero = rest.first() == Some(&b'0');
    let whole = digits(&mut rest);
    if whole == 0 || (leading_zero && whole > 1) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        rest = fraction;
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = exponent;
        if let [b'+' | b'-', unsigned @ ..] = rest {
            rest = unsigned;
        }
        if digits(&mut rest) == 0 {
            return false;
        }
    }
    rest.is_empty()
}

fn quote_if(quoted: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if quoted {
        out.push(b'"');
    }
    write(out);
    if quoted {
        out.push(b'"');
    }
}

/// Appends a JSON string.
pub(super) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut from = 0;
    for (i, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[from..i]);
        from = i + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
    out.push(b'"');
}

/// Appends an integer.
pub(super) fn integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the shortest digits that read back as `value`.
pub(super) fn double(value: f64, out: &mut Vec<u8>) {
    // a Vec takes everything
    let _ = write!(out, "{value}");
}

fn decimal(unscaled: i128, scale: u32, out: &mut Vec<u8>) {
    let scale = scale as usize;
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = match u64::try_from(unscaled.unsigned_abs()) {
        Ok(small) => buffer.format(small),
        Err(_) => buffer.format(unscaled.unsigned_abs()),
    };
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits.as_bytes()[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(ty: Type) -> Field {
        Field { name: "f".into(), ty, nullable: true, default: None }
    }

    fn json(cell: Cell<'_>, ty: Type) -> String {
        let mut out = Vec::new();
        cell.write(&field(ty), &mut out);
        String::from_utf8(out).unwrap()
    }

    const MONEY: Type = Type::Decimal { precision: 18, scale: 2 };

    #[test]
    fn numbers_become_strings_where_the_schema_says_string() {
        assert_eq!(json(Cell::Integer(42), Type::String), "\"42\"");
        assert_eq!(json(Cell::Integer(42), Type::Long), "42");
        assert_eq!(json(Cell::Json("42"), Type::String), "\"42\"");
        assert_eq!(json(Cell::Json("\"42\""), Type::String), "\"42\"");
        assert_eq!(json(Cell::Text("42"), Type::String), "\"42\"");
        assert_eq!(json(Cell::Text("42"), Type::Long), "42");
        assert_eq!(json(Cell::Decimal { unscaled: -5, scale: 2 }, Type::String), "\"-0.05\"");
    }

    #[test]
    fn decimals_are_exact() {
        for (unscaled, scale, text) in
            [(5_716, 2, "57.16"), (5, 2, "0.05"), (-120, 2, "-1.20"), (0, 2, "0.00"), (7, 0, "7"), (1, 5, "0.00001")]
        {
            assert_eq!(json(Cell::Decimal { unscaled, scale }, MONEY), text);
        }
        assert_eq!(json(Cell::Decimal { unscaled: i128::MIN, scale: 0 }, MONEY), i128::MIN.to_string());
    }

    #[test]
    fn instants_go_in_the_schemas_unit() {
        let instant = Cell::Instant(1_522_540_831_000_999);
        assert_eq!(json(instant, Type::TimestampMillis), "1522540831000");
        assert_eq!(json(instant, Type::TimestampMicros), "1522540831000999");
        assert_eq!(json(Cell::Instant(1_522_540_831_000_000), Type::String), "\"2018-04-01T00:00:31Z\"");
    }

    #[test]
    fn what_does_not_fit_goes_as_it_is() {
        assert_eq!(json(Cell::Text("lots"), MONEY), "\"lots\"");
        assert_eq!(json(Cell::Text("01"), Type::Long), "\"01\"", "JSON has no leading zeros");
        assert_eq!(json(Cell::Double(f64::NAN), Type::Double), "\"NaN\"");
        assert_eq!(json(Cell::Json("[1,2]"), Type::String), "[1,2]");
    }

    #[test]
    fn instants_are_read_from_all_their_forms() {
        let micros = Some(1_522_540_831_000_000);
        for cell in [
            Cell::Instant(1_522_540_831_000_000),
            Cell::Integer(1_522_540_831_000),
            Cell::Text("1522540831000"),
            Cell::Text("2018-04-01T00:00:31Z"),
            Cell::Json("\"2018-04-01T00:00:31Z\""),
            Cell::Json("1522540831000"),
        ] {
            assert_eq!(cell.instant(&Type::TimestampMillis), micros, "{cell:?}");
        }
        assert_eq!(Cell::Text("yesterday").instant(&Type::TimestampMillis), None);
    }

    proptest! {
        #[test]
        fn any_text_is_one_json_string(text in ".*") {
            let mut out = Vec::new();
            string(&text, &mut out);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn is_number_agrees_with_a_json_parser(text in "-?[0-9]{0,3}(\\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?") {
            let parsed = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(is_number(text.as_bytes()), parsed);
        }

        #[test]
        fn any_double_reads_back(value: f64) {
            let text = json(Cell::Double(value), Type::Double);
            if value.is_finite() {
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
            }
        }
    }
}
