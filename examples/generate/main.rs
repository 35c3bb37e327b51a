//! Writes inputs for benchmarks, the same bytes for the same arguments:
//! `cargo run --release --example generate -- KIND PATH [SIZE [ONE_IN]]`, KIND being `mixed`, `synflood`, `journal`,
//! `failures`, or one of those in `hostile/`, which write a folder.
//!
//! SIZE is bytes for `mixed` and `journal` (980M and 1000M unless told), packets for `synflood` (10M), failing calls for
//! `failures` (100k, against ten times as many flows), and of what it says of the rest (1M); `k`, `M` and `G` are powers of 1000.
//! ONE_IN is for `journal`: one line of so many tells of a failure (20 unless told).

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) mod failures;
pub(crate) mod flood;
pub(crate) mod frame;
pub(crate) mod hostile;
pub(crate) mod journal;
pub(crate) mod mixed;
pub(crate) mod random;
pub(crate) mod talk;
pub(crate) mod tls;

/// So that two machines measure the same bytes.
const SEED: u64 = 20_261_121;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(what), Some(path)) = (args.first(), args.get(1).map(PathBuf::from)) else {
        eprintln!("usage: generate KIND PATH [SIZE [ONE_IN]]; KIND is one of {}", kinds());
        return ExitCode::from(2);
    };
    let Some(size) = args.get(2).map_or(Some(None), |text| size(text).map(Some)) else {
        eprintln!("SIZE is a number, as in 500M");
        return ExitCode::from(2);
    };
    let one_in = args.get(3).and_then(|n| n.parse().ok()).unwrap_or(journal::ONE_IN);
    let done = match what.as_str() {
        "mixed" => mixed::write(&path, size.unwrap_or(980_000_000), SEED),
        "synflood" => flood::write(&path, size.unwrap_or(10_000_000), SEED),
        "journal" => journal::write(&path, size.unwrap_or(1_000_000_000), one_in, SEED),
        "failures" => failures::write(&path, size.unwrap_or(100_000), SEED),
        other => {
            let Some((_, write)) = hostile::KINDS.iter().find(|(name, _)| *name == other) else {
                eprintln!("{other}: not one of {}", kinds());
                return ExitCode::from(2);
            };
            write(&path, size.unwrap_or(1_000_000), SEED)
        }
    };
    match done {
        Ok(summary) => eprintln!("{}: {summary}", path.display()),
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn kinds() -> String {
    let hostile = hostile::KINDS.iter().map(|(name, _)| *name);
    ["mixed", "synflood", "journal", "failures"].into_iter().chain(hostile).collect::<Vec<_>>().join(", ")
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(['k', 'M', 'G']);
    let unit = match &text[digits.len()..] {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}
