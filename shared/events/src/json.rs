//! Events from JSON: one object becomes a row of slots of a [`RecordSchema`].
//!
//! What is not JSON ([`Error::Malformed`]) is told from JSON that is no such event ([`Error::Invalid`]),
//! and the first holds wherever both are true. Reading is strict: names are exactly the schema's, keys
//! come once, ids are strings, integers have no point. Decimals are read from their digits, never
//! through a double.

mod decimal;
mod error;
mod scalar;

pub use error::{Error, Malformed, Problem};

use crate::Value;
use crate::schema::{Field, RecordSchema};
use compact_str::CompactString;
use scalar::{Fault, scalar};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Reads JSON objects as rows of one schema.
pub struct Reader {
    schema: RecordSchema,
    /// Slots in the order of their names, for keys that do not come in schema order.
    by_name: Vec<usize>,
}

impl Reader {
    /// A reader of objects of `schema`.
    #[must_use]
    pub fn new(schema: RecordSchema) -> Self {
        let mut by_name: Vec<usize> = (0..schema.fields.len()).collect();
        by_name.sort_by(|a, b| schema.fields[*a].name.cmp(&schema.fields[*b].name));
        Self { schema, by_name }
    }

    /// The schema of the rows.
    #[must_use]
    pub fn schema(&self) -> &RecordSchema {
        &self.schema
    }

    /// Reads one object; the row has one value per field, in schema order.
    ///
    /// Timestamps are RFC 3339 text, or integers in the schema's own unit; digits finer than that unit
    /// are cut. A nullable field may be left out; any other may if it has a default.
    ///
    /// # Errors
    /// [`Error::Malformed`] when `json` is not one JSON object with unique keys, else [`Error::Invalid`]
    /// with the first field that does not fit.
    pub fn read(&self, json: &[u8]) -> Result<Vec<Value>, Error> {
        self.read_or(json, &[])
    }

    /// As [`Reader::read`]; a field that is left out is read from the JSON that `otherwise` has for its slot.
    ///
    /// # Errors
    /// As [`Reader::read`], of the substitutes too.
    pub fn read_or(&self, json: &[u8], otherwise: &[(usize, &str)]) -> Result<Vec<Value>, Error> {
        let text = str::from_utf8(json).map_err(|e| Malformed::Utf8 { at: e.valid_up_to() })?;
        let mut state = State { reader: self, current: CompactString::default(), malformed: None, invalid: None };
        let mut json = serde_json::Deserializer::from_str(text);
        let row = json.deserialize_map(RowVisitor(&mut state)).and_then(|row| json.end().map(|()| row));
        let row = match row {
            Ok(row) => row,
            Err(error) if error.is_data() => return Err(not_an_object(text)),
            Err(error) => return Err(not_json(text, &error, state.current)),
        };
        match (state.malformed, state.invalid) {
            (Some(malformed), _) => Err(malformed.into()),
            (None, Some(invalid)) => Err(invalid),
            (None, None) => self.complete(row, otherwise),
        }
    }

    fn complete(&self, row: Vec<Option<Value>>, otherwise: &[(usize, &str)]) -> Result<Vec<Value>, Error> {
        let absent = |(slot, field): (usize, &Field)| match (otherwise.iter().find(|(at, _)| *at == slot), &field.default) {
            (Some((_, json)), _) => scalar(json, field).map_err(|fault| match fault {
                Fault::Malformed(malformed) => malformed.into(),
                Fault::Problem(problem) => Error::invalid(&field.name, problem),
            }),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) if field.nullable => Ok(Value::Null),
            (None, None) => Err(Error::invalid(&field.name, Problem::Missing { wanted: field.ty.to_string() })),
        };
        row.into_iter().zip(self.schema.fields.iter().enumerate()).map(|(value, field)| value.map_or_else(|| absent(field), Ok)).collect()
    }

    /// Slot of `name`, which is most likely `hint`: writers keep to the schema's order.
    fn slot(&self, name: &str, hint: usize) -> Option<usize> {
        let fields = &self.schema.fields;
        if fields.get(hint).is_some_and(|f| f.name == name) {
            return Some(hint);
        }
        self.by_name.binary_search_by(|slot| fields[*slot].name.as_str().cmp(name)).ok().map(|found| self.by_name[found])
    }
}

/// Splits a JSON array into its elements, each still JSON.
///
/// # Errors
/// [`Error::Malformed`] when `json` is not one JSON array; [`Error::Invalid`] for a NaN or infinity in it.
pub fn elements(json: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let text = str::from_utf8(json).map_err(|e| Malformed::Utf8 { at: e.valid_up_to() })?;
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|e| not_json(text, &e, CompactString::default()))?;
    Ok(elements.into_iter().map(|e| e.get().as_bytes()).collect())
}

