//! Files that are compressed as a whole, known by their extension, inflated piece by piece.

use std::io::Write;

use brooklet_core::{Error, Result};
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

/// What a piece grows into at a time.
const GROWTH: usize = 64 << 10;
const CUT: &str = "it ends inside of its compressed data";

/// The content of one compressed file under way.
pub enum Inflate {
    /// One or more members, one behind the other.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// The data and whether they have ended.
    Zlib(Decompress, bool),
    /// One or more frames, and whether the last one has ended.
    Zstd(Decoder<'static>, bool),
}

impl Inflate {
    /// None for files that are read as they are; an error for those that nobody here can inflate.
    pub fn of(name: &str) -> Result<Option<Inflate>> {
        let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        Ok(Some(match extension.as_deref() {
            Some("gz" | "gzip") => Inflate::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Some("deflate") => Inflate::Zlib(Decompress::new(true), false),
            Some("zst") => {
                let decoder = Decoder::new().map_err(|e| Error::bug("no zstd").caused_by(e))?;
                Inflate::Zstd(decoder, true)
            }
            Some("bz2" | "xz") => {
                return Err(Error::config(format!(
                    "the file '{name}' is compressed in a way that is not offered: use gzip (.gz), \
                     zlib (.deflate) or zstd (.zst)"
                )));
            }
            _ => return Ok(None),
        }))
    }

    /// Appends what the next compressed bytes hold.
    pub fn push(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Inflate::Gzip(decoder) => {
                decoder.write_all(bytes).map_err(|e| e.to_string())?;
                to.append(decoder.get_mut());
            }
            Inflate::Zlib(decoder, ended) => zlib(decoder, ended, bytes, to)?,
            Inflate::Zstd(decoder, ended) => zstd(decoder, ended, bytes, to)?,
        }
        Ok(())
    }

    /// Appends what is left, now that there are no more bytes.
    pub fn finish(&mut self, to: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Inflate::Gzip(decoder) => {
                decoder.try_finish().map_err(|_| CUT)?;
                to.append(decoder.get_mut());
            }
            Inflate::Zlib(_, ended) | Inflate::Zstd(_, ended) if !*ended => return Err(CUT.into()),
            Inflate::Zlib(..) | Inflate::Zstd(..) => {}
        }
        Ok(())
    }
}

fn zlib(
    decoder: &mut Decompress,
    ended: &mut bool,
    mut bytes: &[u8],
    to: &mut Vec<u8>,
) -> Result<(), String> {
    while !*ended {
        to.reserve(GROWTH);
        let (read, had) = (decoder.total_in(), to.len());
        let status = decoder.decompress_vec(bytes, to, FlushDecompress::None);
        *ended = status.map_err(|e| e.to_string())? == Status::StreamEnd;
        let taken = (decoder.total_in() - read) as usize;
        bytes = &bytes[taken..];
        if taken == 0 && to.len() == had || bytes.is_empty() && to.len() < to.capacity() {
            break;
        }
    }
    Ok(())
}

fn zstd(
    decoder: &mut Decoder<'static>,
    ended: &mut bool,
    bytes: &[u8],
    to: &mut Vec<u8>,
) -> Result<(), String> {
    let mut input = InBuffer::around(bytes);
    loop {
        let had = to.len();
        to.resize(had + GROWTH, 0);
        let mut output = OutBuffer::around(&mut to[had..]);
        let left = decoder.run(&mut input, &mut output);
        let (written, full) = (output.pos(), output.pos() == output.capacity());
        to.truncate(had + written);
        *ended = left.map_err(|e| e.to_string())? == 0;
        if input.pos == bytes.len() && (*ended || !full) {
            return Ok(());
        }
    }
}
