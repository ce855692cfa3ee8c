//! Arrow columns as arrays of Postgres's binary format: what `unnest($1::int8[], …)` takes.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, ListArray, PrimitiveArray, StringArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type};

/// Microseconds from 1970 to 2000, where Postgres counts from.
pub const PG_EPOCH_MICROS: i64 = 946_684_800_000_000;
/// Days from 1970 to 2000.
pub const PG_EPOCH_DAYS: i32 = 10_957;
/// Outside of what Postgres accepts, yet neither of its infinities: it refuses the row.
const OUT_OF_RANGE: i64 = i64::MAX - 1;

/// How the values of a column travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    /// An array of scalars, as the text `{1,2}`.
    List,
}

impl Wire {
    /// None for types that have no form in Postgres (ROW, MAP, MULTISET, intervals).
    pub fn of(ty: &DataType) -> Option<Wire> {
        Some(match ty {
            DataType::Boolean => Wire::Bool,
            DataType::Int8 | DataType::Int16 => Wire::Int2,
            DataType::Int32 => Wire::Int4,
            DataType::Int64 => Wire::Int8,
            DataType::Float32 => Wire::Float4,
            DataType::Float64 => Wire::Float8,
            DataType::Decimal128(_, scale) if *scale >= 0 => Wire::Numeric,
            DataType::Utf8 => Wire::Text,
            DataType::Binary => Wire::Bytea,
            DataType::Date32 => Wire::Date,
            DataType::Time32(TimeUnit::Millisecond) => Wire::Time,
            DataType::Timestamp(TimeUnit::Second, _) => return None,
            DataType::Timestamp(_, None) => Wire::Timestamp,
            DataType::Timestamp(_, Some(_)) => Wire::Timestamptz,
            DataType::List(item) => match Wire::of(item.data_type())? {
                Wire::List | Wire::Bytea => return None,
                _ => Wire::List,
            },
            _ => return None,
        })
    }

    /// The parameter's type.
    pub fn array(self) -> Type {
        match self {
            Wire::Bool => Type::BOOL_ARRAY,
            Wire::Int2 => Type::INT2_ARRAY,
            Wire::Int4 => Type::INT4_ARRAY,
            Wire::Int8 => Type::INT8_ARRAY,
            Wire::Float4 => Type::FLOAT4_ARRAY,
            Wire::Float8 => Type::FLOAT8_ARRAY,
            Wire::Numeric => Type::NUMERIC_ARRAY,
            Wire::Text | Wire::List => Type::TEXT_ARRAY,
            Wire::Bytea => Type::BYTEA_ARRAY,
            Wire::Date => Type::DATE_ARRAY,
            Wire::Time => Type::TIME_ARRAY,
            Wire::Timestamp => Type::TIMESTAMP_ARRAY,
            Wire::Timestamptz => Type::TIMESTAMPTZ_ARRAY,
        }
    }

    /// The type of one value.
    pub fn element(self) -> Type {
        match self {
            Wire::Bool => Type::BOOL,
            Wire::Int2 => Type::INT2,
            Wire::Int4 => Type::INT4,
            Wire::Int8 => Type::INT8,
            Wire::Float4 => Type::FLOAT4,
            Wire::Float8 => Type::FLOAT8,
            Wire::Numeric => Type::NUMERIC,
            Wire::Text | Wire::List => Type::TEXT,
            Wire::Bytea => Type::BYTEA,
            Wire::Date => Type::DATE,
            Wire::Time => Type::TIME,
            Wire::Timestamp => Type::TIMESTAMP,
            Wire::Timestamptz => Type::TIMESTAMPTZ,
        }
    }
}

/// Some rows of a column as one array parameter.
#[derive(Debug)]
pub struct ColumnParam<'a> {
    pub column: &'a ArrayRef,
    pub rows: &'a [u32],
    pub wire: Wire,
}

type Failure = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for ColumnParam<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.write(out)?;
        Ok(IsNull::No)
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        self.to_sql(ty, out)
    }
}

