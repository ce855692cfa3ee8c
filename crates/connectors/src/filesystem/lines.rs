//! Records that are the lines of a file.

use brooklet_core::Result;
use brooklet_core::format::{Framed, FramedRecord, Framing, Place};
use bytes::Bytes;

/// A record per line, without its end (LF or CR LF); empty lines are no records.
pub struct Lines;

impl Framing for Lines {
    fn frame(&mut self, block: Bytes, place: Place) -> Result<Framed> {
        let mut records = Vec::new();
        let mut at = 0;
        for end in memchr::memchr_iter(b'\n', &block) {
            let cut = end - usize::from(end > at && block[end - 1] == b'\r');
            records.push(FramedRecord { range: (cut > at).then_some(at..cut), next: end + 1 });
            at = end + 1;
        }
        if place.last && at < block.len() {
            records.push(FramedRecord { range: Some(at..block.len()), next: block.len() });
        }
        Ok(Framed { bytes: block, records })
    }
}
