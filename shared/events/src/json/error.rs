//! What can be wrong with an event in JSON, in words for whoever sent it.

use compact_str::CompactString;

/// Why an object was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON at all, or not JSON that two readers would read alike.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// JSON, but not an event of the schema.
    #[error("{}{problem}", place(field))]
    Invalid {
        /// The field; empty when it is the whole.
        field: CompactString,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// Why something is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Nothing but white space.
    #[error("there is nothing here: send a JSON object")]
    Empty,
    /// Not UTF-8.
    #[error("byte {at} is not UTF-8: send JSON in UTF-8")]
    Utf8 {
        /// Offset of the first bad byte.
        at: usize,
    },
    /// Against the grammar, or cut off.
    #[error("not JSON: {0}")]
    Syntax(String),
    /// One key twice in an object.
    #[error("the key `{0}` is there twice: readers disagree on which one counts, so send it once")]
    DuplicateKey(String),
    /// Nested too deep.
    #[error("nested deeper than {0} levels: an event is one flat object")]
    Depth(usize),
}

/// Why a field does not fit the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The whole is not an object.
    #[error("an event is one JSON object, such as {{\"id\": \"a1\"}}")]
    NotAnObject,
    /// The schema has no such field.
    #[error("not in the schema: leave it out, or add it to the event schema and apply the pipeline again")]
    Unknown,
    /// It must be there.
    #[error("missing: send it as {wanted}, or give it a default in the schema")]
    Missing {
        /// The field's type.
        wanted: String,
    },
    /// It may not be null.
    #[error("null, but the schema does not allow null here: send a {wanted}")]
    Null {
        /// The field's type.
        wanted: String,
    },
    /// Another type.
    #[error("{found} where the schema has {wanted}")]
    WrongType {
        /// The field's type, and how it is written in JSON where that is not plain.
        wanted: String,
        /// What kind of JSON value was sent.
        found: &'static str,
    },
    /// A number beyond the type.
    #[error("{number} is beyond what {wanted} can hold")]
    OutOfRange {
        /// As it was sent.
        number: String,
        /// The field's type.
        wanted: String,
    },
    /// NaN or an infinity, which JSON does not have.
    #[error("{token} is not a number that an event can hold: leave the field out or send null where the schema allows it")]
    NotFinite {
        /// As it was sent.
        token: &'static str,
    },
    /// A decimal with more digits than the schema keeps.
    #[error("{number} has more digits than {wanted} keeps: round it before sending, nothing is rounded here")]
    Digits {
        /// As it was sent.
        number: String,
        /// The field's type.
        wanted: String,
    },
    /// A text that is not a decimal number.
    #[error("\"{text}\" is not a decimal number such as \"12.50\"")]
    NotDecimal {
        /// As it was sent.
        text: String,
    },
    /// A text that is not an instant.
    #[error("\"{text}\" is not an RFC 3339 instant such as \"2018-07-25T12:30:00Z\", before 9999-12-30")]
    NotInstant {
        /// As it was sent.
        text: String,
    },
    /// Not one of the enum's symbols.
    #[error("\"{text}\" is not one of {symbols}")]
    Symbol {
        /// As it was sent.
        text: String,
        /// What is possible.
        symbols: String,
    },
}

impl Error {
    /// A code that does not change with the wording.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Malformed(Malformed::Empty) => "empty",
            Error::Malformed(Malformed::Utf8 { .. }) => "not_utf8",
            Error::Malformed(Malformed::Syntax(_)) => "malformed_json",
            Error::Malformed(Malformed::DuplicateKey(_)) => "duplicate_key",
            Error::Malformed(Malformed::Depth(_)) => "too_deep",
            Error::Invalid { problem, .. } => match problem {
                Problem::NotAnObject => "not_an_object",
                Problem::Unknown => "unknown_field",
                Problem::Missing { .. } => "missing_field",
                Problem::Null { .. } => "null_field",
                Problem::WrongType { .. } => "wrong_type",
                Problem::OutOfRange { .. } => "out_of_range",
                Problem::NotFinite { .. } => "not_finite",
                Problem::Digits { .. } => "too_many_digits",
                Problem::NotDecimal { .. } => "not_a_decimal",
                Problem::NotInstant { .. } => "not_an_instant",
                Problem::Symbol { .. } => "unknown_symbol",
            },
        }
    }

    pub(super) fn invalid(field: &str, problem: Problem) -> Self {
        Self::Invalid { field: shown(field).into(), problem }
    }
}

impl Malformed {
    pub(super) fn syntax(error: &serde_json::Error) -> Self {
        Self::Syntax(error.to_string())
    }
}

fn place(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("field `{field}`: ") }
}

/// What a sender wrote, as far as an answer repeats it.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
