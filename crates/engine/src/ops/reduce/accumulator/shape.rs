//! Results made of all values of a group.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Float64Builder, Int32Array, ListArray, ListBuilder,
    MapArray, StringArray, StringBuilder, StructArray, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Float64Type};

use brooklet_core::{Error, Result};
use brooklet_plan::node::{AggFunc, Percentages};

use crate::ops::reduce::java_order;

/// The values of some groups, one group after the other.
pub struct Gotten {
    pub columns: Vec<ArrayRef>,
    /// How often each value is there.
    pub counts: Vec<i64>,
    /// Where each group's values end, behind a 0.
    pub ends: Vec<usize>,
}

impl Gotten {
    fn groups(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.ends.windows(2).map(|ends| ends[0]..ends[1])
    }

    /// The number of each value, as often as it is there, and the lengths of the groups.
    fn repeated(&self) -> (UInt32Array, Vec<usize>) {
        let (mut numbers, mut lengths) = (Vec::new(), Vec::new());
        for group in self.groups() {
            let before = numbers.len();
            for value in group {
                let times = usize::try_from(self.counts[value]).unwrap_or(0);
                numbers.extend(std::iter::repeat_n(value as u32, times));
            }
            lengths.push(numbers.len() - before);
        }
        (UInt32Array::from(numbers), lengths)
    }
}

pub enum Shape {
    /// The value of the only row.
    Single,
    Last,
    Text {
        separator: String,
    },
    List,
    Multiset,
    Array,
    Object,
    Percentiles(Percentages),
}

impl Shape {
    pub fn of(func: &AggFunc) -> Result<Shape> {
        Ok(match func {
            AggFunc::SingleValue => Shape::Single,
            AggFunc::LastValue => Shape::Last,
            AggFunc::ListAgg { separator } => Shape::Text { separator: separator.clone() },
            AggFunc::ArrayAgg { .. } => Shape::List,
            AggFunc::Collect => Shape::Multiset,
            AggFunc::JsonArrayAgg { .. } => Shape::Array,
            AggFunc::JsonObjectAgg { .. } => Shape::Object,
            AggFunc::Percentile { at } => Shape::Percentiles(at.clone()),
            other => return Err(Error::bug(format!("{other} is not made of all values"))),
        })
    }

    /// One result for each group.
    pub fn results(&self, gotten: Gotten, ty: &DataType) -> Result<ArrayRef> {
        match self {
            Shape::Single => single(&gotten),
            Shape::Last => last(&gotten),
            Shape::Text { separator } => Ok(Arc::new(texts(&gotten, separator))),
            Shape::List => list(&gotten, ty),
            Shape::Multiset => multiset(&gotten, ty),
            Shape::Array => Ok(Arc::new(json_arrays(&gotten))),
            Shape::Object => Ok(Arc::new(json_objects(&gotten)?)),
            Shape::Percentiles(at) => Ok(percentiles(&gotten, at)),
        }
    }
}

/// A value of each group, or NULL.
fn one_each(gotten: &Gotten, each: Vec<Option<u32>>) -> Result<ArrayRef> {
    Ok(compute::take(&gotten.columns[0], &UInt32Array::from(each), None)?)
}

fn single(gotten: &Gotten) -> Result<ArrayRef> {
    let mut each = Vec::new();
    for group in gotten.groups() {
        if gotten.counts[group.clone()].iter().sum::<i64>() > 1 {
            return Err(Error::data("SINGLE_VALUE received more than one row"));
        }
        each.push(group.clone().next().map(|value| value as u32));
    }
    one_each(gotten, each)
}

fn last(gotten: &Gotten) -> Result<ArrayRef> {
    one_each(gotten, gotten.groups().map(|group| group.last().map(|v| v as u32)).collect())
}

fn texts(gotten: &Gotten, separator: &str) -> StringArray {
    let values = gotten.columns[0].as_string::<i32>();
    let mut all = StringBuilder::new();
    for group in gotten.groups() {
        if group.is_empty() {
            all.append_null();
            continue;
        }
        let mut first = true;
        for value in group {
            for _ in 0..gotten.counts[value] {
                let _ = all.write_str(if first { "" } else { separator });
                let _ = all.write_str(values.value(value));
                first = false;
            }
        }
        all.append_value("");
    }
    all.finish()
}

/// The type of an ARRAY's values, or of a MULTISET's entries.
fn item_of(ty: &DataType) -> Result<Arc<Field>> {
    match ty {
        DataType::List(item) | DataType::Map(item, _) => Ok(item.clone()),
        other => Err(Error::bug(format!("{other} holds no values"))),
    }
}

