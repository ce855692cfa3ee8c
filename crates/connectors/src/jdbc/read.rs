//! Values in Postgres's binary format become Arrow columns: the way back from `values`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float32Builder,
    Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder, ListArray,
    StringBuilder, Time32MillisecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute;
use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use brooklet_core::{Error, Result};

use super::values::{PG_EPOCH_DAYS, PG_EPOCH_MICROS};

/// A column under construction.
pub enum Values {
    Bool(BooleanBuilder),
    Int1(Int8Builder),
    Int2(Int16Builder),
    Int4(Int32Builder),
    Int8(Int64Builder),
    Float4(Float32Builder),
    Float8(Float64Builder),
    Numeric { values: Decimal128Builder, precision: u8, scale: i8 },
    Text(StringBuilder),
    Bytea(BinaryBuilder),
    Date(Date32Builder),
    Time(Time32MillisecondBuilder),
    Timestamp { values: Int64Builder, unit: TimeUnit, ty: DataType },
    List { items: Box<Values>, item: FieldRef, ends: Vec<i32>, valid: Vec<bool> },
}

/// Why a value is none.
type Wrong = String;

impl Values {
    /// For a type that `Wire::of` knows.
    pub fn of(ty: &DataType) -> Result<Values> {
        Ok(match ty {
            DataType::Boolean => Values::Bool(BooleanBuilder::new()),
            DataType::Int8 => Values::Int1(Int8Builder::new()),
            DataType::Int16 => Values::Int2(Int16Builder::new()),
            DataType::Int32 => Values::Int4(Int32Builder::new()),
            DataType::Int64 => Values::Int8(Int64Builder::new()),
            DataType::Float32 => Values::Float4(Float32Builder::new()),
            DataType::Float64 => Values::Float8(Float64Builder::new()),
            DataType::Decimal128(precision, scale) => Values::Numeric {
                values: Decimal128Builder::new().with_data_type(ty.clone()),
                precision: *precision,
                scale: *scale,
            },
            DataType::Utf8 => Values::Text(StringBuilder::new()),
            DataType::Binary => Values::Bytea(BinaryBuilder::new()),
            DataType::Date32 => Values::Date(Date32Builder::new()),
            DataType::Time32(TimeUnit::Millisecond) => Values::Time(Default::default()),
            DataType::Timestamp(unit, _) => {
                Values::Timestamp { values: Int64Builder::new(), unit: *unit, ty: ty.clone() }
            }
            DataType::List(item) => Values::List {
                items: Box::new(Values::of(item.data_type())?),
                item: item.clone(),
                ends: vec![0],
                valid: Vec::new(),
            },
            other => return Err(Error::bug(format!("values of type {other} are not read"))),
        })
    }

    /// Adds a value; None is NULL.
    pub fn push(&mut self, value: Option<&[u8]>) -> Result<(), Wrong> {
        match self {
            Values::Bool(b) => b.append_option(value.map(byte).transpose()?.map(|b| b != 0)),
            Values::Int1(b) => {
                let wide = value.map(fixed).transpose()?.map(i16::from_be_bytes);
                let narrow = wide.map(i8::try_from).transpose();
                b.append_option(narrow.map_err(|_| "a value is out of TINYINT's range")?);
            }
            Values::Int2(b) => b.append_option(number(value, i16::from_be_bytes)?),
            Values::Int4(b) => b.append_option(number(value, i32::from_be_bytes)?),
            Values::Int8(b) => b.append_option(number(value, i64::from_be_bytes)?),
            Values::Float4(b) => b.append_option(number(value, f32::from_be_bytes)?),
            Values::Float8(b) => b.append_option(number(value, f64::from_be_bytes)?),
            Values::Numeric { values, precision, scale } => {
                let read = |v: &[u8]| numeric(v, *precision, *scale);
                values.append_option(value.map(read).transpose()?.flatten());
            }
            Values::Text(b) => b.append_option(value.map(text).transpose()?),
            Values::Bytea(b) => b.append_option(value),
            Values::Date(b) => {
                let days = number(value, i32::from_be_bytes)?;
                b.append_option(days.map(date).transpose()?);
            }
            Values::Time(b) => {
                let micros = number(value, i64::from_be_bytes)?;
                b.append_option(micros.map(|m| (m / 1_000) as i32));
            }
            Values::Timestamp { values, unit, .. } => {
                let micros = number(value, i64::from_be_bytes)?;
                values.append_option(micros.map(|m| timestamp(m, *unit)).transpose()?);
            }
            Values::List { items, ends, valid, .. } => {
                let count = value.map(|v| list(v, items)).transpose()?;
                valid.push(count.is_some());
                let end = ends.last().copied().unwrap_or(0);
                ends.push(end + count.unwrap_or(0));
            }
        }
        Ok(())
    }

