//! Cutting, filling, joining and comparing strings.
//!
//! Positions and lengths count characters, except in LPAD, RPAD and OVERLAY, which count UTF-16
//! units as Flink does.

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::Int32Type;
use brooklet_core::types::{MAX_LENGTH, SqlType};
use datafusion::common::Result;

use super::units;
use crate::column::{Call, Text, slice_rows, value_rows, write_rows};
use crate::function::Kind::{Any, Int, Long, Text as T};
use crate::function::{Function, Output, SqlTypeOf, Typing};
use crate::types::common_type;

const INT: Output = Output::Is(SqlTypeOf::Int);

/// `UPPER(text)`: in upper case.
///
/// ```sql
/// UPPER('straße') = 'STRASSE'
/// ```
pub(super) const UPPER: Function = Function::new("upper", &[T], Output::Like(0), |call| {
    cased(call, str::make_ascii_uppercase, str::to_uppercase)
});

/// `LOWER(text)`: in lower case.
///
/// ```sql
/// LOWER('ÄB') = 'äb'
/// ```
pub(super) const LOWER: Function = Function::new("lower", &[T], Output::Like(0), |call| {
    cased(call, str::make_ascii_lowercase, str::to_lowercase)
});

/// `INITCAP(text)`: every word's first letter in upper, the others in lower case. Words are made
/// of ASCII's letters and digits; other letters stay as they are.
///
/// ```sql
/// INITCAP('hello wORLD') = 'Hello World'
/// ```
pub(super) const INITCAP: Function = Function::new("initcap", &[T], Output::Like(0), initcap);

/// `TRIM(text)`, `TRIM([BOTH | LEADING | TRAILING] characters FROM text)`; as plain functions
/// `btrim`, `ltrim` and `rtrim(text [, characters])`
///
/// Without the characters, spaces if none are given, at both ends.
///
/// ```sql
/// TRIM('  a b  ') = 'a b'
/// TRIM(BOTH 'xy' FROM 'xyaxy') = 'a'
/// ```
pub(super) const TRIM: Function =
    Function::shorter("btrim", &[T, T], |call| trim(call, true, true))
        .optional(1)
        .aliases(&["trim"]);

/// `LTRIM(text [, characters])`: without the characters, spaces if none are given, at the start.
///
/// ```sql
/// LTRIM('xxaxx', 'x') = 'axx'
/// ```
pub(super) const LTRIM: Function =
    Function::shorter("ltrim", &[T, T], |call| trim(call, true, false)).optional(1);

/// `RTRIM(text [, characters])`: without the characters, spaces if none are given, at the end.
///
/// ```sql
/// RTRIM('a  ') = 'a'
/// ```
pub(super) const RTRIM: Function =
    Function::shorter("rtrim", &[T, T], |call| trim(call, false, true)).optional(1);

/// `LPAD(text, length, pad)`
///
/// The text brought to that length, with the pad repeated before it or its end cut off. NULL for
/// an empty pad or a negative length.
///
/// ```sql
/// LPAD('abc', 5, 'xy') = 'xyabc'
/// LPAD('abc', 2, 'x') = 'ab'
/// LPAD('abc', 5, '') IS NULL
/// ```
pub(super) const LPAD: Function =
    Function::text("lpad", &[T, Int, T], |call| pad(call, true)).nullable();

/// `RPAD(text, length, pad)`
///
/// The text brought to that length, with the pad repeated after it or its end cut off. NULL for
/// an empty pad or a negative length.
///
/// ```sql
/// RPAD('abc', 6, 'xy') = 'abcxyx'
/// ```
pub(super) const RPAD: Function =
    Function::text("rpad", &[T, Int, T], |call| pad(call, false)).nullable();

/// `SUBSTRING(text FROM start [FOR length])`, `SUBSTR(text, start [, length])`
///
/// The part from a position on, the first being 1; a negative one counts from the end. NULL for a
/// negative length.
///
/// ```sql
/// SUBSTRING('abcdef', 2, 3) = 'bcd'
/// SUBSTRING('abc', -2) = 'bc'
/// ```
pub(super) const SUBSTRING: Function = Function::shorter("substring", &[T, Int, Int], substring)
    .optional(1)
    .aliases(&["substr"])
    .nullable();

/// `LEFT(text, length)`: the first characters; empty for a negative length.
///
/// ```sql
/// LEFT('abcdef', 2) = 'ab'
/// ```
pub(super) const LEFT: Function = Function::shorter("left", &[T, Int], |call| {
    let (text, lengths) = (call.text(0)?, call.ints(1)?);
    Ok(slice_rows(call.rows, |row| {
        let (text, length) = (text.get(row)?, lengths.get(row)?.max(0));
        Some(&text[..offset(text, length as usize)])
    }))
});

