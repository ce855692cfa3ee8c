//! JSON arrays into ARRAY, and objects into MAP.

use std::collections::BTreeMap;

use super::columns::{Column, Data, Lists, Maps};
use super::context::Context;
use super::convert::{Place, too_much};
use super::scan::{self, at, space};

/// Reads the array at `i` into `row`: the position behind it.
pub(super) fn list(
    c: &mut Lists,
    text: &str,
    i: usize,
    (row, depth): Place,
    context: &mut Context,
) -> Option<usize> {
    let b = text.as_bytes();
    if at(b, i) != b'[' {
        return context.wrong(i, "an array is expected");
    }
    let first = c.open(row);
    let mut next = first;
    let mut i = space(b, i + 1);
    if at(b, i) != b']' {
        loop {
            i = element(&mut c.items, text, i, ((next, depth + 1), next - first), context)?;
            next += 1;
            i = space(b, i);
            match at(b, i) {
                b',' => i = space(b, i + 1),
                b']' => break,
                _ => return context.fault.set(i, scan::behind_value(b, i, false)),
            }
        }
    }
    c.close(next).map(|()| i + 1).or_else(|| too_much(i, context))
}

/// One element, or one value of a map; `index` is its number within the container.
fn element(
    column: &mut Column,
    text: &str,
    i: usize,
    (place, index): (Place, usize),
    context: &mut Context,
) -> Option<usize> {
    let Some(end) = column.value(text, i, place, context) else {
        return context.below_element(index);
    };
    if !column.field.is_nullable() && !column.is_set(place.0) {
        return context.wrong(i, "an element is NULL, but its type says NOT NULL");
    }
    Some(end)
}

/// Reads the object at `i` into `row`: the position behind it. The last of equal keys wins.
pub(super) fn map(
    c: &mut Maps,
    text: &str,
    i: usize,
    (row, depth): Place,
    context: &mut Context,
) -> Option<usize> {
    let b = text.as_bytes();
    if at(b, i) != b'{' {
        return context.wrong(i, "an object is expected");
    }
    let first = c.open(row);
    let mut next = first;
    let end = entries(b, i, context, |name, value, context| {
        push_key(&mut c.keys, name, next).or_else(|| too_much(value, context))?;
        let end = element(&mut c.values, text, value, ((next, depth + 1), next - first), context)?;
        next += 1;
        Some(end)
    })?;
    if next - first > 1 && has_equal_keys(&c.keys, first, next) {
        next = distinct(c, text, i, (row, depth), context)?;
    }
    c.close(next).map(|()| end).or_else(|| too_much(i, context))
}

/// Calls `value` with each key (between its quotes, and whether it has escapes) and the first
/// byte of its value; it gives the position behind the value.
fn entries<'a>(
    b: &'a [u8],
    i: usize,
    context: &mut Context,
    mut value: impl FnMut((&'a [u8], bool), usize, &mut Context) -> Option<usize>,
) -> Option<usize> {
    let mut i = space(b, i + 1);
    if at(b, i) == b'}' {
        return Some(i + 1);
    }
    loop {
        if at(b, i) != b'"' {
            return context.fault.set(i, "a key in double quotes is expected");
        }
        let (end, escaped) = scan::string(b, i + 1, &mut context.fault)?;
        let start = scan::colon(b, end + 1, &mut context.fault)?;
        i = space(b, value((&b[i + 1..end], escaped), start, context)?);
        match at(b, i) {
            b',' => i = space(b, i + 1),
            b'}' => return Some(i + 1),
            _ => return context.fault.set(i, scan::behind_value(b, i, true)),
        }
    }
}

fn push_key(keys: &mut Column, (name, escaped): (&[u8], bool), row: usize) -> Option<()> {
    let Data::Utf8(keys) = &mut keys.data else { return None };
    keys.open(row);
    if escaped {
        scan::unescape(name, &mut keys.bytes);
    } else {
        keys.bytes.extend_from_slice(name);
    }
    keys.close()
}

fn has_equal_keys(keys: &Column, first: usize, next: usize) -> bool {
    let Data::Utf8(keys) = &keys.data else { return false };
    if next - first <= 8 {
        return (first + 1..next).any(|k| (first..k).any(|j| keys.value(j) == keys.value(k)));
    }
    let mut names: Vec<&[u8]> = (first..next).map(|k| keys.value(k)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// Writes the map again with each key once; the index behind its last entry. The object was read
/// before, so only limits can fail.
fn distinct(
    c: &mut Maps,
    text: &str,
    i: usize,
    (row, depth): Place,
    context: &mut Context,
) -> Option<usize> {
    let b = text.as_bytes();
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut kept: Vec<((&[u8], bool), usize)> = Vec::new();
    entries(b, i, context, |(name, escaped), value, context| {
        let mut plain = Vec::new();
        scan::unescape(name, &mut plain);
        let place = *places.entry(plain).or_insert(kept.len());
        let entry = ((name, escaped), value);
        match kept.get_mut(place) {
            Some(old) => *old = entry,
            None => kept.push(entry),
        }
        scan::value(b, value, depth + 1, &mut context.fault)
    })?;
    c.cut(row);
    let first = c.open(row);
    for (k, (name, value)) in kept.iter().enumerate() {
        push_key(&mut c.keys, *name, first + k).or_else(|| too_much(*value, context))?;
        element(&mut c.values, text, *value, ((first + k, depth + 1), k), context)?;
    }
    Some(first + kept.len())
}
