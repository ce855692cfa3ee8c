//! The contract, and what a simulation relies on.

use brooklet_core::types::SqlType;

use super::{CONNECTOR, Store};
use crate::contract::{self, rows, sink_spec, source_spec, table};

const COLUMNS: [(&str, SqlType); 2] = [("id", SqlType::BigInt), ("name", SqlType::STRING)];

#[tokio::test]
async fn the_source_keeps_the_contract() {
    let store = Store::named("memory-source");
    store.push("a", rows(0..70));
    store.push("b", rows(100..130));
    store.push("a", rows(70..90));
    store.end();
    let t = table("t", &COLUMNS, &[("name", "memory-source")]);
    let side = CONNECTOR.source.unwrap();
    let open = |positions| (side.open)(source_spec(&t, positions, 0));
    let all = contract::source(open, 16, 120, true).await;
    assert_eq!(all["a"].len(), 90);
    assert!((side.bounded)(&t.options));
}

#[tokio::test]
async fn the_sink_keeps_the_contract() {
    let store = Store::named("memory-sink");
    let t = table("t", &COLUMNS, &[("name", "memory-sink")]);
    let side = CONNECTOR.sink.unwrap();
    let count = || store.rows().iter().map(|d| d.len()).sum();
    contract::sink(|| (side.open)(sink_spec(&t, "i")), "i", count).await;
    assert_eq!(store.rows_of("t").len(), 3);
}

#[tokio::test]
async fn a_lost_answer_is_not_a_lost_commit() {
    use brooklet_core::Epoch;
    use brooklet_core::sink::{EpochOutput, TableOutput};
    let store = Store::named("memory-faults");
    let t = table("t", &COLUMNS, &[("name", "memory-faults")]);
    let mut sink = (CONNECTOR.sink.unwrap().open)(sink_spec(&t, "i")).await.unwrap();
    let out = TableOutput { changes: vec![rows(0..3)], ..TableOutput::default() };
    let epochs = [EpochOutput { epoch: Epoch(1), tables: vec![out] }];
    store.fail_before(1);
    assert!(sink.commit(&epochs).await.unwrap_err().retry);
    assert!(store.rows().is_empty() && store.committed().is_none());
    store.fail_after(1);
    assert!(sink.commit(&epochs).await.is_err());
    sink.commit(&epochs).await.unwrap();
    assert_eq!(store.rows().len(), 1);
}
