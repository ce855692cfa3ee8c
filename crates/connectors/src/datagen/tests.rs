//! The contract, bounds, pacing.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use brooklet_core::ErrorKind;
use brooklet_core::source::{Budget, Payload};
use brooklet_core::types::SqlType;

use super::CONNECTOR;
use crate::contract::{self, source_spec, table};

const ALL: Budget = Budget { max_rows: 100_000, max_bytes: usize::MAX };

#[tokio::test]
async fn keeps_the_contract() {
    let columns = [
        ("id", SqlType::BigInt),
        ("n", SqlType::Int),
        ("d", SqlType::Double),
        ("m", SqlType::Decimal(10, 2)),
        ("s", SqlType::STRING),
        ("b", SqlType::Boolean),
        ("t", SqlType::Timestamp(3)),
        ("z", SqlType::TimestampLtz(6)),
        ("day", SqlType::Date),
    ];
    let options = [
        ("number-of-rows", "40"),
        ("rows-per-second", "1000000"),
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "5"),
        ("fields.id.end", "1000"),
        ("fields.n.null-rate", "0.5"),
        ("fields.t.max-past", "10 s"),
    ];
    let t = table("t", &columns, &options);
    let side = CONNECTOR.source.unwrap();
    assert!((side.bounded)(&t.options));
    // A clock that stands still admits one row, so each opening is at another moment.
    let mut spec = source_spec(&t, None, 1_000);
    spec.env = brooklet_core::Env::new(Running::default());
    let env = spec.env.clone();
    let open = |positions| {
        let mut spec = source_spec(&t, positions, 0);
        spec.env = env.clone();
        (side.open)(spec)
    };
    let all = contract::source(open, 16, 40, true).await;
    assert_eq!(all.len(), 1);
}

/// Each look at the clock is a second later.
#[derive(Default)]
struct Running(std::sync::atomic::AtomicI64);

impl brooklet_core::env::World for Running {
    fn now(&self) -> i64 {
        self.0.fetch_add(1_000, std::sync::atomic::Ordering::Relaxed)
    }
    fn random(&self) -> u64 {
        1
    }
    fn at(&self, _: brooklet_core::env::CrashPoint) -> brooklet_core::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn values_stay_in_their_ranges_and_the_shortest_sequence_ends() {
    let options = [
        ("fields.id.kind", "sequence"),
        ("fields.id.start", "10"),
        ("fields.id.end", "29"),
        ("fields.n.min", "-1"),
        ("fields.n.max", "1"),
        ("fields.s.length", "7"),
    ];
    let columns = [("id", SqlType::BigInt), ("n", SqlType::Int), ("s", SqlType::STRING)];
    let t = table("t", &columns, &options);
    let mut spec = source_spec(&t, None, 0);
    spec.env = brooklet_core::Env::new(Running::default());
    let mut source = (CONNECTOR.source.unwrap().open)(spec).await.unwrap();
    let first = source.poll(ALL).await.unwrap();
    assert_eq!(first.splits[0].range.to, 1);
    let input = source.poll(ALL).await.unwrap();
    assert!(input.ended);
    let Payload::Rows(rows) = &input.splits[0].payload else { panic!("rows") };
    let rows = &rows[0].rows;
    assert_eq!(rows.num_rows(), 19);
    assert_eq!(rows.column(0).as_primitive::<Int64Type>().value(18), 29);
    let n = rows.column(1).as_primitive::<Int32Type>();
    assert!(n.values().iter().all(|v| (-1..=1).contains(v)));
    assert!((-1..=1).all(|v| n.values().contains(&v)));
    assert!(rows.column(2).as_string::<i32>().iter().all(|s| s.is_some_and(|s| s.len() == 7)));
}

#[tokio::test]
async fn rows_hold_generated_fields_and_texts_come_from_lists() {
    let field = |name: &str, ty| {
        let ty = brooklet_core::types::Nullable { ty, nullable: true };
        brooklet_core::types::RowField { name: name.into(), ty }
    };
    let place =
        SqlType::Row(vec![field("latitude", SqlType::Double), field("city", SqlType::STRING)]);
    let options = [
        ("number-of-rows", "300"),
        ("rows-per-second", "1000000"),
        ("fields.place.null-rate", "0.5"),
        ("fields.place.latitude.min", "-90"),
        ("fields.place.latitude.max", "90"),
        ("brooklet.values.place.city", "Köln, 東京"),
    ];
    let t = table("t", &[("place", place)], &options);
    let mut spec = source_spec(&t, None, 0);
    spec.env = brooklet_core::Env::new(Running::default());
    let mut source = (CONNECTOR.source.unwrap().open)(spec).await.unwrap();
    source.poll(ALL).await.unwrap();
    let input = source.poll(ALL).await.unwrap();
    let Payload::Rows(rows) = &input.splits[0].payload else { panic!("rows") };
    let place = rows[0].rows.column(0).as_struct();
    assert!(place.null_count() > 100 && place.null_count() < 200);
    let latitudes = place.column(0).as_primitive::<Float64Type>();
    assert!(latitudes.values().iter().all(|v| (-90.0..90.0).contains(v)));
    assert!(latitudes.values().iter().any(|v| *v < 0.0));
    let cities: std::collections::BTreeSet<&str> =
        place.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!(cities.into_iter().collect::<Vec<_>>(), ["Köln", "東京"]);
}

#[tokio::test]
async fn wrong_options_are_named() {
    for option in [
        ("fields.x.kind", "random"),
        ("fields.id.min", "300"),
        ("fields.id.kind", "gauss"),
        ("rows-per-second", "0"),
        ("brooklet.values.id", "1, 2"),
        ("fields.id.x.min", "1"),
    ] {
        let t = table("t", &[("id", SqlType::TinyInt)], &[option]);
        let opened = (CONNECTOR.source.unwrap().open)(source_spec(&t, None, 0)).await;
        let error = opened.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Config, "{error}");
    }
}
