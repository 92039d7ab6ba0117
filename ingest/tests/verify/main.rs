//! Ledger, records and cubes, broken on purpose, looked at and mended, on real engines.

mod look;
mod repair;
mod world;
