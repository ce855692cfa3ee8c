//! Arguments as columns: a constant is a column of one row that is read again for every row.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, PrimitiveArray,
    StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs};

use crate::lookup::ip::IpDatabase;
use crate::time::zone::Zone;

/// An argument's column; `step` is 0 for a constant.
pub(crate) struct Column<A> {
    pub array: A,
    step: usize,
}

impl<A> Column<A> {
    /// A column with a value for every row.
    pub fn of(array: A) -> Column<A> {
        Column { array, step: 1 }
    }
    /// Where the value of `row` stands in the array.
    pub fn at(&self, row: usize) -> usize {
        row * self.step
    }
    /// Other values for the same rows.
    pub fn like<B>(&self, array: B) -> Column<B> {
        Column { array, step: self.step }
    }
    pub fn is_constant(&self) -> bool {
        self.step == 0
    }
}

pub(crate) type Text = Column<StringArray>;
pub(crate) type Bytes = Column<BinaryArray>;
pub(crate) type Booleans = Column<BooleanArray>;
pub(crate) type Values<T> = Column<PrimitiveArray<T>>;

impl Text {
    /// A constant.
    pub fn one(array: StringArray) -> Text {
        Column { array, step: 0 }
    }
    pub fn get(&self, row: usize) -> Option<&str> {
        let row = self.at(row);
        self.array.is_valid(row).then(|| self.array.value(row))
    }
    /// The value of a constant; None for a column.
    pub fn constant(&self) -> Option<Option<&str>> {
        self.is_constant().then(|| self.get(0))
    }
}