/// `RIGHT(text, length)`: the last characters; empty for a negative length.
///
/// ```sql
/// RIGHT('abcdef', 2) = 'ef'
/// ```
pub(super) const RIGHT: Function = Function::shorter("right", &[T, Int], |call| {
    let (text, lengths) = (call.text(0)?, call.ints(1)?);
    Ok(slice_rows(call.rows, |row| {
        let (text, length) = (text.get(row)?, lengths.get(row)?.max(0) as usize);
        let skipped = characters(text).saturating_sub(length);
        Some(&text[offset(text, skipped)..])
    }))
});

/// `CHAR_LENGTH(text)`, `CHARACTER_LENGTH(text)`: how many characters the text has.
///
/// ```sql
/// CHAR_LENGTH('日本') = 2
/// ```
pub(super) const CHAR_LENGTH: Function = Function::new("char_length", &[T], INT, |call| {
    let text = call.text(0)?;
    Ok(value_rows::<Int32Type>(call.rows, |row| Some(characters(text.get(row)?) as i32)))
})
.aliases(&["character_length"]);

/// `POSITION(part IN text)`; as a plain function `position(part, text)`: where the part first
/// stands in the text, the first character being 1; 0 where it does not.
///
/// ```sql
/// POSITION('b' IN 'abc') = 2
/// ```
pub(super) const POSITION: Function = Function::new("position", &[T, T], INT, locate);

/// `LOCATE(part, text [, from])`: where the part first stands in the text at or after a position,
/// the first character being 1; 0 where it does not.
///
/// ```sql
/// LOCATE('b', 'abcb', 3) = 4
/// ```
pub(super) const LOCATE: Function = Function::new("locate", &[T, T, Int], INT, locate).optional(1);

/// `INSTR(text, part [, from [, occurrence]])`
///
/// Where the part stands in the text, the first character being 1, at or after a position, the nth
/// time that it is met; from a negative position on it is looked for backwards from the end. 0
/// where it does not stand.
///
/// ```sql
/// INSTR('abcb', 'b') = 2
/// INSTR('abcb', 'b', -1) = 4
/// INSTR('abcb', 'b', 1, 2) = 4
/// ```
pub(super) const INSTR: Function = Function::new("instr", &[T, T, Int, Int], INT, |call| {
    if call.len() < 3 {
        return positions(call, &call.text(1)?, &call.text(0)?);
    }
    let (text, part, from) = (call.text(0)?, call.text(1)?, call.ints(2)?);
    let times = if call.len() > 3 { Some(call.ints(3)?) } else { None };
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let (text, part, from) = (text.get(row)?, part.get(row)?, from.get(row)?);
        let nth = match &times {
            Some(times) => times.get(row)?,
            None => 1,
        };
        Some(nth_position(text, part, from, nth))
    }))
})
.optional(2);

/// `OVERLAY(text PLACING part FROM start [FOR length])`; as a plain function
/// `overlay(text, part, start [, length])`: the text with the part in place of `length`
/// characters, as many as the part has if not given.
///
/// ```sql
/// OVERLAY('abcdef' PLACING 'XX' FROM 2 FOR 3) = 'aXXef'
/// ```
pub(super) const OVERLAY: Function =
    Function::new("overlay", &[T, T, Int, Int], Output::By(added), overlay).optional(1);

/// `REPLACE(text, part, by)`: the text with every occurrence of the part replaced.
///
/// ```sql
/// REPLACE('a.b.c', '.', '-') = 'a-b-c'
/// ```
pub(super) const REPLACE: Function = Function::text("replace", &[T, T, T], |call| {
    let (text, part, by) = (call.text(0)?, call.text(1)?, call.text(2)?);
    Ok(write_rows(call.rows, |row, out| {
        let (text, part, by) = (text.get(row)?, part.get(row)?, by.get(row)?);
        if part.is_empty() {
            units::push_between(out, text, by);
            return Some(());
        }
        let mut copied = 0;
        for (at, found) in text.match_indices(part) {
            out.push_str(&text[copied..at]);
            out.push_str(by);
            copied = at + found.len();
        }
        out.push_str(&text[copied..]);
        Some(())
    }))
});

