//! Proof that records and cubes agree.
