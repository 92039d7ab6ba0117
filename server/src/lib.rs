//! The program: configuration, tokens, routes, commands, and the engines they run on. Business rules and SQL live
//! in the crates below.

pub mod auth;
pub mod command;
pub mod config;
pub mod engines;
pub mod listener;
pub mod route;
