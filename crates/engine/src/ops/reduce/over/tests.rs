//! The calls of a key, and frames by hand.

use super::frame::{Order, Part, Places, frames};
use super::late::Calls;
use brooklet_plan::over::{Distance, Edge, Frame, FrameUnit};

const SECOND: i64 = 1_000;

/// Flink's answer to a RANGE of three seconds (tests/oracle/over_frames.sql): the call that would
/// forget the key, at 7.5 s, makes the row of 5.5 s late; that of another key is on time.
#[test]
fn a_row_is_late_by_the_calls_of_its_key() {
    let mut calls = Calls::default();
    let mut take = |ms, watermark| calls.take(ms, watermark, Some(3 * SECOND));
    assert!(take(SECOND, i64::MIN));
    assert!(take(3 * SECOND, -SECOND));
    assert!(take(2 * SECOND, SECOND));
    assert!(take(5 * SECOND, SECOND));
    assert!(!take(3 * SECOND, 3 * SECOND));
    assert!(!take(5_500, 8 * SECOND));
    let mut other = Calls::default();
    assert!(other.take(7 * SECOND, 8 * SECOND, Some(3 * SECOND)));
}

/// Of ROWS only rows call: behind the watermark rows still come, each time once.
#[test]
fn rows_behind_the_watermark_wait_for_it_to_move() {
    let mut calls = Calls::default();
    assert!(calls.take(5 * SECOND, SECOND, None));
    assert!(calls.take(5_500, 8 * SECOND, None));
    assert!(calls.take(5_200, 8 * SECOND, None));
    assert!(!calls.take(5_300, 9 * SECOND, None));
    assert_eq!(calls.last, 5_500);
    assert!(calls.due.is_empty());
}

/// What a snapshot keeps is what the calls go on with.
#[test]
fn calls_are_stored_and_read_back() {
    let mut calls = Calls::default();
    assert!(calls.take(SECOND, 0, Some(SECOND)));
    let mut read = Calls { due: Default::default(), ..calls.clone() };
    read.add_bytes(&calls.to_bytes(&|_| false));
    assert_eq!(read, calls);
    calls.reach(10 * SECOND);
    assert_eq!((calls.life, calls.last), (1, 0));
}

#[test]
fn frames_by_rows_and_by_distance() {
    let order = Order {
        places: Places::Exact([None, Some(1), Some(1), Some(4), Some(9)].map(|p| p).to_vec()),
        descending: false,
        peers: vec![(0, 1), (1, 3), (1, 3), (3, 4), (4, 5)],
    };
    let part = Part { rows: 0..5, from: 0 };
    let by = |unit, start: i64, end: i64| {
        let edge = |n| Edge::Offset(Distance::Exact(n));
        let frame = Frame { unit, start: edge(start), end: edge(end) };
        frames(&frame, &order, &part).unwrap()
    };
    assert_eq!(by(FrameUnit::Rows, -1, 0), [0..1, 0..2, 1..3, 2..4, 3..5]);
    assert_eq!(by(FrameUnit::Rows, 1, 2), [1..3, 2..4, 3..5, 4..5, 5..5]);
    assert_eq!(by(FrameUnit::Range, -3, 0), [0..1, 1..3, 1..3, 1..4, 4..5]);
    assert_eq!(by(FrameUnit::Range, 0, 5), [0..1, 1..4, 1..4, 3..5, 4..5]);
    let all = Frame::up_to_here(FrameUnit::Range);
    assert_eq!(frames(&all, &order, &part).unwrap(), [0..1, 0..3, 0..3, 0..4, 0..5]);
}
