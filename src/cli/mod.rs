//! Arguments in, exit code out. Alone prints, exits, and reads the environment and the terminal.

use std::ffi::OsString;

/// Runs the program with these arguments and gives its exit code.
pub fn run(_args: impl IntoIterator<Item = OsString>) -> u8 {
    0
}