    /// The column; nothing is left.
    pub fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Values::Bool(b) => Arc::new(b.finish()),
            Values::Int1(b) => Arc::new(b.finish()),
            Values::Int2(b) => Arc::new(b.finish()),
            Values::Int4(b) => Arc::new(b.finish()),
            Values::Int8(b) => Arc::new(b.finish()),
            Values::Float4(b) => Arc::new(b.finish()),
            Values::Float8(b) => Arc::new(b.finish()),
            Values::Numeric { values, .. } => Arc::new(values.finish()),
            Values::Text(b) => Arc::new(b.finish()),
            Values::Bytea(b) => Arc::new(b.finish()),
            Values::Date(b) => Arc::new(b.finish()),
            Values::Time(b) => Arc::new(b.finish()),
            Values::Timestamp { values, ty, .. } => compute::cast(&values.finish(), ty)?,
            Values::List { items, item, ends, valid } => {
                let ends = std::mem::replace(ends, vec![0]);
                let valid = NullBuffer::from(std::mem::take(valid));
                let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
                Arc::new(ListArray::try_new(item.clone(), offsets, items.finish()?, Some(valid))?)
            }
        })
    }
}

fn fixed<const N: usize>(value: &[u8]) -> Result<[u8; N], Wrong> {
    value.try_into().map_err(|_| format!("a value has {} bytes, not {N}", value.len()))
}

fn number<const N: usize, T>(
    value: Option<&[u8]>,
    read: fn([u8; N]) -> T,
) -> Result<Option<T>, Wrong> {
    value.map(|v| fixed(v).map(read)).transpose()
}

fn byte(value: &[u8]) -> Result<u8, Wrong> {
    fixed(value).map(|[byte]| byte)
}

fn text(value: &[u8]) -> Result<&str, Wrong> {
    std::str::from_utf8(value).map_err(|e| format!("a text is not UTF-8: {e}"))
}

const INFINITE: &str = "a value is infinity, which has no place on a calendar; leave it out in a \
                        view and read that";

fn date(days: i32) -> Result<i32, Wrong> {
    let finite = (days != i32::MAX && days != i32::MIN).then_some(days);
    finite.and_then(|days| days.checked_add(PG_EPOCH_DAYS)).ok_or_else(|| INFINITE.to_string())
}

/// What is finer than the unit is cut off.
fn timestamp(micros: i64, unit: TimeUnit) -> Result<i64, Wrong> {
    let finite = (micros != i64::MAX && micros != i64::MIN).then_some(micros);
    let micros = finite.and_then(|m| m.checked_add(PG_EPOCH_MICROS)).ok_or(INFINITE)?;
    Ok(match unit {
        TimeUnit::Second => micros.div_euclid(1_000_000),
        TimeUnit::Millisecond => micros.div_euclid(1_000),
        TimeUnit::Microsecond => micros,
        TimeUnit::Nanosecond => micros
            .checked_mul(1_000)
            .ok_or("a timestamp is out of the range of nanoseconds; declare TIMESTAMP(6)")?,
    })
}

/// Takes bytes from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Wrong> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("a value ends too early")?;
        self.0 = rest;
        Ok(taken)
    }
    fn i16(&mut self) -> Result<i16, Wrong> {
        fixed(self.take(2)?).map(i16::from_be_bytes)
    }
    fn i32(&mut self) -> Result<i32, Wrong> {
        fixed(self.take(4)?).map(i32::from_be_bytes)
    }
}

/// The digits of a NUMERIC, four to a group.
const GROUP: i32 = 4;
const NEGATIVE: u16 = 0x4000;
/// NaN and the infinities have a sign at or above this.
const NO_NUMBER: u16 = 0xC000;

