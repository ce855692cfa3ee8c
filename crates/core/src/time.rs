//! Points in time as the engine compares them.

/// Milliseconds since 1970-01-01T00:00:00 UTC: event times, watermarks, an epoch's `now`.
pub type Millis = i64;

/// No event has been seen: nothing is late, no window closes.
pub const WATERMARK_MIN: Millis = i64::MIN;
/// The end of a bounded source: every event-time window fires.
pub const WATERMARK_MAX: Millis = i64::MAX;
