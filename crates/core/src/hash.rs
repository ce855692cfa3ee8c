//! Which key slot, and so which shard, a row belongs to.
//!
//! One hash over the values of the key columns, independent of batch cuts, dictionary forms and
//! neighbours. Equal SQL values hash equally; NULL is a value of its own.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow::row::{RowConverter, SortField};

use crate::{Error, Result};

/// Rows are dealt to shards by slot: shard = slot × shards / SLOTS.
pub const SLOTS: u32 = 256;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const NULL: u64 = 0x7fb5_d329_728e_a185;

/// One hash per row over `columns`; the same for every row when there are none.
pub fn hash_rows(columns: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![SEED; rows];
    for column in columns {
        hash_column(column, &mut hashes)?;
    }
    Ok(hashes)
}

/// The slot of a hash.
pub fn slot(hash: u64) -> u32 {
    (hash >> 56) as u32
}

/// The shard that owns a slot.
pub fn shard(slot: u32, shards: u32) -> u32 {
    slot * shards / SLOTS
}

/// Mixes two numbers so that every bit of both reaches the top bits (the 128-bit multiply fold of
/// wyhash, Wang Yi, public domain).
#[inline]
pub fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0xa076_1d64_78bd_642f) * u128::from(b ^ 0xe703_7ed1_a0b4_28db);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Hashes bytes, eight at a time.
#[inline]
pub fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = mix(seed, bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        hash = mix(hash, word);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let mut word = [0u8; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = mix(hash, u64::from_le_bytes(word));
    }
    hash
}

fn hash_column(column: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    macro_rules! each {
        ($array:expr, $to:expr) => {{
            let array = $array;
            for (i, h) in hashes.iter_mut().enumerate() {
                let word = if array.is_null(i) { NULL } else { $to(array.value(i)) };
                *h = mix(*h, word);
            }
        }};
    }
    match column.data_type() {
        DataType::Boolean => each!(column.as_boolean(), u64::from),
        DataType::Int8 => each!(column.as_primitive::<Int8Type>(), |v| v as i64 as u64),
        DataType::Int16 => each!(column.as_primitive::<Int16Type>(), |v| v as i64 as u64),
        DataType::Int32 => each!(column.as_primitive::<Int32Type>(), |v| v as i64 as u64),
        DataType::Int64 => each!(column.as_primitive::<Int64Type>(), |v| v as u64),
        DataType::Float32 => {
            each!(column.as_primitive::<Float32Type>(), |v: f32| canonical(f64::from(v)))
        }
        DataType::Float64 => each!(column.as_primitive::<Float64Type>(), canonical),
        DataType::Decimal128(_, _) => {
            each!(column.as_primitive::<Decimal128Type>(), |v: i128| mix(
                v as u64,
                (v >> 64) as u64
            ))
        }
        DataType::Date32 | DataType::Time32(_) => {
            let ints = arrow::compute::cast(column, &DataType::Int32)?;
            each!(ints.as_primitive::<Int32Type>(), |v| v as i64 as u64)
        }
        DataType::Timestamp(_, _) | DataType::Time64(_) => {
            let ints = arrow::compute::cast(column, &DataType::Int64)?;
            each!(ints.as_primitive::<Int64Type>(), |v| v as u64)
        }
        DataType::Utf8 => {
            each!(column.as_string::<i32>(), |v: &str| hash_bytes(v.as_bytes(), SEED))
        }
        DataType::Binary => each!(column.as_binary::<i32>(), |v| hash_bytes(v, SEED)),
        other => {
            let converter = RowConverter::new(vec![SortField::new(other.clone())]);
            let rows = converter
                .and_then(|c| c.convert_columns(std::slice::from_ref(column)))
                .map_err(|e| Error::bug(format!("{other} cannot be a key")).caused_by(e))?;
            for (h, row) in hashes.iter_mut().zip(rows.iter()) {
                *h = mix(*h, hash_bytes(row.as_ref(), SEED));
            }
        }
    }
    Ok(())
}

/// −0.0 equals 0.0 and every NaN equals every other.
fn canonical(v: f64) -> u64 {
    if v == 0.0 {
        0
    } else if v.is_nan() {
        f64::NAN.to_bits()
    } else {
        v.to_bits()
    }
}
