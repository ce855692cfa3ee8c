//! SQL values as JSON.

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, StringArray, StructArray};
use base64::Engine;
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::make::quote;
use crate::cast::cast;
use crate::column::{bad_value, write_rows};

/// A column of values as JSON.
pub(super) enum Values {
    Plain(StringArray),
    Quoted(StringArray),
    List(ListArray, Box<Values>),
    Map(MapArray, StringArray, Box<Values>),
    Row(StructArray, Vec<(String, Values)>),
}

impl Values {
    pub fn of(column: &ArrayRef, ty: &SqlType) -> Result<Values> {
        use SqlType as S;
        let text = |ty: &SqlType| -> Result<StringArray> {
            let text = cast(column, ty, &S::STRING, false).map_err(|e| bad_value(e.message))?;
            Ok(text.as_string::<i32>().clone())
        };
        Ok(match ty {
            S::TinyInt | S::SmallInt | S::Int | S::BigInt | S::Decimal(..) => {
                Values::Plain(text(ty)?)
            }
            S::Float | S::Double => Values::Plain(respelt(&text(ty)?, |t, out| {
                // NaN and Infinity are no numbers of JSON.
                match t.ends_with(['N', 'y']) {
                    true => quote(t, out),
                    false => out.push_str(t),
                }
            })),
            S::Boolean => Values::Plain(respelt(&text(ty)?, |t, out| {
                out.push_str(if t == "TRUE" { "true" } else { "false" });
            })),
            S::Char(_) | S::Varchar(_) => Values::Quoted(text(ty)?),
            S::Timestamp(_) | S::TimestampLtz(_) => {
                Values::Quoted(respelt(&text(ty)?, |t, out| {
                    out.push_str(&t.replacen(' ', "T", 1));
                    if out.contains('.') {
                        out.truncate(out.trim_end_matches('0').trim_end_matches('.').len());
                    }
                    if matches!(ty, S::TimestampLtz(_)) {
                        out.push('Z');
                    }
                }))
            }
            S::Binary(_) | S::Varbinary(_) => {
                let bytes = column.as_binary::<i32>();
                let written = write_rows(bytes.len(), |row, out| {
                    bytes.is_valid(row).then(|| {
                        base64::engine::general_purpose::STANDARD
                            .encode_string(bytes.value(row), out);
                    })
                });
                Values::Quoted(written.as_string::<i32>().clone())
            }
            S::Array(item) => {
                let list = column.as_list::<i32>().clone();
                let values = Values::of(list.values(), &item.ty)?;
                Values::List(list, Box::new(values))
            }
            S::Map(key, value) => pairs(column, &key.ty, &value.ty)?,
            S::Multiset(item) => pairs(column, &item.ty, &S::Int)?,
            S::Row(fields) => {
                let rows = column.as_struct().clone();
                let each = rows.columns().iter().zip(fields);
                let each = each.map(|(c, f)| Ok((f.name.clone(), Values::of(c, &f.ty.ty)?)));
                let each = each.collect::<Result<Vec<_>>>()?;
                Values::Row(rows, each)
            }
            other => return plan_err!("{other} cannot be made JSON: CAST it to STRING"),
        })
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Values::Plain(a) | Values::Quoted(a) => a.is_null(row),
            Values::List(a, _) => a.is_null(row),
            Values::Map(a, ..) => a.is_null(row),
            Values::Row(a, _) => a.is_null(row),
        }
    }

    pub fn write(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            return out.push_str("null");
        }
        match self {
            Values::Plain(a) => out.push_str(a.value(row)),
            Values::Quoted(a) => quote(a.value(row), out),
            Values::List(list, values) => {
                let offsets = list.value_offsets();
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                joined(out, ['[', ']'], range, |out, at| values.write(at, out));
            }
            Values::Map(map, keys, values) => {
                let offsets = map.value_offsets();
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                joined(out, ['{', '}'], range, |out, at| {
                    quote(if keys.is_valid(at) { keys.value(at) } else { "null" }, out);
                    out.push(':');
                    values.write(at, out);
                });
            }
            Values::Row(_, fields) => joined(out, ['{', '}'], 0..fields.len(), |out, at| {
                quote(&fields[at].0, out);
                out.push(':');
                fields[at].1.write(row, out);
            }),
        }
    }
}

fn pairs(column: &ArrayRef, key: &SqlType, value: &SqlType) -> Result<Values> {
    let map = column.as_map().clone();
    let keys = cast(map.keys(), key, &SqlType::STRING, false);
    let keys = keys.map_err(|e| bad_value(e.message))?.as_string::<i32>().clone();
    let values = Values::of(map.values(), value)?;
    Ok(Values::Map(map, keys, Box::new(values)))
}

fn joined(
    out: &mut String,
    [open, close]: [char; 2],
    range: std::ops::Range<usize>,
    mut write: impl FnMut(&mut String, usize),
) {
    out.push(open);
    let start = range.start;
    for at in range {
        if at > start {
            out.push(',');
        }
        write(out, at);
    }
    out.push(close);
}

fn respelt(text: &StringArray, write: impl Fn(&str, &mut String)) -> StringArray {
    let each =
        |row: usize, out: &mut String| text.is_valid(row).then(|| write(text.value(row), out));
    write_rows(text.len(), each).as_string::<i32>().clone()
}