impl Bytes {
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let row = self.at(row);
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl Booleans {
    pub fn get(&self, row: usize) -> Option<bool> {
        let row = self.at(row);
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

impl<T: ArrowPrimitiveType> Values<T> {
    pub fn get(&self, row: usize) -> Option<T::Native> {
        let row = self.at(row);
        self.array.is_valid(row).then(|| self.array.value(row))
    }
}

/// One call of a function on a batch.
pub(crate) struct Call {
    name: &'static str,
    pub rows: usize,
    pub result: DataType,
    /// Of functions that read one.
    pub database: Option<Arc<IpDatabase>>,
    /// The session's.
    pub zone: Zone,
    args: Vec<Column<ArrayRef>>,
}

impl Call {
    pub fn new(name: &'static str, args: &ScalarFunctionArgs, rows: usize) -> Result<Call> {
        let column = |value: &ColumnarValue| {
            let (array, step) = match value {
                ColumnarValue::Array(array) => (Arc::clone(array), 1),
                ColumnarValue::Scalar(value) => (value.to_array()?, 0),
            };
            Ok(Column { array: plain(array)?, step })
        };
        Ok(Call {
            name,
            rows,
            result: args.return_field.data_type().clone(),
            database: None,
            zone: Zone::UTC,
            args: args.args.iter().map(column).collect::<Result<_>>()?,
        })
    }
    pub fn over(self, database: Option<Arc<IpDatabase>>, zone: Zone) -> Call {
        Call { database, zone, ..self }
    }
    /// The session's zone for an instant, UTC for other moments.
    pub fn zone_of(&self, argument: usize) -> Zone {
        if self.is_instant(argument) { self.zone } else { Zone::UTC }
    }
    /// Whether the argument is a TIMESTAMP_LTZ.
    pub fn is_instant(&self, argument: usize) -> bool {
        matches!(self.args[argument].array.data_type(), DataType::Timestamp(_, Some(_)))
    }
    /// How many arguments were given.
    pub fn len(&self) -> usize {
        self.args.len()
    }
    pub fn any(&self, argument: usize) -> &Column<ArrayRef> {
        &self.args[argument]
    }
    /// The argument with a value for every row, a constant repeated.
    pub fn array(&self, argument: usize) -> Result<ArrayRef> {
        let column = &self.args[argument];
        if column.is_constant() && self.rows != 1 {
            let rows = arrow::array::UInt32Array::from(vec![0; self.rows]);
            return Ok(arrow::compute::take(&column.array, &rows, None)?);
        }
        Ok(Arc::clone(&column.array))
    }
    pub fn text(&self, argument: usize) -> Result<Text> {
        self.typed(argument, |a| a.as_string_opt::<i32>().cloned())
    }
    pub fn bytes(&self, argument: usize) -> Result<Bytes> {
        self.typed(argument, |a| a.as_binary_opt::<i32>().cloned())
    }
    pub fn booleans(&self, argument: usize) -> Result<Booleans> {
        self.typed(argument, |a| a.as_boolean_opt().cloned())
    }
    pub fn ints(&self, argument: usize) -> Result<Values<Int32Type>> {
        self.values(argument)
    }
    /// The first value of an integer argument of any width.
    pub fn numbers(&self, argument: usize) -> Result<Option<i64>> {
        let longs = cast(&self.args[argument].array, &DataType::Int64)?;
        let longs = longs.as_primitive::<Int64Type>();
        Ok((!longs.is_empty() && longs.is_valid(0)).then(|| longs.value(0)))
    }
    pub fn longs(&self, argument: usize) -> Result<Values<Int64Type>> {
        self.values(argument)
    }
    pub fn doubles(&self, argument: usize) -> Result<Values<Float64Type>> {
        self.values(argument)
    }
    pub fn values<T: ArrowPrimitiveType>(&self, argument: usize) -> Result<Values<T>> {
        self.typed(argument, |a| a.as_primitive_opt::<T>().cloned())
    }
    fn typed<A>(&self, i: usize, get: impl Fn(&ArrayRef) -> Option<A>) -> Result<Column<A>> {
        let column = &self.args[i];
        match get(&column.array) {
            Some(array) => Ok(Column { array, step: column.step }),
            None => Err(DataFusionError::Internal(format!(
                "{}: argument {} arrived as {}",
                self.name,
                i + 1,
                column.array.data_type()
            ))),
        }
    }
}

/// Strings and bytes in the one layout the functions work on.
fn plain(array: ArrayRef) -> Result<ArrayRef> {
    let to = match array.data_type() {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        _ => return Ok(array),
    };
    Ok(cast(&array, &to)?)
}

/// As [`write_rows`] where a row can fail: what the last such row says is the error.
pub(crate) fn try_write_rows(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Option<Result<Option<()>, String>>,
) -> datafusion::common::Result<ArrayRef> {
    let mut failure = None;
    let written = write_rows(rows, |row, out| match write(row, out)? {
        Ok(written) => written,
        Err(problem) => {
            failure = Some(problem);
            None
        }
    });
    match failure {
        Some(problem) => Err(bad_value(problem)),
        None => Ok(written),
    }
}

/// A text column from code that writes each row's text; None gives NULL.
pub(crate) fn write_rows(
    rows: usize,
    mut write: impl FnMut(usize, &mut String) -> Option<()>,
) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    let mut scratch = String::new();
    for row in 0..rows {
        scratch.clear();
        match write(row, &mut scratch) {
            Some(()) => builder.append_value(&scratch),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

/// A text column of pieces of the arguments.
pub(crate) fn slice_rows<'a>(
    rows: usize,
    mut slice: impl FnMut(usize) -> Option<&'a str>,
) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    for row in 0..rows {
        builder.append_option(slice(row));
    }
    Arc::new(builder.finish())
}

/// A column of fixed-width values.
pub(crate) fn value_rows<T: ArrowPrimitiveType>(
    rows: usize,
    value: impl FnMut(usize) -> Option<T::Native>,
) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<PrimitiveArray<T>>())
}

pub(crate) fn boolean_rows(rows: usize, value: impl FnMut(usize) -> Option<bool>) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<BooleanArray>())
}

/// A column's first value as a constant. That of a list keeps what the column says of its items.
pub(crate) fn first_value(column: &ArrayRef) -> Result<ScalarValue> {
    match column.as_list_opt::<i32>() {
        Some(list) => Ok(ScalarValue::List(Arc::new(list.slice(0, 1)))),
        None => ScalarValue::try_from_array(column, 0),
    }
}

/// An error of a row's value.
pub(crate) fn bad_value(message: impl Into<String>) -> DataFusionError {
    DataFusionError::Execution(message.into())
}
