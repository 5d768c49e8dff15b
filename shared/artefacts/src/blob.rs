//! Where a blob lies: by the digest of its content.

use crate::Error;
use sha2::{Digest, Sha256};

/// The SHA-256 of `bytes`, in lower-case hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The path of the blob with this digest.
pub(crate) fn path(sha256: &str) -> Result<String, Error> {
    let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_digest {
        let path = sha256.chars().take(80).flat_map(char::escape_debug).collect();
        return Err(Error::Path { path, why: "this is no SHA-256 in lower-case hexadecimal" });
    }
    Ok(format!("blobs/sha256/{}/{sha256}", &sha256[..2]))
}
