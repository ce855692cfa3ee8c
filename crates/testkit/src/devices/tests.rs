//! The recomputation against rows worked out by hand, the generator against its promises.

use std::collections::{BTreeMap, BTreeSet};

use super::Devices;
use super::expect::{DeviceMinute, Lateness, Outcome, compare, device_minutes};
use crate::services::Record;

/// An event of device `d1`, type `thermo`, with the given id, time, duration and city.
fn event(id: u32, time: &str, duration: &str, city: &str) -> String {
    format!(
        r#"{{"event_id": {id}, "device_id": "d1", "device_type": "thermo", "event_time": "{time}",
        "event_duration": {duration},
        "location": {{"latitude": 1, "longitude": 2.5, "city": {city}, "country": "Chad"}},
        "metadata": {{"firmware_version": "1.0", "battery_level": {}, "signal_strength": -{id}}}}}"#,
        id * 10
    )
}

fn outcome(values: &[String], lateness: Lateness) -> Outcome {
    device_minutes(values.iter().map(String::as_bytes), lateness)
}

/// 2024-01-15 10:28 UTC.
const T1028: i64 = 1_705_314_480_000;

#[test]
fn a_minute_by_hand() {
    let values = [
        event(1, "2024-01-15T10:28:05Z", "2.0", "null"),
        event(2, "2024-01-15T12:28:59.999000+02:00", "\"4.5\"", "\"Pala\""),
        event(2, "2024-01-15T12:28:59.999000+02:00", "\"4.5\"", "\"Pala\""),
        event(3, "2024-01-15T02:28:00-0800", "1", "\"Doba\""),
        event(4, "2024-01-15T10:28:30", "100", "\"x\""),
        event(11, "2024-01-15T10:28:30", "5", "\"x\""),
        event(5, "15/01/2024 10:28", "5", "\"x\""),
        "[]".to_string(),
        "{".to_string(),
    ];
    let all = outcome(&values, Lateness::Ignored);
    let minute = DeviceMinute {
        window_start: T1028,
        window_end: T1028 + 60_000,
        device_id: "d1".into(),
        device_type: "thermo".into(),
        event_count: 3,
        avg_duration: 2.5,
        max_duration: 4.5,
        min_duration: 1.0,
        avg_battery_level: 20.0,
        min_battery_level: 10,
        avg_signal_strength: -2.0,
        min_signal_strength: -3,
        city: Some("Pala".into()),
        country: Some("Chad".into()),
        firmware_version: Some("1.0".into()),
        last_event_time: T1028 + 59_999,
    };
    let wanted = Outcome {
        minutes: vec![minute],
        read: 9,
        malformed: 2,
        invalid: 3,
        duplicates: 1,
        late: 0,
    };
    assert_eq!(all, wanted);
}

#[test]
fn a_row_is_late_when_the_watermark_before_it_reached_its_windows_last_millisecond() {
    // The window 10:28 ends with 10:28:59.999; with a delay of 2 minutes 10:30:59.999 closes it.
    let closing = |time| {
        let values = [event(1, time, "1", "null"), event(2, "2024-01-15T10:28:30", "1", "null")];
        outcome(&values, Lateness::OnEvent { delay_ms: 120_000 }).late
    };
    assert_eq!(closing("2024-01-15T10:30:59.998Z"), 0);
    assert_eq!(closing("2024-01-15T10:30:59.999Z"), 1);
}

#[test]
fn invalid_rows_move_the_watermark_and_late_rows_are_remembered_as_seen() {
    let values = [
        event(1, "2024-01-15T10:35:00Z", "-1", "null"),
        event(2, "2024-01-15T10:28:30", "1", "null"),
        event(2, "2024-01-15T10:28:30", "1", "null"),
    ];
    let all = outcome(&values, Lateness::OnEvent { delay_ms: 120_000 });
    assert_eq!((all.invalid, all.late, all.duplicates, all.minutes.len()), (1, 1, 1, 0));
}

#[test]
fn rows_are_compared_in_any_order_and_averages_to_nine_digits() {
    let values = [
        event(1, "2024-01-15T10:28:05Z", "2.0", "null"),
        event(2, "2024-01-15T10:29:05Z", "3.0", "null"),
    ];
    let wanted = outcome(&values, Lateness::Ignored).minutes;
    let mut got: Vec<DeviceMinute> = wanted.iter().rev().cloned().collect();
    got[0].avg_duration += 1e-12;
    assert_eq!(compare(&wanted, &got), Ok(()));
    got[1].event_count = 2;
    assert!(compare(&wanted, &got).is_err_and(|e| e.starts_with("1 rows differ")));
    assert!(compare(&wanted, &got[..1]).is_err_and(|e| e.contains("missing")));
    got[1] = got[0].clone();
    assert!(compare(&wanted, &got).is_err_and(|e| e.contains("a second time")));
}

fn values(records: &[Record]) -> impl Iterator<Item = &[u8]> {
    records.iter().map(|r| r.value.as_deref().expect("no tombstones"))
}

#[test]
fn the_generator_keeps_its_promises() {
    let config = Devices { records: 50_000, partitions: 4, late: 0.01, ..Devices::default() };
    let records: Vec<Record> = config.generate().collect();
    assert!(records.iter().eq(config.generate().collect::<Vec<_>>().iter()), "deterministic");
    let other = Devices { seed: 2, ..config.clone() };
    assert!(!records.iter().eq(other.generate().collect::<Vec<_>>().iter()));

    let out = device_minutes(values(&records), Lateness::OnEvent { delay_ms: config.delay_ms });
    assert_eq!(out.read, 50_000);
    assert!((20..100).contains(&out.malformed), "{}", out.malformed);
    assert!((400..650).contains(&out.invalid), "{}", out.invalid);
    assert!((800..1_200).contains(&out.duplicates), "{}", out.duplicates);
    assert!((350..650).contains(&out.late), "{}", out.late);

    let mut homes: BTreeMap<&[u8], BTreeSet<i32>> = BTreeMap::new();
    for record in &records {
        homes
            .entry(record.key.as_deref().unwrap_or_default())
            .or_default()
            .insert(record.partition);
    }
    assert_eq!(homes.len(), 100);
    assert!(homes.values().all(|partitions| partitions.len() == 1), "a device has one partition");
    let used: BTreeSet<i32> = records.iter().map(|r| r.partition).collect();
    assert_eq!(used, (0..4).collect());
}

#[test]
fn without_late_records_the_watermark_drops_nothing() {
    let config = Devices { disorder_ms: 110_000, ..Devices::default() };
    let records: Vec<Record> = config.generate().collect();
    let on_event =
        device_minutes(values(&records), Lateness::OnEvent { delay_ms: config.delay_ms });
    assert_eq!(on_event.late, 0);
    assert_eq!(on_event, device_minutes(values(&records), Lateness::Ignored));
    let rows: i64 = on_event.minutes.iter().map(|m| m.event_count).sum();
    let lost = on_event.malformed + on_event.invalid + on_event.duplicates;
    assert_eq!(rows as u64 + lost, on_event.read);
}
