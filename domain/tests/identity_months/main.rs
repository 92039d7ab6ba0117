//! Identities by month of receipt, on a real Postgres: one identity, one acceptance, also while a month turns.

mod claim;
mod filter;
mod house;
mod life;
mod size;
mod turn;
