//! `simcube sdl`: the published contract.

use std::process::ExitCode;

/// Print the GraphQL schema
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube sdl > schema/schema.graphql")]
pub(super) struct Args {}

pub(super) fn run(_: &Args) -> ExitCode {
    print!("{}", resolvers::sdl());
    ExitCode::SUCCESS
}
