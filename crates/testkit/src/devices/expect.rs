//! What the device pipeline must make of its input, recomputed row after row in plain Rust.
//!
//! The rules are those of the pipeline's SQL on Flink: fields that do not parse are NULL, the
//! filter keeps valid rows, the first of each (event_id, device_id) stays, then one row per
//! device and minute. A row is judged late after dedup, by watermarks that every decoded row
//! moves, also invalid ones.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType};
use chrono::NaiveDateTime;
use serde_json::Value;

use crate::services::s3::ParquetFile;

const MINUTE: i64 = 60_000;

/// One output row. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceMinute {
    pub window_start: i64,
    pub window_end: i64,
    pub device_id: String,
    pub device_type: String,
    pub event_count: i64,
    pub avg_duration: f64,
    pub max_duration: f64,
    pub min_duration: f64,
    pub avg_battery_level: f64,
    pub min_battery_level: i32,
    pub avg_signal_strength: f64,
    pub min_signal_strength: i32,
    pub city: Option<String>,
    pub country: Option<String>,
    pub firmware_version: Option<String>,
    pub last_event_time: i64,
}

/// Which rows are late.
#[derive(Debug, Clone, Copy)]
pub enum Lateness {
    /// None: the batch answer.
    Ignored,
    /// One partition, `scan.watermark.emit.strategy` = on-event: a row is late when its window's
    /// last millisecond is at or below the watermark of the rows before it.
    OnEvent { delay_ms: i64 },
}

/// The rows, sorted by window, device and type, and what became of the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub minutes: Vec<DeviceMinute>,
    pub read: u64,
    pub malformed: u64,
    pub invalid: u64,
    pub duplicates: u64,
    pub late: u64,
}

/// Recomputes the pipeline over the records' values in arrival order.
pub fn device_minutes<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    lateness: Lateness,
) -> Outcome {
    let mut out = Outcome::default();
    let mut newest = i64::MIN;
    let mut seen: BTreeSet<(i64, String)> = BTreeSet::new();
    let mut groups: BTreeMap<(i64, String, String), Group> = BTreeMap::new();
    for value in values {
        out.read += 1;
        let Some(json @ Value::Object(_)) = serde_json::from_slice(value).ok() else {
            out.malformed += 1;
            continue;
        };
        let time = event_time(&json);
        let watermark = match lateness {
            Lateness::OnEvent { delay_ms } => newest.saturating_sub(delay_ms),
            Lateness::Ignored => i64::MIN,
        };
        newest = newest.max(time);
        let Some(row) = Row::valid(&json, time) else {
            out.invalid += 1;
            continue;
        };
        if !seen.insert((row.event_id, row.device_id.clone())) {
            out.duplicates += 1;
            continue;
        }
        let start = time.div_euclid(MINUTE) * MINUTE;
        if start + MINUTE - 1 <= watermark {
            out.late += 1;
            continue;
        }
        match groups.entry((start, row.device_id.clone(), row.device_type.clone())) {
            Entry::Vacant(entry) => _ = entry.insert(Group::first(&row, start)),
            Entry::Occupied(mut entry) => entry.get_mut().add(&row),
        }
    }
    out.minutes = groups.into_values().map(Group::finish).collect();
    out
}

/// A row that passed the filter.
struct Row {
    time: i64,
    event_id: i64,
    device_id: String,
    device_type: String,
    duration: f64,
    battery: i32,
    signal: i32,
    city: Option<String>,
    country: Option<String>,
    firmware: Option<String>,
}

impl Row {
    fn valid(json: &Value, time: i64) -> Option<Row> {
        let (location, metadata) = (&json["location"], &json["metadata"]);
        let row = Row {
            time,
            event_id: i64::from(int(&json["event_id"])?),
            device_id: text(&json["device_id"])?,
            device_type: text(&json["device_type"])?,
            duration: double(&json["event_duration"])?,
            battery: int(&metadata["battery_level"])?,
            signal: int(&metadata["signal_strength"])?,
            city: text(&location["city"]),
            country: text(&location["country"]),
            firmware: text(&metadata["firmware_version"]),
        };
        let valid = time > 0
            && row.duration > 0.0
            && row.duration < 100.0
            && (0..=100).contains(&row.battery)
            && (-120..=0).contains(&row.signal)
            && (-90.0..=90.0).contains(&double(&location["latitude"])?)
            && (-180.0..=180.0).contains(&double(&location["longitude"])?);
        valid.then_some(row)
    }
}

