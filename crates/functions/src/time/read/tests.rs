//! Texts as the formats and casts read them.

use super::super::pattern::{Dialect, pattern};
use super::super::{civil::Moment, write};
use super::*;

fn shown(stamp: Option<Stamp>) -> String {
    let Some((seconds, nanos)) = stamp else { return "NULL".to_string() };
    let mut out = String::new();
    write::timestamp(&mut out, &Moment::of(seconds, nanos), 3);
    out
}

#[test]
fn timestamps_as_cast_reads_them() {
    for (text, want) in [
        ("2020-01-02 03:04:05", "2020-01-02 03:04:05.000"),
        ("2020-01-02 03:04:05.123456", "2020-01-02 03:04:05.123"),
        ("2020-1-2 3:4:5", "2020-01-02 03:04:05.000"),
        ("2020-01-02", "2020-01-02 00:00:00.000"),
        ("2020-02-30 00:00:00", "2020-02-29 00:00:00.000"),
        ("2020-06-31 00:00:00", "2020-06-30 00:00:00.000"),
        ("2020-01-02T03:04:05", "NULL"),
        ("2020-01-32", "NULL"),
        ("2020-13-01", "NULL"),
        ("bad", "NULL"),
        ("", "NULL"),
        ("2020-01-02 03:04", "NULL"),
        ("2020-01-02 03:04:05Z", "NULL"),
    ] {
        assert_eq!(shown(timestamp(text)), want, "{text}");
    }
}

#[test]
fn dates_must_exist() {
    assert_eq!(date("1970-01-02"), Some(1));
    assert_eq!(date("1970-01-02 10:00:00"), Some(1));
    assert_eq!(date("2020-02-30"), None);
    assert_eq!(date("bad"), None);
}

#[test]
fn patterns_read_what_java_reads() {
    let formatter = Dialect::Formatter;
    for (text, with, dialect, want) in [
        ("02/01/2020 03:04", "dd/MM/yyyy HH:mm", formatter, "2020-01-02 03:04:00.000"),
        ("20200230", "yyyyMMdd", formatter, "2020-02-29 00:00:00.000"),
        ("2020-01-02T03:04:05Z", "yyyy-MM-dd'T'HH:mm:ss'Z'", formatter, "2020-01-02 03:04:05.000"),
        ("2020-01-02 03:04:05.12", "yyyy-MM-dd HH:mm:ss.SSS", formatter, "NULL"),
        ("20200102030405678", "yyyyMMddHHmmssSSS", formatter, "2020-01-02 03:04:05.678"),
        ("2 Jan 2020 3:04 PM", "d MMM yyyy h:mm a", formatter, "2020-01-02 15:04:00.000"),
        ("2020-01-02 x", "yyyy-MM-dd", formatter, "NULL"),
        ("2020-01-02", "yyyy-MM-dd[ HH:mm]", formatter, "2020-01-02 00:00:00.000"),
        ("2020-01-02 03:04", "yyyy-MM-dd[ HH:mm]", formatter, "2020-01-02 03:04:00.000"),
        ("2020-02-30 x", "yyyy-MM-dd", Dialect::Simple, "2020-03-01 00:00:00.000"),
        ("2020-01-02 03:04:05", "yyyy-MM-dd HH:mm:ss", Dialect::Simple, "2020-01-02 03:04:05.000"),
        ("bad", "yyyy-MM-dd", Dialect::Simple, "NULL"),
    ] {
        let pattern = pattern(with, dialect).unwrap();
        assert_eq!(shown(parsed(text, &pattern)), want, "{text} as {with}");
    }
}
