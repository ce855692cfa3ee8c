//! Device events as JSON lines: valid, repeated, invalid, malformed, out of order and late ones,
//! all determined by a seed.
//!
//! The key is the device, so that a device's records keep their order over partitions; a repeated
//! record is byte for byte one of the same device shortly before. [`expect`] says what the device
//! pipeline (validity filter, keep-first dedup, one-minute windows) must make of them.

pub mod expect;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Write;

use chrono::{DateTime, FixedOffset, Utc};

use crate::dice::Dice;
use crate::services::Record;

/// What to generate; the fractions are of all records.
#[derive(Debug, Clone)]
pub struct Devices {
    /// Records altogether, of every kind.
    pub records: u64,
    pub seed: u64,
    pub devices: u64,
    pub partitions: i32,
    /// Event time of the first record, milliseconds since 1970.
    pub start_ms: i64,
    /// Records per second of event time.
    pub per_second: u64,
    /// A record's time lies up to this far behind the newest before it. Below the watermark's
    /// delay nothing is late but the `late` fraction.
    pub disorder_ms: i64,
    pub duplicates: f64,
    /// Well-formed, but refused by the pipeline's WHERE.
    pub invalid: f64,
    /// No JSON object.
    pub malformed: f64,
    /// So far behind that their windows have closed, given `delay_ms`.
    pub late: f64,
    /// The watermark's delay, which `late` records must exceed.
    pub delay_ms: i64,
}

impl Default for Devices {
    fn default() -> Self {
        Devices {
            records: 10_000,
            seed: 1,
            devices: 100,
            partitions: 1,
            start_ms: 1_705_312_800_000,
            per_second: 100,
            disorder_ms: 30_000,
            duplicates: 0.02,
            invalid: 0.01,
            malformed: 0.001,
            late: 0.0,
            delay_ms: 120_000,
        }
    }
}

const TYPES: [&str; 4] = ["thermo", "camera", "lock", "meter"];
/// As JSON literals: escapes, quotes and other scripts have to survive the way.
const CITIES: [&str; 6] = [
    r#""New York""#,
    r#""S\u00e3o Paulo""#,
    "\"東京\"",
    r#""N'Djamena""#,
    r#""The \"Corner\"""#,
    "null",
];
const COUNTRIES: [&str; 4] = [r#""United States""#, r#""Brazil""#, r#""Japan""#, r#""Chad""#];
const MALFORMED: [&str; 5] = ["", "no json", "[1, 2]", r#"{"event_id": 1, "device_id":"#, "null"];

/// How many earlier records a repetition is picked from.
const RECENT: usize = 64;

impl Devices {
    /// The records in the order they are to be produced.
    pub fn generate(&self) -> impl Iterator<Item = Record> + use<> {
        let config = self.clone();
        let mut dice = Dice::new(self.seed);
        let mut recent: VecDeque<Record> = VecDeque::with_capacity(RECENT);
        (0..self.records).map(move |i| {
            if !recent.is_empty() && dice.chance(config.duplicates) {
                return recent[dice.below(recent.len() as u64) as usize].clone();
            }
            let record = config.record(i, &mut dice);
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(record.clone());
            record
        })
    }

    fn record(&self, i: u64, dice: &mut Dice) -> Record {
        let device = dice.below(self.devices);
        let newest = self.start_ms + (i * 1_000 / self.per_second) as i64;
        let mut time = newest - dice.between(0, self.disorder_ms + 1);
        if dice.chance(self.late) {
            // A whole window and the disorder further back than the watermark can be.
            time = newest - self.disorder_ms - self.delay_ms - 60_000 - dice.between(0, 300_000);
        }
        let value = if dice.chance(self.malformed) {
            dice.pick(&MALFORMED).to_string()
        } else {
            let invalid = dice.chance(self.invalid).then(|| dice.below(INVALID));
            json(i, device, time, invalid, dice)
        };
        Record {
            partition: (Dice::new(device).draw() % self.partitions as u64) as i32,
            key: Some(format!("dev_{device}").into_bytes()),
            value: Some(value.into_bytes()),
            timestamp: Some(newest),
            headers: vec![],
        }
    }
}

/// How many ways there are to be invalid, see [`json`].
const INVALID: u64 = 11;

/// One event; `invalid` spoils one field, so that the pipeline must refuse it.
fn json(id: u64, device: u64, time: i64, invalid: Option<u64>, dice: &mut Dice) -> String {
    let spoiled = |n: u64, bad: &str, good: String| {
        if invalid == Some(n) { bad.to_string() } else { good }
    };
    let id = spoiled(0, "null", id.to_string());
    let kind = TYPES[(device % TYPES.len() as u64) as usize];
    let kind = spoiled(1, "null", format!("\"{kind}\""));
    let time = spoiled(2, "yesterday", iso(time, dice));
    let cents = dice.between(1, 10_000);
    let duration = spoiled(3, "0", format!("{}.{:02}", cents / 100, cents % 100));
    let duration = spoiled(4, "100", duration);
    let latitude =
        spoiled(5, "90.5", format!("{:.4}", dice.between(-900_000, 900_001) as f64 / 1e4));
    let longitude =
        spoiled(6, "-181", format!("{:.4}", dice.between(-1_800_000, 1_800_001) as f64 / 1e4));
    let battery = spoiled(7, "101", dice.between(0, 101).to_string());
    let battery = spoiled(8, "null", battery);
    let signal = spoiled(9, "1", dice.between(-120, 1).to_string());
    let firmware = format!("{}.{}.{}", 1 + device % 3, device % 10, id.len());
    let metadata = format!(
        r#"{{"firmware_version": "{firmware}", "battery_level": {battery}, "signal_strength": {signal}}}"#
    );
    let metadata = spoiled(10, "null", metadata);
    let (city, country) = (dice.pick(&CITIES), dice.pick(&COUNTRIES));
    let mut out = String::with_capacity(360);
    let written = write!(
        out,
        concat!(
            r#"{{"event_id": {}, "device_id": "dev_{}", "device_type": {}, "event_time": "{}", "#,
            r#""event_duration": {}, "location": {{"latitude": {}, "longitude": {}, "#,
            r#""city": {}, "country": {}}}, "metadata": {}}}"#
        ),
        id, device, kind, time, duration, latitude, longitude, city, country, metadata
    );
    written.expect("a String takes everything");
    out
}

/// ISO 8601 in UTC, with an offset east or west, or without a zone (which means UTC).
fn iso(ms: i64, dice: &mut Dice) -> String {
    let utc: DateTime<Utc> = DateTime::from_timestamp_millis(ms).expect("a time of this century");
    let at = |minutes: i32| {
        utc.with_timezone(&FixedOffset::east_opt(minutes * 60).expect("less than a day"))
    };
    match dice.below(5) {
        0 => utc.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        1 => at(330).format("%Y-%m-%dT%H:%M:%S%.6f+05:30").to_string(),
        2 => at(-480).format("%Y-%m-%dT%H:%M:%S%.3f-0800").to_string(),
        3 if ms % 1_000 == 0 => utc.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => utc.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
    }
}
