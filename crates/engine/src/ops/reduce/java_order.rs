//! The order in which Flink shows the entries of a MULTISET: that of a Java hash table.
//!
//! A table has a power of two of slots, at least 16, of which no more than three quarters are
//! taken; values stand in the order of their slots.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};

/// Java's hash code of each value; None where Flink's order is not one of values.
pub fn hashes(values: &ArrayRef) -> Option<Vec<i32>> {
    let all = 0..values.len();
    Some(match values.data_type() {
        DataType::Boolean => {
            let values = values.as_boolean();
            all.map(|i| if values.value(i) { 1231 } else { 1237 }).collect()
        }
        DataType::Int8 => ints(values.as_primitive::<Int8Type>().values()),
        DataType::Int16 => ints(values.as_primitive::<Int16Type>().values()),
        DataType::Int32 => ints(values.as_primitive::<Int32Type>().values()),
        DataType::Date32 => ints(values.as_primitive::<Date32Type>().values()),
        DataType::Time32(TimeUnit::Millisecond) => {
            ints(values.as_primitive::<Time32MillisecondType>().values())
        }
        DataType::Int64 => each(values.as_primitive::<Int64Type>().values(), long),
        DataType::Float32 => {
            each(values.as_primitive::<Float32Type>().values(), |v| v.to_bits() as i32)
        }
        DataType::Float64 => {
            each(values.as_primitive::<Float64Type>().values(), |v| long(v.to_bits() as i64))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            each(values.as_primitive::<TimestampMillisecondType>().values(), |v| moment(v, 0))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            each(values.as_primitive::<TimestampMicrosecondType>().values(), |v| {
                moment(v.div_euclid(1000), v.rem_euclid(1000) * 1000)
            })
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            each(values.as_primitive::<TimestampNanosecondType>().values(), |v| {
                moment(v.div_euclid(1_000_000), v.rem_euclid(1_000_000))
            })
        }
        DataType::Decimal128(_, scale) => {
            let scale = i32::from(*scale);
            each(values.as_primitive::<Decimal128Type>().values(), |v| {
                big(v).wrapping_mul(31).wrapping_add(scale)
            })
        }
        DataType::Utf8 => {
            let values = values.as_string::<i32>();
            all.map(|i| murmur(values.value(i).as_bytes())).collect()
        }
        _ => return None,
    })
}

/// Puts the values of one table, given by number, in the order of their slots.
pub fn sort(values: &mut [u32], hashes: Option<&[i32]>) {
    let Some(hashes) = hashes else { return };
    let slots = (values.len() * 4).div_ceil(3).next_power_of_two().max(16) as u32;
    let slot = |value: &u32| {
        let hash = hashes[*value as usize] as u32;
        (hash ^ (hash >> 16)) & (slots - 1)
    };
    values.sort_by_key(slot);
}

fn each<T: Copy>(values: &[T], hash: impl Fn(T) -> i32) -> Vec<i32> {
    values.iter().map(|v| hash(*v)).collect()
}

fn ints<T: Copy + Into<i32>>(values: &[T]) -> Vec<i32> {
    each(values, Into::into)
}

fn long(value: i64) -> i32 {
    (value ^ ((value as u64) >> 32) as i64) as i32
}

fn moment(millis: i64, nanos: i64) -> i32 {
    long(millis).wrapping_mul(31).wrapping_add(nanos as i32)
}

/// Of a BigInteger: its magnitude's 32-bit words, the highest first.
fn big(value: i128) -> i32 {
    let magnitude = value.unsigned_abs();
    let words = (0..4).rev().map(|i| (magnitude >> (32 * i)) as u32);
    let hash = words.fold(0_u32, |hash, word| hash.wrapping_mul(31).wrapping_add(word)) as i32;
    if value < 0 { hash.wrapping_neg() } else { hash }
}

/// MurmurHash3 of 32 bits with the seed 42.
fn murmur(bytes: &[u8]) -> i32 {
    let mix = |hash: u32, word: u32| {
        let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    };
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(42, |hash, word| mix(hash, u32::from_le_bytes(*word)));
    // The bytes that are left count as words of their own.
    hash = rest.iter().fold(hash, |hash, byte| mix(hash, i32::from(*byte as i8) as u32));
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    (hash ^ (hash >> 16)) as i32
}
