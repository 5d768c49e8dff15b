//! The Confluent wire format: a zero byte, the schema id in big-endian, the Avro datum.

/// Bytes before the datum.
pub const HEADER_LEN: usize = 5;

/// Why a payload has no readable header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No payload at all (a tombstone).
    #[error("the record has no payload")]
    Null,
    /// Fewer bytes than a header.
    #[error("{0} bytes are too few: a record starts with a zero byte and a four-byte schema id")]
    Short(usize),
    /// Another first byte.
    #[error("the first byte is {0}, not 0: this is not a schema registry record")]
    Magic(u8),
}

/// Splits a payload into schema id and datum.
///
/// # Errors
/// [`Error`] when there is no header.
pub fn split(payload: Option<&[u8]>) -> Result<(u32, &[u8]), Error> {
    let payload = payload.ok_or(Error::Null)?;
    let Some((header, datum)) = payload.split_first_chunk::<HEADER_LEN>() else {
        return Err(Error::Short(payload.len()));
    };
    let [magic, id @ ..] = *header;
    if magic != 0 {
        return Err(Error::Magic(magic));
    }
    Ok((u32::from_be_bytes(id), datum))
}

/// The header of records under schema `id`.
#[must_use]
pub fn header(id: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = id.to_be_bytes();
    [0, a, b, c, d]
}
