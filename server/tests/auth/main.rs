//! Which tokens verify.

mod development;
mod issuer;
mod rotation;
mod token;
