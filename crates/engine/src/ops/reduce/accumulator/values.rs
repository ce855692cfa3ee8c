//! How values are kept in columns of the group table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, StringArray};
use arrow::compute;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};

use brooklet_core::{Error, Result};

use crate::column::ValueType;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Integers, dates, times, timestamps, booleans.
    Int,
    Float,
    Decimal,
    Bytes,
    /// ARRAY, MAP and ROW, as the bytes of Arrow's row format.
    Nested,
}

impl Kind {
    pub fn of(ty: &DataType) -> Result<Kind> {
        Ok(match ty {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Timestamp(_, _) => Kind::Int,
            DataType::Float32 | DataType::Float64 => Kind::Float,
            DataType::Decimal128(_, _) => Kind::Decimal,
            DataType::Utf8 | DataType::Binary => Kind::Bytes,
            DataType::List(_) | DataType::Map(_, _) | DataType::Struct(_) => Kind::Nested,
            other => {
                return Err(Error::config(format!("aggregates over {other} are not supported")));
            }
        })
    }

    pub fn value_type(self) -> ValueType {
        match self {
            Kind::Int => ValueType::I64,
            Kind::Float => ValueType::F64,
            Kind::Decimal => ValueType::I128,
            Kind::Bytes | Kind::Nested => ValueType::Bytes,
        }
    }

    /// The column in the form values are kept in.
    pub fn normalise(self, column: &ArrayRef) -> Result<ArrayRef> {
        let target = match self {
            Kind::Int => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Bytes => DataType::Binary,
            Kind::Decimal => return Ok(column.clone()),
            Kind::Nested => return encoded(column),
        };
        if column.data_type() == &target {
            return Ok(column.clone());
        }
        if matches!(column.data_type(), DataType::Date32 | DataType::Time32(_)) {
            let ints = compute::cast(column, &DataType::Int32)?;
            return Ok(compute::cast(&ints, &target)?);
        }
        Ok(compute::cast(column, &target)?)
    }
}

fn converter(ty: &DataType) -> Result<RowConverter> {
    Ok(RowConverter::new(vec![SortField::new(ty.clone())])?)
}

fn encoded(column: &ArrayRef) -> Result<ArrayRef> {
    let rows = converter(column.data_type())?.convert_columns(std::slice::from_ref(column))?;
    let bytes = rows.try_into_binary()?;
    let (offsets, values, _) = bytes.into_parts();
    Ok(Arc::new(BinaryArray::try_new(offsets, values, column.nulls().cloned())?))
}

/// Integers back in the column's own type.
pub fn from_i64(array: Int64Array, ty: &DataType) -> Result<ArrayRef> {
    if matches!(ty, DataType::Date32 | DataType::Time32(_)) {
        return Ok(compute::cast(&compute::cast(&array, &DataType::Int32)?, ty)?);
    }
    Ok(compute::cast(&array, ty)?)
}

/// Bytes back in the column's own type.
pub fn from_blobs<'a>(
    blobs: impl Iterator<Item = Option<&'a [u8]>>,
    ty: &DataType,
) -> Result<ArrayRef> {
    match ty {
        DataType::Binary => Ok(Arc::new(blobs.collect::<BinaryArray>())),
        DataType::Utf8 => {
            let text = |b: Option<&'a [u8]>| b.map(std::str::from_utf8).transpose();
            let array: StringArray = blobs
                .map(text)
                .collect::<Result<_, _>>()
                .map_err(|e| Error::corrupt("text in the state is not UTF-8").caused_by(e))?;
            Ok(Arc::new(array))
        }
        nested => {
            let converter = converter(nested)?;
            let null = arrow::array::new_null_array(nested, 1);
            let absent = converter.convert_columns(&[null])?;
            let parser = converter.parser();
            let rows = blobs.map(|blob| match blob {
                Some(bytes) => parser.parse(bytes),
                None => absent.row(0),
            });
            Ok(converter.convert_rows(rows)?.remove(0))
        }
    }
}