/// `TRANSLATE(text, from, to)`: every character of `from` replaced by the one at its place in
/// `to`, or left out where `to` is shorter.
///
/// ```sql
/// TRANSLATE('abc', 'ab', 'xy') = 'xyc'
/// ```
pub(super) const TRANSLATE: Function = Function::text("translate", &[T, T, T], |call| {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    Ok(write_rows(call.rows, |row, out| {
        let text = text.get(row)?;
        let Some(from) = from.get(row) else {
            out.push_str(text);
            return Some(());
        };
        let to = to.get(row).unwrap_or_default();
        out.extend(text.chars().filter_map(|c| match from.chars().position(|f| f == c) {
            Some(place) => to.chars().nth(place),
            None => Some(c),
        }));
        Some(())
    }))
})
.first_nulls()
.aliases(&["translate3"]);

/// `REPEAT(text, count)`: the text that many times.
///
/// ```sql
/// REPEAT('ab', 3) = 'ababab'
/// ```
pub(super) const REPEAT: Function = Function::text("repeat", &[T, Int], |call| {
    let (text, counts) = (call.text(0)?, call.ints(1)?);
    let mut too_long = false;
    let repeated = write_rows(call.rows, |row, out| {
        let (text, count) = (text.get(row)?, counts.get(row)?.max(0) as usize);
        too_long |= text.len().saturating_mul(count) > LONGEST;
        if !too_long {
            out.extend(std::iter::repeat_n(text, count));
        }
        Some(())
    });
    if too_long { Err(too_long_text("REPEAT")) } else { Ok(repeated) }
});

/// `REVERSE(text)`: the characters in the opposite order.
///
/// ```sql
/// REVERSE('abc') = 'cba'
/// ```
pub(super) const REVERSE: Function = Function::text("reverse", &[T], |call| {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        out.extend(text.get(row)?.chars().rev());
        Some(())
    }))
});

/// `SPLIT_INDEX(text, separator, index)`
///
/// The part at an index between the separators, texts or codes of characters, the first being 0.
/// NULL where there is none and for an empty text.
///
/// ```sql
/// SPLIT_INDEX('a,b,c', ',', 1) = 'b'
/// SPLIT_INDEX('a,b,c', ',', 3) IS NULL
/// ```
pub(super) const SPLIT_INDEX: Function = Function::text("split_index", &[T, Any, Int], |call| {
    let (text, separators, indexes) = (call.text(0)?, separators(call)?, call.ints(2)?);
    Ok(slice_rows(call.rows, |row| {
        let (text, separator) = (text.get(row)?, separators.get(row)?);
        let index = usize::try_from(indexes.get(row)?).ok()?;
        if text.is_empty() {
            return None;
        }
        // As in Flink's library, no separator means white space.
        match separator.as_bytes() {
            [] => text.split(char::is_whitespace).nth(index),
            // Found many times faster than a text.
            [one] => text.split(char::from(*one)).nth(index),
            _ => text.split(separator).nth(index),
        }
    }))
})
.nullable();

/// `CONCAT(text, ...)`, `text || text`: the texts one after the other; NULL if one is NULL.
///
/// ```sql
/// CONCAT('a', 'b', 'c') = 'abc'
/// ```
pub(super) const CONCAT: Function = Function::text("concat", &[T], |call| {
    let texts = (0..call.len()).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    Ok(write_rows(call.rows, |row, out| {
        texts.iter().try_for_each(|text| {
            out.push_str(text.get(row)?);
            Some(())
        })
    }))
})
.variadic();

/// `text || text`; as a plain function `__concat(text, text)`: one after the other; NULL if one is
/// NULL.
///
/// ```sql
/// __CONCAT('a', 'b') = 'ab'
/// ```
pub(super) const OPERATOR: Function =
    Function::new("__concat", &[T, T], Output::By(joined), |call| {
        let (a, b) = (call.text(0)?, call.text(1)?);
        Ok(write_rows(call.rows, |row, out| {
            out.push_str(a.get(row)?);
            out.push_str(b.get(row)?);
            Some(())
        }))
    });

/// `BTRIM(text [, characters])`; as a plain function `__btrim(text [, characters])`
///
/// Without the characters, spaces if none are given, at both ends.
///
/// ```sql
/// __BTRIM(' a ') = 'a'
/// ```
pub(super) const BTRIM: Function =
    Function::text("__btrim", &[T, T], |call| trim(call, true, true)).optional(1);

/// `ELT(n, text, ...)`: the nth of the texts, counted from 1; NULL if there is none.
///
/// ```sql
/// ELT(2, 'a', 'b') = 'b'
/// ELT(3, 'a', 'b') IS NULL
/// ```
pub(super) const ELT: Function = Function::new("elt", &[Long, T], Output::By(any_of), |call| {
    let numbers = call.longs(0)?;
    let texts = (1..call.len()).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    Ok(slice_rows(call.rows, |row| {
        let number = usize::try_from(numbers.get(row)?).ok()?.checked_sub(1)?;
        texts.get(number)?.get(row)
    }))
})
.variadic()
.nullable();

