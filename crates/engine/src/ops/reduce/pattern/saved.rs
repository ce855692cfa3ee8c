//! Runs as bytes.

use brooklet_core::{Error, Result};

use super::heap::Heap;
use super::runs::{Run, Runs};

/// Both heaps, each with the number of its runs in front.
pub fn encode(runs: &Runs) -> Vec<u8> {
    let mut out = Vec::new();
    for heap in [&runs.partial, &runs.complete] {
        number(heap.len() as u64, &mut out);
        for run in heap.iter() {
            number(run.state as u64, &mut out);
            number(run.start.map_or(0, |start| start + 1), &mut out);
            out.extend(run.start_time.to_le_bytes());
            run.counts.iter().for_each(|n| number(u64::from(*n), &mut out));
        }
    }
    out
}

pub fn decode(bytes: &[u8], variables: usize) -> Result<Runs> {
    let mut rest = bytes;
    let runs = heap(&mut rest, variables).zip(heap(&mut rest, variables));
    match runs {
        Some((partial, complete)) if rest.is_empty() => Ok(Runs { partial, complete }),
        _ => Err(Error::corrupt("the runs of a row pattern cannot be read back")),
    }
}

fn heap(rest: &mut &[u8], variables: usize) -> Option<Heap> {
    let mut runs = Vec::new();
    for _ in 0..read(rest)? {
        let (state, start) = (usize::try_from(read(rest)?).ok()?, read(rest)?);
        let (time, behind) = rest.split_first_chunk::<8>()?;
        let start_time = i64::from_le_bytes(*time);
        *rest = behind;
        let counts = (0..variables).map(|_| u32::try_from(read(rest)?).ok());
        let counts = counts.collect::<Option<Vec<u32>>>()?.into();
        runs.push(Run { state, start: start.checked_sub(1), start_time, counts });
    }
    Some(Heap::from_saved(runs))
}

/// Seven bits a byte, the lowest first.
fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
