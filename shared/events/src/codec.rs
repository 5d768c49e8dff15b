//! Avro datums of every record, behind the Confluent header.
//!
//! This module says which field goes where. A record of our own schema is written and read field by field ([`binary`]),
//! apart from the upstream's own fields, which are serde_avro_fast's. A record of another version of it is decoded by field
//! name with the *writer's* schema: what it lacks gets its default, what we no longer know is skipped. A datum must be
//! consumed exactly.

mod binary;
mod hop;
mod numbers;
mod outcome;
mod prediction;
mod row;

pub use hop::{HopCodec, VectorCodec};
pub use numbers::{NumberReader, VectorHead};
pub use outcome::OutcomeCodec;
pub use prediction::PredictionCodec;
pub use row::{RawReader, RawWriter};

use crate::wire;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};
use serde_avro_fast::de::{DeserializerConfig, DeserializerState, read::SliceRead};
use serde_avro_fast::ser::SerializerConfig;
use std::io::BufRead;
use std::marker::PhantomData;
use std::sync::Arc;

/// Longest array and deepest nesting that a datum may have: enough for every record of ours.
const MAX_SEQUENCE: usize = 10_000;
const MAX_DEPTH: usize = 16;

/// Why a record could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The Avro schema itself cannot be read.
    #[error("the Avro schema cannot be read: {0}")]
    Schema(String),
    /// The bytes are not a datum of the schema.
    #[error("{0}")]
    Datum(String),
    /// There are bytes after the datum.
    #[error("{0} bytes follow the end of the record")]
    Trailing(usize),
    /// The value does not fit the schema.
    #[error("{0}")]
    Value(String),
}

/// A parsed Avro schema; cheap to clone.
#[derive(Clone)]
pub struct AvroSchema(Arc<serde_avro_fast::Schema>);

impl AvroSchema {
    /// Parses an Avro schema.
    ///
    /// # Errors
    /// [`Error::Schema`] with the parser's word.
    pub fn parse(json: &str) -> Result<Self, Error> {
        json.parse().map(|s| Self(Arc::new(s))).map_err(|e: serde_avro_fast::schema::SchemaError| Error::Schema(e.to_string()))
    }

    /// Appends header and datum of `value` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when the value does not fit; `out` is then as it was.
    pub fn encode<T: Serialize>(&self, id: u32, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        with_header(id, out, |out| self.append(value, out))
    }

    /// Appends the datum of `value` to `out`, which may be longer after an error.
    fn append<T: Serialize>(&self, value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut config = SerializerConfig::new(&self.0);
        serde_avro_fast::to_datum(value, out, &mut config).map(|_| ()).map_err(|e| Error::Value(e.to_string()))
    }

    /// Decodes a datum (without header) that must end where `bytes` end.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode<'de, T: Deserialize<'de>>(&self, bytes: &'de [u8]) -> Result<T, Error> {
        self.decode_seed(bytes, PhantomData)
    }

    /// Whether this is the same one, not another that was parsed from the same text.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn decode_seed<'de, S: DeserializeSeed<'de>>(&self, bytes: &'de [u8], seed: S) -> Result<S::Value, Error> {
        match self.decode_first(bytes, seed)? {
            (value, []) => Ok(value),
            (_, rest) => Err(Error::Trailing(rest.len())),
        }
    }

    /// Decodes the datum that `bytes` begin with; the rest is left.
    fn decode_first<'de, S: DeserializeSeed<'de>>(&self, bytes: &'de [u8], seed: S) -> Result<(S::Value, &'de [u8]), Error> {
        let mut config = DeserializerConfig::new(&self.0);
        config.max_seq_size = MAX_SEQUENCE;
        config.allowed_depth = MAX_DEPTH;
        let mut state = DeserializerState::with_config(SliceRead::new(bytes), config);
        let value = seed.deserialize(state.deserializer()).map_err(|e| Error::Datum(e.to_string()))?;
        let left = state.into_reader().fill_buf().map_err(|e| Error::Datum(e.to_string()))?.len();
        Ok((value, &bytes[bytes.len() - left..]))
    }
}

/// Appends the header of schema `id` and what `write` appends; after an error `out` is as it was.
fn with_header(id: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&wire::header(id));
    write(out).inspect_err(|_| out.truncate(start))
}
