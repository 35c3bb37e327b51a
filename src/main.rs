//! The `wirecause` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(wirecause::cli::run(std::env::args_os()))
}
