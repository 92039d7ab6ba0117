//! From an `Authorization` header to verified claims.
//!
//! With an issuer configured, only its keys count. Without one, and on a loopback address only, the development
//! key of the data folder signs tokens for `simcube token`.

pub mod development;
pub mod jwks;
mod key;
pub mod token;

pub use development::DevelopmentKey;
pub use jwks::Jwks;
pub use token::{Rules, Source, Verifier};

use domain::{Code, Error, Result};
use http::{HeaderMap, header::AUTHORIZATION};

/// The bearer token of a request.
///
/// # Errors
/// `UNAUTHENTICATED` when there is none, more than one, or another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Error::new(
            Code::Unauthenticated,
            "this needs one bearer token",
        ));
    };
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Error::new(Code::Unauthenticated, "this needs a bearer token"))
}
