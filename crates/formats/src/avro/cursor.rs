//! Avro's binary encoding, byte by byte.

/// What is wrong with the bytes.
type Read<T> = Result<T, &'static str>;

const END: &str = "the record ends too early";
/// Elements that take no bytes (nulls) are believed up to this many.
const MAX_EMPTY: usize = 1 << 16;

/// The bytes that are left.
pub(crate) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(END)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(END)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A zigzag number in groups of 7 bits, the lowest first.
    #[inline]
    pub fn long(&mut self) -> Read<i64> {
        let mut value: u64 = 0;
        for (i, byte) in self.0.iter().enumerate() {
            if i == 9 && *byte > 1 {
                return Err("a number has too many bits");
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.0 = &self.0[i + 1..];
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(END)
    }

    #[inline]
    pub fn int(&mut self) -> Read<i32> {
        i32::try_from(self.long()?).map_err(|_| "an int has too many bits")
    }

    pub fn bool(&mut self) -> Read<bool> {
        match self.array::<1>()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err("a boolean is neither 0 nor 1"),
        }
    }

    /// Bytes or a string, with their length in front.
    #[inline]
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.long()?;
        self.take(usize::try_from(length).map_err(|_| "a length is negative")?)
    }

    /// One of so many branches or symbols.
    pub fn index(&mut self, count: usize) -> Read<usize> {
        let index = usize::try_from(self.long()?).ok().filter(|index| *index < count);
        index.ok_or("a union or enum has no such index; is this the schema it was written with?")
    }

    /// The number of elements in the next block of an array or map; 0 at its end.
    pub fn block(&mut self) -> Read<usize> {
        let count = self.long()?;
        if count < 0 {
            // The block's size in bytes follows, for those who pass over it.
            self.long()?;
        }
        let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if count > self.0.len().max(MAX_EMPTY) {
            return Err("an array or map has more elements than the record has bytes");
        }
        Ok(count)
    }
}

pub(super) fn write_long(value: i64, to: &mut Vec<u8>) {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

pub(super) fn write_bytes(value: &[u8], to: &mut Vec<u8>) {
    write_long(value.len() as i64, to);
    to.extend_from_slice(value);
}
