//! The part of Avro's binary encoding that the fixed fields of our records need (Avro 1.12, "Binary Encoding"): a record is
//! its fields one after the other, an `int` or `long` is a zigzag varint, a `string` its length and its bytes, a `double`
//! its eight bytes from the lowest, a union the position of the branch and then its value, an array blocks of items, each
//! with their number before it, and an empty one.
//!
//! serde_avro_fast would do the same, and does so for what the pipeline's file decides and for records of another version,
//! by looking each field up by its name and its type; of fields that `schemas/` fixes both are known here. Looking them up
//! took a sixth of the feature-builder's time when they are written, and as much when they are read.

mod read;
pub(super) mod write;

pub(super) use read::Reader;

/// The branch of a union with null first that is not null.
const SOME: i64 = 1;
/// The other.
const NULL: i64 = 0;
