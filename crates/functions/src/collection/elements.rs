//! Arrays as places in one column of elements: what functions on arrays take apart and put
//! together by taking places.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, Rows, SortField};
use brooklet_core::types::{Nullable, SqlType};
use datafusion::common::{DataFusionError, Result, plan_err};

use crate::column::Call;
use crate::function::Typing;
use crate::types::{NULL, common_type};

/// The elements of some arguments in one column.
pub(super) struct Elements {
    pub values: ArrayRef,
    /// Where the elements of each argument begin.
    bases: Vec<u32>,
    args: Vec<Arg>,
    rows: Option<Rows>,
}

enum Arg {
    List(ListArray, usize),
    One(usize),
}

impl Elements {
    /// The elements of these arguments, arrays and single ones, which are of one type.
    pub fn of(call: &Call, arguments: &[usize]) -> Result<Elements> {
        // A second argument that is no array of the first's type is a single element.
        let loose = |a: &usize| loose(call.any(*a).array.data_type());
        let of_first = loose(&arguments[0]);
        let ones = arguments.iter().position(|a| loose(a) != of_first);
        Elements::gather(call, arguments, ones.unwrap_or(usize::MAX - 1))
    }

    /// The arguments from `ones` on are single elements; all with usize::MAX.
    fn gather(call: &Call, arguments: &[usize], ones: usize) -> Result<Elements> {
        let (mut args, mut columns, mut bases, mut end) = (vec![], vec![], vec![], 0);
        for (i, argument) in arguments.iter().enumerate() {
            let column = call.any(*argument);
            let step = column.at(1);
            let (arg, values) = match column.array.as_list_opt::<i32>() {
                Some(list) if ones != usize::MAX && i < ones => {
                    (Arg::List(list.clone(), step), Arc::clone(list.values()))
                }
                _ => (Arg::One(step), Arc::clone(&column.array)),
            };
            bases.push(end);
            end += values.len() as u32;
            args.push(arg);
            columns.push(values);
        }
        if columns.iter().any(|c| c.data_type() != columns[0].data_type()) {
            for column in &mut columns {
                let field = Field::new("item", loose(column.data_type()), true);
                *column = fit(Arc::clone(column), &Arc::new(field))?;
            }
        }
        let columns: Vec<&dyn Array> = columns.iter().map(|c| c.as_ref()).collect();
        let values = match columns.as_slice() {
            [one] => one.slice(0, one.len()),
            all => concat(all)?,
        };
        Ok(Elements { values, bases, args, rows: None })
    }

    /// Single arguments, though they may be arrays.
    pub fn of_ones(call: &Call, arguments: &[usize]) -> Result<Elements> {
        Elements::gather(call, arguments, usize::MAX)
    }

    /// With the elements in a form that can be compared.
    pub fn comparable(mut self) -> Result<Elements> {
        let field = SortField::new(self.values.data_type().clone());
        let converter = RowConverter::new(vec![field])?;
        self.rows = Some(converter.convert_columns(&[Arc::clone(&self.values)])?);
        Ok(self)
    }

    /// The places of the elements of an argument's row; None for NULL.
    pub fn places(&self, argument: usize, row: usize) -> Option<std::ops::Range<u32>> {
        let base = self.bases[argument];
        match &self.args[argument] {
            Arg::List(list, step) => {
                let row = row * step;
                let offsets = list.value_offsets();
                let range = base + offsets[row] as u32..base + offsets[row + 1] as u32;
                list.is_valid(row).then_some(range)
            }
            Arg::One(step) => {
                let at = base + (row * step) as u32;
                Some(at..at + 1)
            }
        }
    }

    /// The place of a single argument's row.
    pub fn place(&self, argument: usize, row: usize) -> u32 {
        self.places(argument, row).map_or(0, |r| r.start)
    }

    pub fn is_null(&self, place: u32) -> bool {
        self.values.is_null(place as usize)
    }

    /// The bytes that compare as the element does: NULL first, NaN last.
    pub fn key(&self, place: u32) -> &[u8] {
        match &self.rows {
            Some(rows) => rows.row(place as usize).data(),
            None => &[],
        }
    }
}

