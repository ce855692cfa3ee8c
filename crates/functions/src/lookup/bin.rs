//! IP2Location's BIN files, read as its own library reads them. Its texts are Latin-1, which is why
//! no crate that takes them for UTF-8 will do.
//!
//! A table of rows for IPv4 and one for IPv6, sorted by the first address of each row's range; a
//! row holds pointers to texts. Optionally an index says which rows the first 16 bits may be in.

use std::net::{IpAddr, Ipv6Addr};

use super::ip::Part;

pub struct Bin {
    bytes: Vec<u8>,
    /// Columns of a row, the range's first address among them.
    columns: usize,
    kind: u8,
    v4: Table,
    v6: Table,
}

/// Positions count from 1, as in the file; 0 is none.
#[derive(Clone, Copy)]
struct Table {
    rows: u32,
    at: u32,
    index: u32,
    /// Bytes of an address.
    width: usize,
}

/// What the library answers when a file has no IPv6 table.
const NO_IPV6: &str = "IPV6 ADDRESS MISSING IN IPV4 BIN";

const HEADER: usize = 32;
/// Kinds of files there are; from the third on with region and city.
const KINDS: std::ops::RangeInclusive<u8> = 1..=26;
const WITH_CITIES: u8 = 3;

impl Bin {
    /// None if this is no such file.
    pub fn new(bytes: Vec<u8>) -> Option<Bin> {
        let (kind, columns, year) = (*bytes.first()?, *bytes.get(1)?, *bytes.get(2)?);
        let product = *bytes.get(29)?;
        let table = |at: usize, index: usize, width: usize| {
            let (rows, at, index) =
                (long(&bytes, at)?, long(&bytes, at + 4)?, long(&bytes, index)?);
            Some(Table { rows, at, index, width })
        };
        let (v4, v6) = (table(5, 21, 4)?, table(13, 25, 16)?);
        let ours = product == 1 || (product == 0 || year <= 20);
        let bin = Bin { columns: columns.into(), kind, v4, v6, bytes };
        let whole = |t: Table| t.rows == 0 || bin.row(t, t.rows - 1).is_some();
        let sane = ours && KINDS.contains(&kind) && bin.columns >= 2 && bin.bytes.len() > HEADER;
        (sane && whole(v4) && whole(v6)).then_some(bin)
    }

    pub fn has(&self, part: Part) -> bool {
        part == Part::Country || self.kind >= WITH_CITIES
    }

    /// What the library answers; None where it answers nothing.
    pub fn find(&self, address: IpAddr, part: Part) -> Option<String> {
        let (table, number) = match address {
            IpAddr::V4(v4) => (self.v4, u128::from(u32::from(v4))),
            IpAddr::V6(v6) => match embedded(v6) {
                Some(v4) => (self.v4, u128::from(v4)),
                None => (self.v6, u128::from(v6)),
            },
        };
        if table.width == 16 && table.rows == 0 {
            return Some(NO_IPV6.to_string());
        }
        let last = if table.width == 4 { u128::from(u32::MAX) } else { u128::MAX };
        let row = self.search(table, number.min(last - 1))?;
        // The first column is the address; country, region and city follow.
        let (column, skip) = match part {
            Part::Country => (0, 3),
            Part::Region => (1, 0),
            Part::City => (2, 0),
        };
        let pointer = long(&self.bytes, row + table.width + 4 * column)? as usize + skip;
        let length = usize::from(*self.bytes.get(pointer)?);
        let text = self.bytes.get(pointer + 1..pointer + 1 + length)?;
        Some(text.iter().map(|byte| char::from(*byte)).collect())
    }

    /// Where the row begins whose range holds the address.
    fn search(&self, table: Table, number: u128) -> Option<usize> {
        let (mut low, mut high) = (0, i64::from(table.rows));
        if table.index > 0 {
            let first = number >> (8 * table.width - 16);
            let entry = table.index as usize - 1 + 8 * first as usize;
            (low, high) = (long(&self.bytes, entry)?.into(), long(&self.bytes, entry + 4)?.into());
        }
        while low <= high {
            let middle = (low + high) / 2;
            let row = self.row(table, u32::try_from(middle).ok()?)?;
            if number < self.address(table, row)? {
                high = middle - 1;
            } else if number >= self.address(table, row + self.stride(table))? {
                low = middle + 1;
            } else {
                return Some(row);
            }
        }
        None
    }

    fn stride(&self, table: Table) -> usize {
        4 * self.columns + table.width - 4
    }

    /// Where a row begins; its range ends where the next one's begins.
    fn row(&self, table: Table, row: u32) -> Option<usize> {
        let at = (table.at as usize).checked_sub(1)? + row as usize * self.stride(table);
        let end = at + self.stride(table) + table.width;
        (end <= self.bytes.len()).then_some(at)
    }

    fn address(&self, table: Table, at: usize) -> Option<u128> {
        let bytes = self.bytes.get(at..at + table.width)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo.
fn embedded(address: Ipv6Addr) -> Option<u32> {
    let number = u128::from(address);
    match address.segments() {
        [0x2002, ..] => Some((number >> 80) as u32),
        [0x2001, 0, ..] => Some(!number as u32),
        _ => address.to_ipv4_mapped().map(u32::from),
    }
}