/// `CONCAT_WS(separator, text, ...)`: the texts that are not NULL with the separator between them;
/// NULL only if the separator is.
///
/// ```sql
/// CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'z') = 'a-z'
/// ```
pub(super) const CONCAT_WS: Function = Function::text("concat_ws", &[T, T], |call| {
    let separators = call.text(0)?;
    let texts = (1..call.len()).map(|i| call.text(i)).collect::<Result<Vec<_>>>()?;
    Ok(write_rows(call.rows, |row, out| {
        let separator = separators.get(row)?;
        let mut first = true;
        for text in texts.iter().filter_map(|text| text.get(row)) {
            if !first {
                out.push_str(separator);
            }
            first = false;
            out.push_str(text);
        }
        Some(())
    }))
})
.optional(1)
.variadic()
.nullable();

/// The most bytes a function makes of one row's text.
const LONGEST: usize = 64 << 20;

fn too_long_text(function: &str) -> datafusion::common::DataFusionError {
    crate::column::bad_value(format!("{function}: the result is longer than {LONGEST} bytes"))
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// The byte where the character of that number, from 0, starts; the end if there is none.
fn offset(text: &str, character: usize) -> usize {
    if text.is_ascii() {
        return character.min(text.len());
    }
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

fn cased(call: &Call, ascii: fn(&mut str), other: fn(&str) -> String) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        let value = text.get(row)?;
        if value.is_ascii() {
            out.push_str(value);
            ascii(out);
        } else {
            out.push_str(&other(value));
        }
        Some(())
    }))
}

fn initcap(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        let mut inside = false;
        for c in text.get(row)?.chars() {
            out.push(if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
            inside = c.is_ascii_alphanumeric();
        }
        Some(())
    }))
}

fn trim(call: &Call, start: bool, end: bool) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let characters = match call.len() {
        1 => Text::one(StringArray::from(vec![" "])),
        _ => call.text(1)?,
    };
    Ok(slice_rows(call.rows, |row| {
        let (mut text, set) = (text.get(row)?, characters.get(row)?);
        if start {
            text = text.trim_start_matches(|c| set.contains(c));
        }
        if end {
            text = text.trim_end_matches(|c| set.contains(c));
        }
        Some(text)
    }))
}

fn pad(call: &Call, left: bool) -> Result<ArrayRef> {
    let (text, lengths, pads) = (call.text(0)?, call.ints(1)?, call.text(2)?);
    let mut too_long = false;
    let padded = write_rows(call.rows, |row, out| {
        let (text, pad) = (text.get(row)?, pads.get(row)?);
        let length = usize::try_from(lengths.get(row)?).ok()?;
        if pad.is_empty() {
            return None;
        }
        if length > LONGEST {
            too_long = true;
            return None;
        }
        if text.is_ascii() && pad.is_ascii() {
            let fill = length.saturating_sub(text.len());
            let whole = fill / pad.len();
            if !left {
                out.push_str(&text[..text.len().min(length)]);
            }
            out.extend(std::iter::repeat_n(pad, whole));
            out.push_str(&pad[..fill % pad.len()]);
            if left {
                out.push_str(&text[..text.len().min(length)]);
            }
            return Some(());
        }
        let units: Vec<u16> = text.encode_utf16().take(length).collect();
        let fill = pad.encode_utf16().collect::<Vec<_>>().into_iter().cycle();
        let fill = fill.take(length - units.len());
        let all: Vec<u16> = match left {
            true => fill.chain(units).collect(),
            false => units.into_iter().chain(fill).collect(),
        };
        units::push(out, all);
        Some(())
    });
    if too_long { Err(too_long_text("LPAD and RPAD")) } else { Ok(padded) }
}

fn substring(call: &Call) -> Result<ArrayRef> {
    let (text, starts) = (call.text(0)?, call.ints(1)?);
    let lengths = if call.len() > 2 { Some(call.ints(2)?) } else { None };
    Ok(slice_rows(call.rows, |row| {
        let (text, start) = (text.get(row)?, i64::from(starts.get(row)?));
        let length = match &lengths {
            Some(lengths) => usize::try_from(lengths.get(row)?).ok()?,
            None => usize::MAX,
        };
        let skipped = match start {
            1.. => start as usize - 1,
            0 => 0,
            _ => match (characters(text) as i64).checked_add(start) {
                Some(skipped @ 0..) => skipped as usize,
                _ => return Some(""),
            },
        };
        let rest = &text[offset(text, skipped)..];
        Some(&rest[..offset(rest, length)])
    }))
}

