//! Short checksums.

use sha2::{Digest, Sha256};

/// The first 16 bytes of the SHA-256, in hexadecimal.
pub(crate) fn checksum(text: &str) -> String {
    let digest = Sha256::digest(text);
    let first = digest
        .first_chunk()
        .map_or(0, |first| u128::from_be_bytes(*first));
    format!("{first:032x}")
}