/// A member of a JSON object: its name, and its value, still JSON.
pub type Member<'a> = (Cow<'a, str>, &'a str);

/// Splits a JSON object into its members, whose names are unique, in their order.
///
/// # Errors
/// [`Error::Malformed`] when `json` is not one JSON object with unique keys; [`Error::Invalid`] when it is something else.
pub fn members(json: &[u8]) -> Result<Vec<Member<'_>>, Error> {
    let text = str::from_utf8(json).map_err(|e| Malformed::Utf8 { at: e.valid_up_to() })?;
    let mut json = serde_json::Deserializer::from_str(text);
    match json.deserialize_map(MembersVisitor).and_then(|members| json.end().map(|()| members)) {
        Ok(members) => {
            let mut names = HashSet::new();
            match members.iter().find(|(name, _)| !names.insert(name)) {
                Some((name, _)) => Err(Malformed::DuplicateKey(error::shown(name)).into()),
                None => Ok(members),
            }
        }
        Err(error) if error.is_data() => Err(not_an_object(text)),
        Err(error) => Err(not_json(text, &error, CompactString::default())),
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            members.push((name, map.next_value::<&RawValue>()?.get()));
        }
        Ok(members)
    }
}

/// A key, borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// JSON, but not an object; or nested so deep that it is no honest JSON.
fn not_an_object(text: &str) -> Error {
    match serde_json::from_str::<&RawValue>(text) {
        Err(error) => not_json(text, &error, CompactString::default()),
        Ok(raw) => match scalar::container(raw.get()) {
            Some(Fault::Malformed(malformed)) => malformed.into(),
            _ => Error::invalid("", Problem::NotAnObject),
        },
    }
}

fn not_json(text: &str, error: &serde_json::Error, field: CompactString) -> Error {
    if text.trim_ascii().is_empty() {
        return Malformed::Empty.into();
    }
    if let Some(token) = scalar::not_finite_at(text, error.line(), error.column()) {
        return Error::Invalid { field, problem: Problem::NotFinite { token } };
    }
    Malformed::syntax(error).into()
}

struct State<'r> {
    reader: &'r Reader,
    /// The field being read.
    current: CompactString,
    malformed: Option<Malformed>,
    invalid: Option<Error>,
}

impl State<'_> {
    fn note(&mut self, fault: Fault) {
        match fault {
            Fault::Malformed(malformed) => {
                self.malformed.get_or_insert(malformed);
            }
            Fault::Problem(problem) => {
                self.invalid.get_or_insert_with(|| Error::invalid(&self.current, problem));
            }
        }
    }
}

struct RowVisitor<'s, 'r>(&'s mut State<'r>);

impl<'de> Visitor<'de> for RowVisitor<'_, '_> {
    type Value = Vec<Option<Value>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    /// Reads to the object's end whatever is wrong with a field, so that a syntax fault further on is found.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let state = self.0;
        let reader = state.reader;
        let mut row: Vec<Option<Value>> = vec![None; reader.schema.fields.len()];
        let mut unknown = HashSet::new();
        let mut hint = 0;
        while let Some(slot) = map.next_key_seed(KeySeed { reader, hint, unknown: &mut state.current })? {
            let Some(slot) = slot else {
                if !unknown.insert(state.current.clone()) {
                    state.note(Fault::Malformed(Malformed::DuplicateKey(error::shown(&state.current))));
                }
                state.note(Fault::Problem(Problem::Unknown));
                if let Some(Fault::Malformed(deep)) = scalar::container(map.next_value::<&RawValue>()?.get()) {
                    state.note(Fault::Malformed(deep));
                }
                continue;
            };
            let field = &reader.schema.fields[slot];
            state.current.clone_from(&field.name);
            if row[slot].is_some() {
                state.note(Fault::Malformed(Malformed::DuplicateKey(field.name.to_string())));
            }
            let value = scalar(map.next_value::<&RawValue>()?.get(), field).unwrap_or_else(|fault| {
                state.note(fault);
                Value::Null
            });
            row[slot] = Some(value);
            hint = slot + 1;
        }
        Ok(row)
    }
}

/// Reads a key as its slot; the name of one that has none goes to `unknown`.
struct KeySeed<'a> {
    reader: &'a Reader,
    hint: usize,
    unknown: &'a mut CompactString,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let slot = self.reader.slot(name, self.hint);
        if slot.is_none() {
            *self.unknown = name.into();
        }
        Ok(slot)
    }
}

#[cfg(test)]
mod tests;
