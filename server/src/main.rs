//! `simcube`, the only binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    server::command::main()
}
