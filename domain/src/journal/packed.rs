//! Payloads as they are stored: Zstandard (RFC 8878). The rows of a batch repeat each other, so a third of the bytes is
//! left to be sent, logged and written.

use crate::{Error, Result};

/// The fastest of the ordinary levels: packing takes less time than Postgres then saves.
const LEVEL: i32 = 1;

pub(super) fn pack(payload: &[u8]) -> Result<Vec<u8>> {
    zstd::bulk::compress(payload, LEVEL).map_err(Error::internal)
}

/// # Errors
/// `INTERNAL` when the bytes are damaged.
pub(super) fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    zstd::stream::decode_all(packed).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_to_the_byte() {
        let payload: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| (n % 977).to_le_bytes())
            .collect();
        let packed = pack(&payload).expect("packed");
        assert!(packed.len() < payload.len() / 3);
        assert_eq!(unpack(&packed).expect("unpacked"), payload);
        assert!(unpack(&packed[..packed.len() / 2]).is_err());
    }
}
