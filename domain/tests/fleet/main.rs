//! Fleet import on a real Postgres: what is stored, what is refused, and that the same file twice changes nothing.

mod assignment;
mod file;
mod house;
mod race;