/// As Flink makes a DECIMAL: rounded half up to the scale, NULL when it has too many digits.
fn numeric(value: &[u8], precision: u8, scale: i8) -> Result<Option<i128>, Wrong> {
    let mut bytes = Bytes(value);
    let (groups, weight) = (bytes.i16()?, i32::from(bytes.i16()?));
    let sign = bytes.i16()? as u16;
    bytes.i16()?;
    if sign >= NO_NUMBER {
        return Err(
            "a value is NaN or infinity, which is no DECIMAL; leave it out in a view".into()
        );
    }
    let (mut sum, mut round_up) = (0i128, false);
    for i in 0..i32::from(groups) {
        let digits = i128::from(bytes.i16()?);
        // The power of ten that the group's last digit stands for, in units of the result.
        let power = GROUP * (weight - i) + i32::from(scale);
        let added = match power {
            0.. => 10i128.checked_pow(power as u32).and_then(|p| p.checked_mul(digits)),
            -3..=-1 => {
                let cut = 10i128.pow(power.unsigned_abs());
                round_up = digits % cut * 10 / cut >= 5;
                Some(digits / cut)
            }
            _ => {
                round_up |= power == -GROUP && digits / 1_000 >= 5;
                Some(0)
            }
        };
        // Zeros may stand far to the left.
        let added = if digits == 0 { Some(0) } else { added };
        let Some(more) = added.and_then(|added| sum.checked_add(added)) else { return Ok(None) };
        sum = more;
    }
    sum += i128::from(round_up);
    let fits = 10i128.checked_pow(u32::from(precision)).is_none_or(|limit| sum < limit);
    Ok(fits.then_some(if sign == NEGATIVE { -sum } else { sum }))
}

/// Adds the items of a one-dimensional array; gives their number.
fn list(value: &[u8], items: &mut Values) -> Result<i32, Wrong> {
    let mut bytes = Bytes(value);
    let dimensions = bytes.i32()?;
    bytes.take(8)?;
    if dimensions == 0 {
        return Ok(0);
    }
    if dimensions != 1 {
        return Err(format!("an array has {dimensions} dimensions; ARRAYs of ARRAYs are not read"));
    }
    let count = bytes.i32()?;
    bytes.i32()?;
    for _ in 0..count {
        match usize::try_from(bytes.i32()?) {
            Ok(length) => items.push(Some(bytes.take(length)?))?,
            Err(_) => items.push(None)?,
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sign, weight and groups of four digits as Postgres sends them.
    fn decimal(sign: u16, weight: i16, groups: &[i16], scale: i8) -> Option<i128> {
        let mut bytes = Vec::new();
        bytes.extend((groups.len() as i16).to_be_bytes());
        bytes.extend(weight.to_be_bytes());
        bytes.extend(sign.to_be_bytes());
        bytes.extend(0i16.to_be_bytes());
        groups.iter().for_each(|g| bytes.extend(g.to_be_bytes()));
        numeric(&bytes, 10, scale).unwrap()
    }

    #[test]
    fn numerics_are_rounded_half_up() {
        // 12345.6789
        let groups = [1, 2345, 6789];
        assert_eq!(decimal(0, 1, &groups, 4), Some(123_456_789));
        assert_eq!(decimal(0, 1, &groups, 2), Some(1_234_568));
        assert_eq!(decimal(NEGATIVE, 1, &groups, 1), Some(-123_457));
        assert_eq!(decimal(0, 1, &groups, 0), Some(12_346));
        // 0.00005: the first digit behind a scale of 4 opens a group of its own.
        assert_eq!(decimal(0, -2, &[5000], 4), Some(1));
        assert_eq!(decimal(0, -2, &[4999], 4), Some(0));
        assert_eq!(decimal(0, -3, &[9999], 4), Some(0));
        // 0 has no groups; 10^10 has a digit too many.
        assert_eq!(decimal(0, 0, &[], 2), Some(0));
        assert_eq!(decimal(0, 2, &[100], 0), None);
        assert_eq!(decimal(0, 30_000, &[1], 0), None);
    }

    #[test]
    fn what_is_no_value_says_why() {
        let mut nan = vec![0; 8];
        nan[4] = 0xC0;
        assert!(numeric(&nan, 10, 2).unwrap_err().contains("NaN"));
        assert!(timestamp(i64::MAX, TimeUnit::Millisecond).unwrap_err().contains("infinity"));
        assert!(date(i32::MIN).unwrap_err().contains("infinity"));
        let mut column = Values::of(&DataType::Int32).unwrap();
        assert!(column.push(Some(&[1, 2])).unwrap_err().contains("2 bytes, not 4"));
        let mut column = Values::of(&DataType::Utf8).unwrap();
        assert!(column.push(Some(&[0xFF])).unwrap_err().contains("UTF-8"));
    }
}
