//! The fields of an object, and the walk over its keys.
//!
//! Records of one topic mostly have their keys in one order, so each key remembers which key
//! followed it last time: the next key is compared with that guess before it is parsed. Guesses
//! change speed only, never results.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::datatypes::Fields;
use brooklet_core::Result;

use super::columns::Column;
use super::context::Context;
use super::scan::{self, at, space};

/// Keys that no column wants are remembered up to this many.
const MAX_SKIPPED: usize = 64;
/// No column, or no guess.
const NONE: usize = usize::MAX;

/// The columns of an object.
pub(crate) struct Node {
    fields: Fields,
    pub columns: Vec<Column>,
    known: Vec<Known>,
    /// Index into `known` by name; holds every column.
    by_name: BTreeMap<Box<[u8]>, usize>,
    /// The guess for an object's first key.
    first: usize,
    /// Columns that are NOT NULL.
    required: Vec<usize>,
    /// Per column the object (by number) that last had its key, for fail-on-missing-field.
    seen: Vec<u64>,
    objects: u64,
}

/// A key met before.
struct Known {
    /// `"name":`, and its first 16 bytes as a number with the mask of those that count.
    text: Box<[u8]>,
    head: u128,
    mask: u128,
    column: usize,
    next: usize,
}

impl Known {
    fn new(name: &[u8], column: usize, next: usize) -> Known {
        let text = [b"\"", name, b"\":"].concat();
        let mut head = [0; 16];
        let count = text.len().min(16);
        head[..count].copy_from_slice(&text[..count]);
        let mask = if count == 16 { u128::MAX } else { (1 << (8 * count)) - 1 };
        Known { text: text.into(), head: u128::from_le_bytes(head), mask, column, next }
    }

    #[inline(always)]
    fn stands_at(&self, b: &[u8], i: usize) -> bool {
        let Some(rest) = b.get(i..) else { return false };
        match rest.first_chunk::<16>() {
            Some(head) => {
                u128::from_le_bytes(*head) & self.mask == self.head
                    && (self.text.len() <= 16 || rest.starts_with(&self.text))
            }
            None => rest.starts_with(&self.text),
        }
    }
}

impl Node {
    pub fn new(fields: &Fields) -> Result<Node> {
        let columns = fields.iter().map(Column::new).collect::<Result<Vec<_>>>()?;
        let mut known = Vec::new();
        let mut by_name = BTreeMap::new();
        for (i, field) in fields.iter().enumerate() {
            // A name that JSON must escape is always found by name.
            by_name.insert(field.name().as_bytes().into(), known.len());
            known.push(Known::new(field.name().as_bytes(), i, i + 1));
        }
        let required = (0..fields.len()).filter(|i| !fields[*i].is_nullable()).collect();
        let seen = vec![0; fields.len()];
        let fields = fields.clone();
        Ok(Node { fields, columns, known, by_name, first: 0, required, seen, objects: 0 })
    }

    pub fn fields(&self) -> Fields {
        self.fields.clone()
    }
    pub fn cut(&mut self, row: usize) {
        self.columns.iter_mut().for_each(|c| c.cut(row));
    }
    pub fn finish(&mut self, rows: usize) -> Vec<ArrayRef> {
        self.columns.iter_mut().map(|c| c.finish(rows)).collect()
    }

    /// Reads the object at `i` into `row`: the position behind it. On None the columns may be
    /// half-written and the context says why.
    pub(super) fn object(
        &mut self,
        text: &str,
        i: usize,
        (row, depth): (usize, usize),
        context: &mut Context,
    ) -> Option<usize> {
        let b = text.as_bytes();
        if at(b, i) != b'{' {
            return context.wrong(i, "an object is expected");
        }
        self.objects += 1;
        let mut i = space(b, i + 1);
        if at(b, i) != b'}' {
            let (mut previous, mut guess) = (NONE, self.first);
            loop {
                let value;
                (guess, value) = match self.known.get(guess) {
                    Some(known) if known.stands_at(b, i) => (guess, space(b, i + known.text.len())),
                    _ => self.find_key(b, i, previous, context)?,
                };
                let column = self.known.get(guess).map_or(NONE, |k| k.column);
                i = match self.columns.get_mut(column) {
                    None => scan::value(b, value, depth + 1, &mut context.fault)?,
                    Some(c) => {
                        self.seen[column] = self.objects;
                        match c.value(text, value, (row, depth + 1), context) {
                            Some(end) => end,
                            None => return context.below(c.field.name()),
                        }
                    }
                };
                previous = guess;
                guess = self.known.get(guess).map_or(NONE, |k| k.next);
                i = space(b, i);
                match at(b, i) {
                    b',' => i = space(b, i + 1),
                    b'}' => break,
                    _ => return context.fault.set(i, scan::behind_value(b, i, true)),
                }
            }
        }
        self.check_present(i, row, context)?;
        Some(i + 1)
    }

    /// Parses the key at `i`, remembers what follows `previous`, and gives the index in `known`
    /// (NONE when nobody wants the key) and the first byte of the value.
    #[inline(never)]
    fn find_key(
        &mut self,
        b: &[u8],
        i: usize,
        previous: usize,
        context: &mut Context,
    ) -> Option<(usize, usize)> {
        if at(b, i) != b'"' {
            return context.fault.set(i, "a key in double quotes is expected");
        }
        let (end, escaped) = scan::string(b, i + 1, &mut context.fault)?;
        let value = scan::colon(b, end + 1, &mut context.fault)?;
        let name = &b[i + 1..end];
        let found = if escaped {
            let mut plain = Vec::new();
            scan::unescape(name, &mut plain);
            return Some((self.by_name.get(plain.as_slice()).copied().unwrap_or(NONE), value));
        } else {
            self.by_name.get(name).copied()
        };
        let index = match found {
            Some(index) => index,
            None if self.known.len() < self.columns.len() + MAX_SKIPPED && name.len() <= 64 => {
                self.by_name.insert(name.into(), self.known.len());
                self.known.push(Known::new(name, NONE, NONE));
                self.known.len() - 1
            }
            None => return Some((NONE, value)),
        };
        match self.known.get_mut(previous) {
            Some(known) => known.next = index,
            None if previous == NONE => self.first = index,
            None => {}
        }
        Some((index, value))
    }

    /// NOT NULL columns must have been written, and with fail-on-missing-field every key met.
    #[inline]
    fn check_present(&mut self, at: usize, row: usize, context: &mut Context) -> Option<()> {
        for column in &self.required {
            if !self.columns[*column].is_set(row) {
                let name = self.fields[*column].name();
                return context.wrong(at, format!("'{name}' is NOT NULL but has no value"));
            }
        }
        if context.options.fail_on_missing
            && let Some(missing) = self.seen.iter().position(|seen| *seen != self.objects)
        {
            let name = self.fields[missing].name();
            return context
                .wrong(at, format!("'{name}' is missing and json.fail-on-missing-field is set"));
        }
        Some(())
    }
}
