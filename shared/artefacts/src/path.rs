//! Paths that are stored: nothing that could lead out of the store, or mean something to a file system.

use crate::Error;
use object_store::path::Path;

/// The longest path.
const MOST_BYTES: usize = 512;

/// `text` as a path: names of letters, digits and `.`, `_`, `-`, `=`, `+`, joined by `/`; none begins with a dot.
pub(crate) fn checked(text: &str) -> Result<Path, Error> {
    let refuse = |why| Err(Error::Path { path: text.chars().take(80).flat_map(char::escape_debug).collect(), why });
    if text.len() > MOST_BYTES {
        return refuse("it is too long");
    }
    for name in text.split('/') {
        if name.is_empty() {
            return refuse("a name in it is empty");
        }
        if name.starts_with('.') {
            return refuse("a name in it begins with a dot");
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'=' | b'+')) {
            return refuse("only letters, digits and . _ - = + are possible between slashes");
        }
    }
    Path::parse(text).or_else(|_| refuse("the object store does not take it"))
}

#[cfg(test)]
mod tests {
    use super::checked;
    use proptest::prelude::*;

    #[test]
    fn ways_out_are_refused() {
        for path in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "a/./b",
            "a//b",
            "a/",
            ".hidden",
            "a/.git",
            "a\\..\\b",
            "a\0b",
            "a%2e%2e/b",
            "%2e%2e",
            "a#1",
            "a b",
            "C:",
            "ä",
            "a\n",
        ] {
            assert!(checked(path).is_err(), "{path:?}");
        }
        assert!(checked(&"a/".repeat(300)).is_err());
        for path in ["a", "a/b.json", "blobs/sha256/ab/abcd", "day=2026-11-21/part-0+1_x.parquet"] {
            assert_eq!(checked(path).unwrap().as_ref(), path);
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_below_the_store(text in "[a./\\\\%#~ ]{0,12}") {
            if let Ok(path) = checked(&text) {
                prop_assert!(path.parts().all(|part| !part.as_ref().starts_with('.') && !part.as_ref().is_empty()));
            }
        }
    }
}
