//! Row i of a column, for any i: nothing is remembered from row to row.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, StringArray, StructArray, Time32MillisecondArray,
    TimestampMillisecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields};
use brooklet_core::hash::mix;
use brooklet_core::time::Millis;
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};

const DAY: i64 = 86_400_000;

/// How one column is made.
pub struct Column {
    pub name: String,
    pub ty: SqlType,
    pub kind: Kind,
    pub null_rate: f64,
    pub seed: u64,
}

pub enum Kind {
    Sequence {
        start: i64,
        end: i64,
    },
    /// Both ends included.
    Whole {
        min: i64,
        max: i64,
    },
    Real {
        min: f64,
        max: f64,
    },
    /// When the row is due, less a random time.
    Moment {
        max_past: Millis,
    },
    /// Hexadecimal digits; TRUE or FALSE for BOOLEAN.
    Text {
        length: usize,
    },
    /// One of these, all equally likely.
    Choice {
        texts: Vec<String>,
    },
    Row {
        fields: Vec<Column>,
    },
}

/// The generators among `columns` that `fields` ask for, in that order, and their rows.
pub fn columns_of(
    columns: &[Column],
    fields: &Fields,
    rows: (i64, i64),
    due: &dyn Fn(i64) -> Millis,
) -> Result<Vec<ArrayRef>> {
    let one = |name: &str, ty: &DataType| {
        let column = columns.iter().find(|c| c.name == *name);
        column
            .ok_or_else(|| Error::bug(format!("column '{name}' is not of this table")))?
            .rows(rows, ty, due)
    };
    fields.iter().map(|f| one(f.name(), f.data_type())).collect()
}

impl Column {
    /// Rows `from..to` as `wanted`, which may leave out fields of a ROW; `due` says when a row is.
    fn rows(
        &self,
        (from, to): (i64, i64),
        wanted: &DataType,
        due: &dyn Fn(i64) -> Millis,
    ) -> Result<ArrayRef> {
        let all = || (from..to).map(|i| (!self.is_null(i)).then_some(i));
        let whole = || all().map(|i| i.map(|i| self.whole(i, due)));
        if let (Kind::Row { fields }, DataType::Struct(wanted)) = (&self.kind, wanted) {
            let columns = columns_of(fields, wanted, (from, to), due)?;
            let valid = NullBuffer::from_iter(all().map(|i| i.is_some()));
            let length = (to - from) as usize;
            let row =
                StructArray::try_new_with_length(wanted.clone(), columns, Some(valid), length)?;
            return Ok(Arc::new(row));
        }
        let array: ArrayRef = match &self.ty {
            SqlType::Boolean => {
                let value = |i: i64| self.random(i) & 1 == 1;
                Arc::new(BooleanArray::from_iter(all().map(|i| i.map(value))))
            }
            SqlType::TinyInt => Arc::new(Int8Array::from_iter(whole().map(|v| v.map(|v| v as i8)))),
            SqlType::SmallInt => {
                Arc::new(Int16Array::from_iter(whole().map(|v| v.map(|v| v as i16))))
            }
            SqlType::Int => Arc::new(Int32Array::from_iter(whole().map(|v| v.map(|v| v as i32)))),
            SqlType::BigInt => Arc::new(Int64Array::from_iter(whole())),
            SqlType::Float => {
                let value = |i: i64| self.real(i) as f32;
                Arc::new(Float32Array::from_iter(all().map(|i| i.map(value))))
            }
            SqlType::Double => {
                Arc::new(Float64Array::from_iter(all().map(|i| i.map(|i| self.real(i)))))
            }
            SqlType::Decimal(p, s) => {
                let unit = 10f64.powi(i32::from(*s));
                let value = |i: i64| (self.real(i) * unit) as i128;
                let values = Decimal128Array::from_iter(all().map(|i| i.map(value)));
                Arc::new(values.with_precision_and_scale(*p, *s as i8)?)
            }
            SqlType::Date => {
                let day = |v: i64| v.div_euclid(DAY) as i32;
                Arc::new(Date32Array::from_iter(whole().map(|v| v.map(day))))
            }
            SqlType::Time(_) => {
                let time = |v: i64| v.rem_euclid(DAY) as i32;
                Arc::new(Time32MillisecondArray::from_iter(whole().map(|v| v.map(time))))
            }
            SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => {
                let millis: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter(whole()));
                cast(&millis, &self.ty.arrow())?
            }
            _ => Arc::new(StringArray::from_iter(all().map(|i| i.map(|i| self.text(i))))),
        };
        Ok(array)
    }

    fn random(&self, i: i64) -> u64 {
        mix(mix(self.seed, i as u64), 0x51)
    }
    /// Within 0 (included) and 1 (not).
    fn share(&self, i: i64) -> f64 {
        (self.random(i) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn is_null(&self, i: i64) -> bool {
        let share = (mix(self.seed, !i as u64) >> 11) as f64 / (1u64 << 53) as f64;
        share < self.null_rate
    }
    fn whole(&self, i: i64, due: &dyn Fn(i64) -> Millis) -> i64 {
        match self.kind {
            Kind::Sequence { start, .. } => start.saturating_add(i),
            Kind::Whole { min, max } => {
                let span = (i128::from(max) - i128::from(min) + 1) as u128;
                let within = (u128::from(self.random(i)) * span) >> 64;
                (i128::from(min) + within as i128) as i64
            }
            Kind::Moment { max_past } => {
                let past = (u128::from(self.random(i)) * max_past.max(0) as u128) >> 64;
                due(i).saturating_sub(past as i64)
            }
            _ => 0,
        }
    }
    fn real(&self, i: i64) -> f64 {
        match self.kind {
            Kind::Real { min, max } => min + (max - min) * self.share(i),
            Kind::Sequence { start, .. } => start.saturating_add(i) as f64,
            _ => 0.0,
        }
    }
    fn text(&self, i: i64) -> String {
        let length = match &self.kind {
            Kind::Text { length } => *length,
            Kind::Choice { texts } => {
                let at = (u128::from(self.random(i)) * texts.len() as u128) >> 64;
                return texts[at as usize].clone();
            }
            _ => return self.whole(i, &|_| 0).to_string(),
        };
        let mut text = String::with_capacity(length + 16);
        let mut word = self.random(i);
        while text.len() < length {
            write!(text, "{word:016x}").expect("writing to a string cannot fail");
            word = mix(word, self.seed);
        }
        text.truncate(length);
        text
    }
}
