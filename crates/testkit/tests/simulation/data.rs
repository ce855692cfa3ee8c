//! Random rows of the simulated tables: NULLs in keys and values, few distinct values, several
//! splits, event times out of order by less than the watermark's delay.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};

use brooklet_core::Result;
use brooklet_core::source::SplitId;

use crate::tables::Log;
use brooklet_testkit::dice::Dice;

/// The columns of every simulated table; `id` is unique and ascends within a split, `p` is the
/// number of the split.
pub const COLUMNS: &str = "id BIGINT, p INT, k INT, s STRING, v BIGINT, d DOUBLE, ts TIMESTAMP(3)";

const START: i64 = 1_700_000_000_000;
/// Rows are out of order by less than this; the watermark's delay, five seconds, is longer.
pub const ON_TIME: i64 = 4_000;
/// Some rows come after their windows have closed.
pub const LATE: i64 = 14_000;
const TEXTS: [&str; 7] = ["", "a", "ab", "b", "ba", "Ünï", "zz"];

/// What the rows of a table are to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub rows: usize,
    /// At most.
    pub splits: i64,
    /// Milliseconds that rows are out of order, at most.
    pub jitter: i64,
}

/// The rows of table number `table`.
pub fn log(dice: &mut Dice, table: i64, wanted: Wanted) -> Result<Log> {
    let Wanted { rows, splits, jitter } = wanted;
    let splits = dice.between(1, splits + 1);
    let mut times = BTreeSet::new();
    let mut left = rows;
    let mut log = Log::new();
    for split in 0..splits {
        let of_split = match split + 1 == splits {
            true => left,
            false => dice.below(left as u64 + 1) as usize,
        };
        left -= of_split;
        let name = SplitId::new(format!("split-{split}"));
        let first_id = table * 100_000_000 + split * 1_000_000;
        let of = Split { number: split as i32, first_id, jitter };
        log.insert(name, batch(dice, of, of_split, &mut times)?);
    }
    Ok(log)
}

struct Split {
    number: i32,
    first_id: i64,
    jitter: i64,
}

/// `times`: no two rows of a table have the same event time, or a first and a last row by time
/// would not be determined.
fn batch(
    dice: &mut Dice,
    split: Split,
    rows: usize,
    times: &mut BTreeSet<i64>,
) -> Result<RecordBatch> {
    let all = 0..rows as i64;
    let id: Vec<i64> = all.clone().map(|i| split.first_id + i).collect();
    let k = optional(dice, rows, |dice| dice.between(0, 6) as i32);
    let s = optional(dice, rows, |dice| *dice.pick(&TEXTS));
    let v = optional(dice, rows, |dice| dice.between(-20, 60));
    // Eighths: their sums are exact in whatever order they are added.
    let d = optional(dice, rows, |dice| dice.between(-400, 4_000) as f64 / 8.0);
    let mut base = START;
    let mut ts = Vec::with_capacity(rows);
    for _ in all {
        base += dice.between(0, 1_500);
        let mut time = base + dice.between(0, split.jitter);
        while !times.insert(time) {
            time += 1;
        }
        ts.push(time);
    }
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(Int64Array::from(id))),
        ("p", Arc::new(Int32Array::from(vec![split.number; rows]))),
        ("k", Arc::new(Int32Array::from(k))),
        ("s", Arc::new(StringArray::from(s))),
        ("v", Arc::new(Int64Array::from(v))),
        ("d", Arc::new(Float64Array::from(d))),
        ("ts", Arc::new(TimestampMillisecondArray::from(ts))),
    ];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)))?)
}

fn optional<T>(dice: &mut Dice, rows: usize, value: impl Fn(&mut Dice) -> T) -> Vec<Option<T>> {
    (0..rows).map(|_| (!dice.chance(0.12)).then(|| value(dice))).collect()
}
