//! The content of an artefact: a manifest that says what was trained on what, and the files it names.
//!
//! Bytes in, bytes out; where they lie is the object store's affair. Everything hangs on one digest: that of the
//! manifest's bytes, which names the digest and size of each file. [`Model::open`] believes nothing else.

mod golden;
mod manifest;
mod open;

pub use golden::{Golden, TOLERANCE};
pub use manifest::{File, Files, Manifest, OffsetRange, Span, TrainingFile, Trial, TypedFeature};
pub use open::{Model, OpenError};

use sha2::{Digest, Sha256};

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether `text` is what [`sha256`] gives.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