fn list(gotten: &Gotten, ty: &DataType) -> Result<ArrayRef> {
    let (numbers, lengths) = gotten.repeated();
    let values = compute::take(&gotten.columns[0], &numbers, None)?;
    let nulls: NullBuffer = lengths.iter().map(|length| *length > 0).collect();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(item_of(ty)?, offsets, values, Some(nulls))?))
}

fn multiset(gotten: &Gotten, ty: &DataType) -> Result<ArrayRef> {
    let (mut order, mut lengths) = (Vec::with_capacity(gotten.counts.len()), Vec::new());
    let hashes = java_order::hashes(&gotten.columns[0]);
    for group in gotten.groups() {
        lengths.push(group.len());
        let from = order.len();
        order.extend(group.map(|value| value as u32));
        java_order::sort(&mut order[from..], hashes.as_deref());
    }
    let entries = item_of(ty)?;
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(Error::bug("a MULTISET has entries of a value and a count"));
    };
    let counts: Int32Array =
        order.iter().map(|value| Some(gotten.counts[*value as usize] as i32)).collect();
    let values = compute::take(&gotten.columns[0], &UInt32Array::from(order), None)?;
    let rows = StructArray::try_new(fields.clone(), vec![values, Arc::new(counts)], None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(entries, offsets, rows, None, false)?))
}

fn json_arrays(gotten: &Gotten) -> StringArray {
    let values = gotten.columns[0].as_string::<i32>();
    let mut all = StringBuilder::new();
    for group in gotten.groups() {
        let mut before = "[";
        for value in group.clone() {
            for _ in 0..gotten.counts[value] {
                let text = if values.is_valid(value) { values.value(value) } else { "null" };
                let _ = write!(all, "{before}{text}");
                before = ",";
            }
        }
        all.append_value(if group.is_empty() { "[]" } else { "]" });
    }
    all.finish()
}

fn json_objects(gotten: &Gotten) -> Result<StringArray> {
    let keys = gotten.columns[0].as_string::<i32>();
    let values = gotten.columns[1].as_string::<i32>();
    let mut all = StringBuilder::new();
    for group in gotten.groups() {
        let (mut before, mut known) = ("{", None);
        for value in group.clone() {
            let key = keys.value(value);
            if known == Some(key) || gotten.counts[value] > 1 {
                return Err(Error::data(format!(
                    "JSON_OBJECTAGG: the key '{key}' is there twice; keys must be unique"
                )));
            }
            known = Some(key);
            let text = if values.is_valid(value) { values.value(value) } else { "null" };
            let _ = all.write_str(before);
            quote(key, &mut all);
            let _ = write!(all, ":{text}");
            before = ",";
        }
        all.append_value(if group.is_empty() { "{}" } else { "}" });
    }
    Ok(all.finish())
}

/// A JSON string.
fn quote(text: &str, out: &mut StringBuilder) {
    let _ = out.write_char('"');
    for c in text.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            '\u{8}' => out.write_str("\\b"),
            '\u{c}' => out.write_str("\\f"),
            c if c < ' ' => write!(out, "\\u{:04X}", u32::from(c)),
            c => out.write_char(c),
        };
    }
    let _ = out.write_char('"');
}

fn percentiles(gotten: &Gotten, at: &Percentages) -> ArrayRef {
    let values = gotten.columns[0].as_primitive::<Float64Type>();
    let groups = gotten.groups().map(|group| {
        let sorted = (&values.values()[group.clone()], &gotten.counts[group]);
        let total: i64 = sorted.1.iter().sum();
        (sorted, total)
    });
    match at {
        Percentages::One(at) => {
            let value = |(sorted, total)| (total > 0).then(|| percentile(sorted, total, *at));
            Arc::new(groups.map(value).collect::<Float64Array>())
        }
        Percentages::Many(all) => {
            let mut lists = ListBuilder::new(Float64Builder::new());
            for (sorted, total) in groups {
                let some = total > 0 && !all.is_empty();
                if some {
                    for at in all {
                        lists.values().append_value(percentile(sorted, total, *at));
                    }
                }
                lists.append(some);
            }
            Arc::new(lists.finish())
        }
    }
}

/// The value at a part of the way through sorted values, between two of them in proportion.
fn percentile((values, counts): (&[f64], &[i64]), total: i64, at: f64) -> f64 {
    let position = at * (total - 1) as f64 + 1.0;
    let (lower, higher) = (position.floor(), position.ceil());
    let (mut number, mut passed) = (0, counts[0]);
    while (passed as f64) < lower && number + 1 < values.len() {
        number += 1;
        passed += counts[number];
    }
    match values.get(number + 1) {
        Some(next) if (passed as f64) < higher => {
            (higher - position) * values[number] + (position - lower) * next
        }
        _ => values[number],
    }
}
