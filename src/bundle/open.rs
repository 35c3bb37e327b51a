//! Opens a source for one pass, decompressed and bounded.

use std::fs::File;
use std::io::{self, BufReader, Read};

use super::{Source, SourceReader};

pub(super) fn open(source: &Source) -> io::Result<SourceReader> {
    let mut file = File::open(&source.file)?;
    let mut magic = [0; 2];
    let n = file.read(&mut magic)?;
    io::Seek::rewind(&mut file)?;
    if n == 2 && magic == [0x1f, 0x8b] {
        return Ok(Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, file))));
    }
    Ok(Box::new(file))
}