/// Arrays that grow row by row.
pub(super) struct Lists {
    places: Vec<u32>,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Lists {
    pub fn new(rows: usize) -> Lists {
        Lists { places: vec![], ends: vec![0], valid: Vec::with_capacity(rows) }
    }

    pub fn push(&mut self, places: impl IntoIterator<Item = u32>) {
        self.places.extend(places);
        self.ends.push(self.places.len() as i32);
        self.valid.push(true);
    }

    /// The places so far, which from now on are counted from 0.
    pub fn renumbered(&mut self) -> Vec<u32> {
        let counted = (0..self.places.len() as u32).collect();
        std::mem::replace(&mut self.places, counted)
    }

    pub fn push_null(&mut self) {
        self.ends.push(self.places.len() as i32);
        self.valid.push(false);
    }

    /// The column, of the type that the call gives.
    pub fn finish(self, call: &Call, elements: &ArrayRef) -> Result<ArrayRef> {
        let DataType::List(item) = &call.result else {
            return plan_err!("{} is no ARRAY", call.result);
        };
        let values = take(elements, &UInt32Array::from(self.places), None)?;
        let (ends, nulls) = (OffsetBuffer::new(self.ends.into()), NullBuffer::from(self.valid));
        Ok(Arc::new(ListArray::try_new(Arc::clone(item), ends, fit(values, item)?, Some(nulls))?))
    }

    /// The same as a MAP of keys and values that stand at the same places.
    pub fn finish_map(self, call: &Call, keys: &ArrayRef, values: &ArrayRef) -> Result<ArrayRef> {
        let DataType::Map(entries, _) = &call.result else {
            return plan_err!("{} is no MAP", call.result);
        };
        let DataType::Struct(fields) = entries.data_type() else {
            return plan_err!("{} is no MAP", call.result);
        };
        let places = UInt32Array::from(self.places);
        let columns = vec![
            fit(take(keys, &places, None)?, &fields[0])?,
            fit(take(values, &places, None)?, &fields[1])?,
        ];
        let pairs = arrow::array::StructArray::try_new(fields.clone(), columns, None)?;
        let (ends, nulls) = (OffsetBuffer::new(self.ends.into()), NullBuffer::from(self.valid));
        let map = MapArray::try_new(Arc::clone(entries), ends, pairs, Some(nulls), false)?;
        Ok(Arc::new(map))
    }
}

/// The column under the type of a field, which differs in what its inner fields say.
pub(super) fn fit(values: ArrayRef, field: &FieldRef) -> Result<ArrayRef> {
    if values.data_type() == field.data_type() {
        return Ok(values);
    }
    let data = values.to_data().into_builder().data_type(field.data_type().clone());
    match data.build() {
        Ok(data) => Ok(arrow::array::make_array(data)),
        Err(_) => Ok(arrow::compute::cast(&values, field.data_type())?),
    }
}

/// The type with NULL allowed everywhere within, and without what fields say of themselves.
fn loose(ty: &DataType) -> DataType {
    let field = |f: &FieldRef| Arc::new(Field::new(f.name(), loose(f.data_type()), true));
    match ty {
        DataType::List(item) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

/// The element type of an array type.
pub(super) fn element(ty: &SqlType) -> Option<&Nullable> {
    match ty {
        SqlType::Array(item) | SqlType::Multiset(item) => Some(item),
        _ => None,
    }
}

/// The array type of these arrays' elements and single values together.
pub(super) fn common_array(typing: &Typing, arrays: &[usize], ones: &[usize]) -> Result<SqlType> {
    let mut types = vec![];
    let mut nullable = false;
    for i in arrays {
        let Some(item) = element(&typing.types[*i]) else {
            return plan_err!("{} takes an ARRAY, not {}", typing.upper(), typing.types[*i]);
        };
        nullable |= item.nullable;
        types.push(item.ty.clone());
    }
    for i in ones {
        nullable |= typing.nullable(*i);
        types.push(typing.types[*i].clone());
    }
    match common_type(&types) {
        Some(ty) => Ok(SqlType::Array(Box::new(Nullable { ty, nullable }))),
        None => Err(nothing_in_common(typing.name)),
    }
}

/// Casts the elements of arrays, and single values among the arguments, to a type in common.
pub(super) fn coerced(name: &str, types: &[DataType], arrays: usize) -> Result<Vec<DataType>> {
    let sql = |t: &DataType| SqlType::from_arrow(t).unwrap_or(NULL);
    let mut each = vec![];
    for (i, ty) in types.iter().enumerate() {
        each.push(match (i < arrays, sql(ty)) {
            (true, SqlType::Array(item)) => item.ty,
            (true, NULL) => NULL,
            (true, other) => {
                return plan_err!("{} takes an ARRAY, not {other}", name.to_uppercase());
            }
            (false, ty) => ty,
        });
    }
    let Some(common) = common_type(&each) else { return Err(nothing_in_common(name)) };
    let of = |(i, ty): (usize, &DataType)| {
        if i >= arrays {
            return if sql(ty).arrow() == common.arrow() { ty.clone() } else { common.arrow() };
        }
        match ty {
            DataType::List(item) if *item.data_type() == common.arrow() => ty.clone(),
            DataType::List(item) => {
                let field = common.field("item", item.is_nullable());
                DataType::List(Arc::new(field))
            }
            _ => SqlType::Array(Box::new(Nullable { ty: common.clone(), nullable: true })).arrow(),
        }
    };
    Ok(types.iter().enumerate().map(of).collect())
}

fn nothing_in_common(name: &str) -> DataFusionError {
    let name = name.to_uppercase();
    DataFusionError::Plan(format!("the elements of {name} have no type in common; write a CAST"))
}