impl ColumnParam<'_> {
    fn write(&self, out: &mut BytesMut) -> Result<(), Failure> {
        out.put_i32(1); // dimensions
        out.put_i32(1); // may hold NULLs
        out.put_u32(self.wire.element().oid());
        out.put_i32(i32::try_from(self.rows.len())?);
        out.put_i32(1); // lower bound
        match self.wire {
            Wire::Bool => {
                let values = self.column.as_boolean();
                self.each(out, |out, i| {
                    out.put_i32(1);
                    out.put_u8(values.value(i) as u8);
                });
            }
            Wire::Int2 => self.int2(out),
            Wire::Int4 => self.fixed::<Int32Type>(out, |out, v| {
                out.put_i32(4);
                out.put_i32(v);
            }),
            Wire::Int8 => self.fixed::<Int64Type>(out, |out, v| {
                out.put_i32(8);
                out.put_i64(v);
            }),
            Wire::Float4 => self.fixed::<Float32Type>(out, |out, v| {
                out.put_i32(4);
                out.put_f32(v);
            }),
            Wire::Float8 => self.fixed::<Float64Type>(out, |out, v| {
                out.put_i32(8);
                out.put_f64(v);
            }),
            Wire::Numeric => self.numeric(out),
            Wire::Text => self.text(out),
            Wire::Bytea => self.bytea(out),
            Wire::Date => self.fixed::<Date32Type>(out, |out, v| {
                out.put_i32(4);
                // Saturated to a day that is out of range, but not an infinity.
                out.put_i32(v.checked_sub(PG_EPOCH_DAYS).unwrap_or(i32::MAX - 1));
            }),
            Wire::Time => self.fixed::<Time32MillisecondType>(out, |out, v| {
                out.put_i32(8);
                out.put_i64(v as i64 * 1_000);
            }),
            Wire::Timestamp | Wire::Timestamptz => self.timestamp(out)?,
            Wire::List => self.list(out)?,
        }
        Ok(())
    }

    /// Writes NULL or, by `put`, length and value of each row.
    fn each(&self, out: &mut BytesMut, mut put: impl FnMut(&mut BytesMut, usize)) {
        let column = self.column.as_ref();
        for &row in self.rows {
            let row = row as usize;
            if column.is_null(row) {
                out.put_i32(-1);
            } else {
                put(out, row);
            }
        }
    }

    fn fixed<T: ArrowPrimitiveType>(
        &self,
        out: &mut BytesMut,
        put: impl Fn(&mut BytesMut, T::Native),
    ) {
        let values: &PrimitiveArray<T> = self.column.as_primitive();
        self.each(out, |out, i| put(out, values.value(i)));
    }

    fn int2(&self, out: &mut BytesMut) {
        let put = |out: &mut BytesMut, v: i16| {
            out.put_i32(2);
            out.put_i16(v);
        };
        match self.column.data_type() {
            DataType::Int8 => self.fixed::<Int8Type>(out, |out, v| put(out, v as i16)),
            _ => self.fixed::<Int16Type>(out, put),
        }
    }

    fn numeric(&self, out: &mut BytesMut) {
        let values: &Decimal128Array = self.column.as_primitive();
        let scale = values.scale() as u16;
        self.each(out, |out, i| put_sized(out, |out| put_numeric(out, values.value(i), scale)));
    }

    fn text(&self, out: &mut BytesMut) {
        let values: &StringArray = self.column.as_string();
        self.bytes(out, |i| values.value(i).as_bytes());
    }

    fn bytea(&self, out: &mut BytesMut) {
        let values: &BinaryArray = self.column.as_binary();
        self.bytes(out, |i| values.value(i));
    }

    /// Arrow's 32-bit offsets bound the length of a value, so it fits.
    fn bytes<'v>(&self, out: &mut BytesMut, value: impl Fn(usize) -> &'v [u8]) {
        self.each(out, |out, i| {
            let value = value(i);
            out.put_i32(value.len() as i32);
            out.put_slice(value);
        });
    }

    fn timestamp(&self, out: &mut BytesMut) -> Result<(), Failure> {
        let put = |out: &mut BytesMut, micros: Option<i64>| {
            let since_2000 = micros.and_then(|m| m.checked_sub(PG_EPOCH_MICROS));
            out.put_i32(8);
            out.put_i64(since_2000.unwrap_or(OUT_OF_RANGE));
        };
        match self.column.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                self.fixed::<TimestampMillisecondType>(out, |out, v| put(out, v.checked_mul(1_000)))
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.fixed::<TimestampMicrosecondType>(out, |out, v| put(out, Some(v)))
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => self
                .fixed::<TimestampNanosecondType>(out, |out, v| {
                    put(out, Some(v.div_euclid(1_000)))
                }),
            other => return Err(format!("{other} is no timestamp").into()),
        }
        Ok(())
    }

    fn list(&self, out: &mut BytesMut) -> Result<(), Failure> {
        let lists: &ListArray = self.column.as_list();
        let items = lists.values();
        let options = FormatOptions::new();
        let format = ArrayFormatter::try_new(items.as_ref(), &options)?;
        let offsets = lists.value_offsets();
        self.each(out, |out, i| {
            put_sized(out, |out| {
                let (from, to) = (offsets[i] as usize, offsets[i + 1] as usize);
                put_list(out, items, &format, from..to)
            })
        });
        Ok(())
    }
}

