//! A key that tokens verify with.

use jsonwebtoken::{Algorithm, DecodingKey};

/// A key and the only algorithm it verifies.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}