fn locate(call: &Call) -> Result<ArrayRef> {
    let (part, text) = (call.text(0)?, call.text(1)?);
    if call.len() < 3 {
        return positions(call, &part, &text);
    }
    let starts = call.ints(2)?;
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let (part, text, start) = (part.get(row)?, text.get(row)?, starts.get(row)?);
        if part.is_empty() {
            return Some(1);
        }
        // As in Java, the least of all integers is a step before the greatest.
        let skipped = start.wrapping_sub(1).max(0) as usize;
        if skipped > characters(text) {
            return Some(0);
        }
        let rest = &text[offset(text, skipped)..];
        let found = position(part, rest);
        Some(if found == 0 { 0 } else { found + skipped as i32 })
    }))
}

fn positions(call: &Call, part: &Text, text: &Text) -> Result<ArrayRef> {
    Ok(value_rows::<Int32Type>(call.rows, |row| Some(position(part.get(row)?, text.get(row)?))))
}

fn position(part: &str, text: &str) -> i32 {
    text.find(part).map_or(0, |at| characters(&text[..at]) as i32 + 1)
}

/// The type that the texts have in common.
fn any_of(typing: &Typing) -> Result<SqlType> {
    Ok(common_type(&typing.types[1..]).unwrap_or(SqlType::STRING))
}

/// Separators given as texts or as codes of characters.
fn separators(call: &Call) -> Result<Text> {
    if !call.any(1).array.data_type().is_integer() {
        return call.text(1);
    }
    let codes = arrow::compute::cast(&call.any(1).array, &arrow::datatypes::DataType::Int64)?;
    let codes = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&codes);
    let texts = codes.iter().map(|code| {
        let c = char::from_u32(u32::try_from(code?).ok()?)?;
        Some(c.to_string())
    });
    Ok(call.any(1).like(texts.collect::<StringArray>()))
}

/// VARCHAR of both lengths together.
fn added(typing: &Typing) -> Result<SqlType> {
    let length = |ty: &SqlType| match ty {
        SqlType::Char(n) | SqlType::Varchar(n) => *n,
        _ => MAX_LENGTH,
    };
    let both = length(&typing.types[0]).saturating_add(length(&typing.types[1]));
    Ok(SqlType::Varchar(both.min(MAX_LENGTH)))
}

/// CHAR of both lengths of two CHARs, else as [`added`]: what `||` gives.
fn joined(typing: &Typing) -> Result<SqlType> {
    match (&typing.types[0], &typing.types[1]) {
        (SqlType::Char(n), SqlType::Char(m)) => Ok(SqlType::Char(n.saturating_add(*m))),
        _ => added(typing),
    }
}

fn nth_position(text: &str, part: &str, from: i32, nth: i32) -> i32 {
    if part.is_empty() {
        return 1;
    }
    let starts: Vec<(usize, usize)> =
        text.char_indices().map(|(at, _)| at).chain([text.len()]).enumerate().collect();
    let here = |(_, at): &&(usize, usize)| text[*at..].starts_with(part);
    let count = starts.len() as i64 - 1;
    let Some(skipped) = usize::try_from(nth).ok().and_then(|n| n.checked_sub(1)) else { return 0 };
    let found = match i64::from(from) {
        0 => None,
        from @ 1.. => starts.iter().skip(from as usize - 1).filter(here).nth(skipped),
        from => {
            let last = count + from;
            starts.iter().rev().filter(|(i, _)| *i as i64 <= last).filter(here).nth(skipped)
        }
    };
    found.map_or(0, |(i, _)| *i as i32 + 1)
}

fn overlay(call: &Call) -> Result<ArrayRef> {
    let (text, part, starts) = (call.text(0)?, call.text(1)?, call.ints(2)?);
    let lengths = if call.len() > 3 { Some(call.ints(3)?) } else { None };
    Ok(write_rows(call.rows, |row, out| {
        let (text, part) = (text.get(row)?, part.get(row)?);
        let (start, count) = (i64::from(starts.get(row)?), part.encode_utf16().count() as i64);
        let length = match &lengths {
            Some(lengths) => i64::from(lengths.get(row)?),
            None => count,
        };
        let units = text.encode_utf16();
        if start <= 0 || start > units.clone().count() as i64 {
            out.push_str(text);
            return Some(());
        }
        let before = units.clone().take(start as usize - 1);
        // Nothing follows where nothing is replaced.
        let after = units.skip((start - 1 + length.max(0)) as usize).filter(|_| length > 0);
        units::push(out, before.chain(part.encode_utf16()).chain(after));
        Some(())
    }))
}
