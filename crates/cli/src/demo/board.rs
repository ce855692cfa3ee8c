//! The demo's rows: the newest minute of each device as a table, or every row as a line.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    ArrowPrimitiveType, Float64Type, Int32Type, Int64Type, TimestampMillisecondType,
};

use brooklet_core::{Delta, Error, Result};

/// What is shown of a row of `device_minutes`.
#[derive(Debug, Clone, PartialEq)]
struct Minute {
    start: i64,
    device: String,
    kind: String,
    events: i64,
    avg_duration: f64,
    max_duration: f64,
    min_battery: i32,
    avg_signal: f64,
}

/// The newest minute of each device, and how many there were.
#[derive(Debug, Default)]
pub struct Board {
    newest: BTreeMap<String, Minute>,
    minutes: u64,
    events: u64,
}

pub const HEADER: &str =
    "minute            device    type    events  avg duration  max  min battery  avg signal";

impl Board {
    /// Takes an epoch's rows; returns each as a line, by minute and device.
    pub fn add(&mut self, changes: &[Delta]) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for delta in changes.iter().filter(|d| !d.is_empty()) {
            all.append(&mut minutes(&delta.rows)?);
        }
        all.sort_by(|a, b| (a.start, &a.device).cmp(&(b.start, &b.device)));
        let lines = all.iter().map(Minute::line).collect();
        for minute in all {
            self.minutes += 1;
            self.events += minute.events.unsigned_abs();
            let held = self.newest.get(&minute.device).map_or(i64::MIN, |m| m.start);
            if minute.start >= held {
                self.newest.insert(minute.device.clone(), minute);
            }
        }
        Ok(lines)
    }

    /// Header and one line a device.
    pub fn table(&self) -> Vec<String> {
        let lines = self.newest.values().map(Minute::line);
        std::iter::once(HEADER.to_string()).chain(lines).collect()
    }

    /// Rows so far.
    pub fn minutes(&self) -> u64 {
        self.minutes
    }
    /// Events that are counted in them.
    pub fn events(&self) -> u64 {
        self.events
    }
}

impl Minute {
    fn line(&self) -> String {
        let start = chrono::DateTime::from_timestamp_millis(self.start)
            .map_or_else(String::new, |t| t.format("%Y-%m-%d %H:%M").to_string());
        format!(
            "{start}  {:<8}  {:<6}  {:>6}  {:>12.3}  {:>.1}  {:>11}  {:>10.1}",
            self.device,
            self.kind,
            self.events,
            self.avg_duration,
            self.max_duration,
            self.min_battery,
            self.avg_signal
        )
    }
}

fn minutes(rows: &RecordBatch) -> Result<Vec<Minute>> {
    let starts = values::<TimestampMillisecondType>(rows, "window_start")?;
    let (devices, kinds) = (texts(rows, "device_id")?, texts(rows, "device_type")?);
    let events = values::<Int64Type>(rows, "event_count")?;
    let averages = values::<Float64Type>(rows, "avg_duration")?;
    let longest = values::<Float64Type>(rows, "max_duration")?;
    let batteries = values::<Int32Type>(rows, "min_battery_level")?;
    let signals = values::<Float64Type>(rows, "avg_signal_strength")?;
    let minute = |i: usize| Minute {
        start: starts[i],
        device: devices[i].clone(),
        kind: kinds[i].clone(),
        events: events[i],
        avg_duration: averages[i],
        max_duration: longest[i],
        min_battery: batteries[i],
        avg_signal: signals[i],
    };
    Ok((0..rows.num_rows()).map(minute).collect())
}

fn named<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    rows.column_by_name(name).ok_or_else(|| Error::bug(format!("the demo gives no {name}")))
}

fn values<T: ArrowPrimitiveType>(rows: &RecordBatch, name: &str) -> Result<Vec<T::Native>> {
    let column = named(rows, name)?.as_primitive_opt::<T>();
    let column = column.ok_or_else(|| Error::bug(format!("the type of {name} has changed")))?;
    Ok(column.values().to_vec())
}

fn texts(rows: &RecordBatch, name: &str) -> Result<Vec<String>> {
    let column = named(rows, name)?.as_string_opt::<i32>();
    let column = column.ok_or_else(|| Error::bug(format!("the type of {name} has changed")))?;
    Ok((0..column.len()).map(|i| column.value(i).to_string()).collect())
}
