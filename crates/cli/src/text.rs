//! Numbers as people read them.

/// `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `12 B`, `3 kB`, `15 MB`: powers of 1,024, rounded down.
pub fn bytes(n: u64) -> String {
    match n {
        0..=1_023 => format!("{n} B"),
        1_024..=1_048_575 => format!("{} kB", n >> 10),
        _ => format!("{} MB", n >> 20),
    }
}

/// `500 ms`, `30 s`, `5 min`, `2 h`.
pub fn duration(ms: i64) -> String {
    match ms {
        _ if ms % 1_000 != 0 || ms == 0 => format!("{ms} ms"),
        _ if ms % 60_000 != 0 => format!("{} s", ms / 1_000),
        _ if ms % 3_600_000 != 0 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// `2024-01-15 10:30:05` in UTC; `end` behind the last event of a bounded source.
pub fn moment(ms: i64) -> String {
    if ms == i64::MAX {
        return "end".to_string();
    }
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([5, 2_048, 5 << 20].map(bytes), ["5 B", "2 kB", "5 MB"]);
        assert_eq!(
            [0, 1_500, 30_000, 300_000, 7_200_000].map(duration),
            ["0 ms", "1500 ms", "30 s", "5 min", "2 h"]
        );
        assert_eq!(moment(1_705_314_605_999), "2024-01-15 10:30:05");
        assert_eq!(moment(i64::MAX), "end");
    }
}