/// The length of what `put` writes, then what it wrote.
fn put_sized(out: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_i32(0);
    put(out);
    let length = (out.len() - at - 4) as i32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// `{1,NULL,"a\"b"}`: every value quoted, so that none means anything but itself.
fn put_list(
    out: &mut BytesMut,
    items: &ArrayRef,
    format: &ArrayFormatter<'_>,
    range: std::ops::Range<usize>,
) {
    out.put_u8(b'{');
    for (n, i) in range.enumerate() {
        if n > 0 {
            out.put_u8(b',');
        }
        if items.is_null(i) {
            out.put_slice(b"NULL");
            continue;
        }
        out.put_u8(b'"');
        for byte in format.value(i).to_string().bytes() {
            if matches!(byte, b'"' | b'\\') {
                out.put_u8(b'\\');
            }
            out.put_u8(byte);
        }
        out.put_u8(b'"');
    }
    out.put_u8(b'}');
}

/// Postgres's numeric: digits of base 10,000, the weight of the first, sign, decimals shown.
fn put_numeric(out: &mut BytesMut, value: i128, scale: u16) {
    // 39 decimal digits, split at the point, are at most 11 groups of four.
    let mut digits = [0i16; 12];
    let mut count = 0;
    let mut rest = value.unsigned_abs();
    let fraction_groups = scale.div_ceil(4);
    let part = scale % 4;
    if part != 0 {
        let cut = 10u128.pow(part as u32);
        digits[count] = (rest % cut) as i16 * 10i16.pow(4 - part as u32);
        count += 1;
        rest /= cut;
    }
    while rest > 0 {
        digits[count] = (rest % 10_000) as i16;
        count += 1;
        rest /= 10_000;
    }
    // The last digit written stands for 10,000^-fraction_groups, the first one weighs this much:
    let weight = count as i16 - 1 - fraction_groups as i16;
    let zeros = digits[..count].iter().take_while(|d| **d == 0).count();
    let leading = digits[zeros..count].iter().rev().take_while(|d| **d == 0).count();
    let kept = &digits[zeros..count - leading];
    out.put_i16(kept.len() as i16);
    out.put_i16(if kept.is_empty() { 0 } else { weight - leading as i16 });
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_u16(scale);
    for digit in kept.iter().rev() {
        out.put_i16(*digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ndigits, weight, sign, dscale, digits: as Postgres's `numeric_send` gives them.
    fn numeric(value: i128, scale: u16) -> Vec<i16> {
        let mut out = BytesMut::new();
        put_numeric(&mut out, value, scale);
        out.chunks(2).map(|b| i16::from_be_bytes([b[0], b[1]])).collect()
    }

    #[test]
    fn numerics_as_postgres_sends_them() {
        assert_eq!(numeric(0, 2), [0, 0, 0, 2]);
        assert_eq!(numeric(12345, 2), [2, 0, 0, 2, 123, 4500]);
        assert_eq!(numeric(-5, 1), [1, -1, 0x4000, 1, 5000]);
        assert_eq!(numeric(1, 6), [1, -2, 0, 6, 100]);
        assert_eq!(numeric(10_000, 0), [1, 1, 0, 0, 1]);
        assert_eq!(numeric(10_000_000, 4), [1, 0, 0, 4, 1000]);
        assert_eq!(numeric(1_0000_0001, 4), [3, 1, 0, 4, 1, 0, 1]);
    }

    #[test]
    fn the_largest_decimals_fit() {
        let nines = 10i128.pow(38) - 1;
        assert_eq!(numeric(nines, 38).len(), 4 + 10);
        assert_eq!(numeric(nines, 0).len(), 4 + 10);
        assert_eq!(numeric(nines, 1)[1], 9);
        assert_eq!(numeric(-nines, 37)[2], 0x4000);
    }
}