/// Flink's JSON coercions: numbers may come as text, an INT drops its fraction.
fn int(value: &Value) -> Option<i32> {
    match value {
        Value::Number(n) => {
            let n = n.as_f64()?.trunc();
            (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&n).then_some(n as i32)
        }
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    }
}

/// Milliseconds of `event_time`; 0 when there is none that parses, as the SQL's COALESCE.
fn event_time(json: &Value) -> i64 {
    text(&json["event_time"]).and_then(|t| parse_time(&t)).unwrap_or(0)
}

/// `yyyy-MM-ddTHH:mm:ss[.fraction][Z|±hh[:]mm]`; no zone is UTC.
fn parse_time(text: &str) -> Option<i64> {
    let (local, zone) = match text.find('T').and_then(|t| {
        let at = text[t..].find(['Z', '+', '-'])?;
        Some(text.split_at(t + at))
    }) {
        Some(parts) => parts,
        None => (text, ""),
    };
    let minutes = match zone.as_bytes() {
        [] | [b'Z'] => 0,
        [sign @ (b'+' | b'-'), digits @ ..] => {
            let digits: String =
                digits.iter().filter(|b| **b != b':').map(|b| *b as char).collect();
            let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
            let minutes = number / 100 * 60 + number % 100;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(local.and_utc().timestamp_millis() - minutes * MINUTE)
}

/// A device's minute being filled. Sums run in arrival order, averages are made at the end.
struct Group {
    minute: DeviceMinute,
    duration: f64,
    battery: f64,
    signal: f64,
}

impl Group {
    fn first(row: &Row, start: i64) -> Group {
        let minute = DeviceMinute {
            window_start: start,
            window_end: start + MINUTE,
            device_id: row.device_id.clone(),
            device_type: row.device_type.clone(),
            event_count: 0,
            avg_duration: 0.0,
            max_duration: f64::NEG_INFINITY,
            min_duration: f64::INFINITY,
            avg_battery_level: 0.0,
            min_battery_level: i32::MAX,
            avg_signal_strength: 0.0,
            min_signal_strength: i32::MAX,
            city: None,
            country: None,
            firmware_version: None,
            last_event_time: i64::MIN,
        };
        let mut group = Group { minute, duration: 0.0, battery: 0.0, signal: 0.0 };
        group.add(row);
        group
    }

    fn add(&mut self, row: &Row) {
        let minute = &mut self.minute;
        minute.event_count += 1;
        minute.max_duration = minute.max_duration.max(row.duration);
        minute.min_duration = minute.min_duration.min(row.duration);
        minute.min_battery_level = minute.min_battery_level.min(row.battery);
        minute.min_signal_strength = minute.min_signal_strength.min(row.signal);
        minute.last_event_time = minute.last_event_time.max(row.time);
        // FIRST_VALUE is the first that is not NULL.
        let keep = |first: &mut Option<String>, next: &Option<String>| {
            if first.is_none() {
                first.clone_from(next);
            }
        };
        keep(&mut minute.city, &row.city);
        keep(&mut minute.country, &row.country);
        keep(&mut minute.firmware_version, &row.firmware);
        self.duration += row.duration;
        self.battery += f64::from(row.battery);
        self.signal += f64::from(row.signal);
    }

    fn finish(mut self) -> DeviceMinute {
        let n = self.minute.event_count as f64;
        self.minute.avg_duration = self.duration / n;
        self.minute.avg_battery_level = self.battery / n;
        self.minute.avg_signal_strength = self.signal / n;
        self.minute
    }
}

/// The rows of a file of the pipeline's Parquet table, partition columns taken from its path.
pub fn read(file: &ParquetFile) -> Vec<DeviceMinute> {
    let partition = file.partition();
    let value = |name: &str| partition.get(name).cloned();
    let start = value("window_start").map(|text| {
        let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S");
        time.expect("window_start=yyyy-MM-dd HH:mm:ss").and_utc().timestamp_millis()
    });
    let batches = file.batches.iter();
    batches.flat_map(|b| rows(b, start, value("device_type"))).collect()
}

/// The rows of a batch; columns that are not in it are given beside it.
fn rows(batch: &RecordBatch, start: Option<i64>, kind: Option<String>) -> Vec<DeviceMinute> {
    let columns = Columns { batch };
    let starts = start.is_none().then(|| columns.millis("window_start"));
    let kinds = kind.is_none().then(|| columns.texts("device_type"));
    let window_end = columns.millis("window_end");
    let device_id = columns.texts("device_id");
    let event_count = columns.longs("event_count");
    let [avg_duration, max_duration, min_duration, avg_battery_level, avg_signal_strength] = [
        "avg_duration",
        "max_duration",
        "min_duration",
        "avg_battery_level",
        "avg_signal_strength",
    ]
    .map(|name| columns.doubles(name));
    let min_battery_level = columns.longs("min_battery_level");
    let min_signal_strength = columns.longs("min_signal_strength");
    let [city, country, firmware_version] =
        ["city", "country", "firmware_version"].map(|name| columns.texts(name));
    let last_event_time = columns.millis("last_event_time");
    let row = |i: usize| DeviceMinute {
        window_start: start.or_else(|| Some(starts.as_ref()?[i])).expect("one of both"),
        window_end: window_end[i],
        device_id: device_id[i].clone().expect("part of the key"),
        device_type: kind.clone().or_else(|| kinds.as_ref()?[i].clone()).expect("part of the key"),
        event_count: event_count[i],
        avg_duration: avg_duration[i],
        max_duration: max_duration[i],
        min_duration: min_duration[i],
        avg_battery_level: avg_battery_level[i],
        min_battery_level: min_battery_level[i] as i32,
        avg_signal_strength: avg_signal_strength[i],
        min_signal_strength: min_signal_strength[i] as i32,
        city: city[i].clone(),
        country: country[i].clone(),
        firmware_version: firmware_version[i].clone(),
        last_event_time: last_event_time[i],
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Columns by name, whatever width the file has them in; panics where one is missing.
struct Columns<'a> {
    batch: &'a RecordBatch,
}

impl Columns<'_> {
    fn cast(&self, name: &str, ty: &DataType) -> ArrayRef {
        let column = self.batch.column_by_name(name);
        let column = column.unwrap_or_else(|| panic!("no column {name} in {:?}", self.batch));
        cast(column, ty).unwrap_or_else(|e| panic!("column {name}: {e}"))
    }
    fn longs(&self, name: &str) -> Vec<i64> {
        self.cast(name, &DataType::Int64).as_primitive::<Int64Type>().values().to_vec()
    }
    fn millis(&self, name: &str) -> Vec<i64> {
        let times = self.cast(name, &DataType::Timestamp(TimeUnit::Millisecond, None));
        times.as_primitive::<TimestampMillisecondType>().values().to_vec()
    }
    fn doubles(&self, name: &str) -> Vec<f64> {
        self.cast(name, &DataType::Float64).as_primitive::<Float64Type>().values().to_vec()
    }
    fn texts(&self, name: &str) -> Vec<Option<String>> {
        let texts = self.cast(name, &DataType::Utf8);
        texts.as_string::<i32>().iter().map(|t| t.map(str::to_string)).collect()
    }
}

/// Ok when `actual` holds exactly the rows of `expected` in whatever order, averages to 1e-9;
/// otherwise the first few differences.
pub fn compare(expected: &[DeviceMinute], actual: &[DeviceMinute]) -> Result<(), String> {
    let mut differences = Vec::new();
    let mut left: BTreeMap<Key<'_>, &DeviceMinute> = BTreeMap::new();
    for row in expected {
        assert!(left.insert(key(row), row).is_none(), "expected rows have distinct keys");
    }
    for row in actual {
        match left.remove(&key(row)) {
            Some(wanted) if same(wanted, row) => {}
            Some(wanted) => differences.push(format!("wanted {wanted:?}\n   got {row:?}")),
            None => differences.push(format!("not wanted, or a second time: {row:?}")),
        }
    }
    differences.extend(left.values().map(|row| format!("missing {row:?}")));
    if differences.is_empty() {
        return Ok(());
    }
    let shown = differences.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    let counts = format!("{} expected, {} found", expected.len(), actual.len());
    Err(format!("{} rows differ ({counts}):\n{shown}", differences.len()))
}

type Key<'a> = (i64, &'a str, &'a str);

fn key(row: &DeviceMinute) -> Key<'_> {
    (row.window_start, &row.device_id, &row.device_type)
}

fn same(a: &DeviceMinute, b: &DeviceMinute) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0);
    let exact = DeviceMinute {
        avg_duration: a.avg_duration,
        avg_battery_level: a.avg_battery_level,
        avg_signal_strength: a.avg_signal_strength,
        ..b.clone()
    };
    *a == exact
        && near(a.avg_duration, b.avg_duration)
        && near(a.avg_battery_level, b.avg_battery_level)
        && near(a.avg_signal_strength, b.avg_signal_strength)
}
