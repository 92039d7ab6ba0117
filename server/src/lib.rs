//! The program: configuration, tokens, routes and commands. Business rules, SQL and the engines live in the crates
//! below.

pub mod auth;
pub mod command;
pub mod config;
pub mod listener;
pub mod refused;
pub mod route;
pub mod stop;
pub mod worker;
