//! Ledger, records and cubes, broken on purpose, looked at and repaired, on real engines.

mod look;
mod repair;
mod world;
