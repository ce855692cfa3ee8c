//! Rows by key, views that stay, keys that are looked for.

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::Int64Type;
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnDef, ColumnKind};
use brooklet_core::types::SqlType;

use super::*;

fn def(key: &[&str], conflict: &str) -> TableDef {
    let column = |(name, ty): (&str, SqlType)| ColumnDef {
        name: name.into(),
        ty,
        nullable: true,
        kind: ColumnKind::Physical,
        comment: None,
    };
    let columns = [("v", SqlType::BigInt), ("b", SqlType::BigInt), ("a", SqlType::STRING)];
    TableDef {
        name: "t".into(),
        columns: columns.map(column).into(),
        watermark: None,
        primary_key: key.iter().map(|k| k.to_string()).collect(),
        partitioned_by: vec![],
        options: Options([("brooklet.on-conflict".into(), conflict.into())].into()),
        comment: None,
    }
}

/// (v, b, a, weight)
type Row = (i64, i64, &'static str, i64);

fn delta(rows: &[Row]) -> Delta {
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("v", Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()) as ArrayRef, true),
        ("b", Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>()) as ArrayRef, true),
        ("a", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.2))) as ArrayRef, true),
    ]);
    Delta::new(batch.unwrap(), rows.iter().map(|r| r.3).collect())
}

fn rows(view: &TableView, prefix: Option<&KeyPrefix>) -> Vec<(i64, i64, String)> {
    let mut all = Vec::new();
    for chunk in 0..view.chunks() {
        let batch = view.read(chunk, prefix).unwrap();
        let number = |c: usize, row| batch.column(c).as_primitive::<Int64Type>().value(row);
        let text = |row| batch.column(2).as_string::<i32>().value(row).to_string();
        all.extend((0..batch.num_rows()).map(|r| (number(0, r), number(1, r), text(r))));
    }
    all.sort();
    all
}

fn row(v: i64, b: i64, a: &str) -> (i64, i64, String) {
    (v, b, a.to_string())
}

#[test]
fn an_epoch_changes_rows_by_their_key() {
    let mut kept = Kept::new("rows", &def(&["a", "b"], "update")).unwrap();
    kept.step(&[delta(&[(1, 1, "x", 1), (2, 2, "x", 1), (3, 1, "y", 1)])]).unwrap();
    let first = kept.view();
    // An update whose deletion comes last, a deletion, a deletion of nothing, a new row.
    let next = [(9, 1, "x", 1), (1, 1, "x", -1), (3, 1, "y", -1), (0, 7, "z", -1), (4, 3, "ł", 1)];
    kept.step(&[delta(&next)]).unwrap();
    assert_eq!(
        rows(&kept.view(), None),
        [row(2, 2, "x"), row(4, 3, "ł"), row(9, 1, "x")],
        "after the second epoch"
    );
    assert_eq!(rows(&first, None), [row(1, 1, "x"), row(2, 2, "x"), row(3, 1, "y")]);
    assert_eq!(kept.table().len(), 3);
}

#[test]
fn a_view_is_made_when_there_is_something_new() {
    let mut kept = Kept::new("rows", &def(&["b"], "update")).unwrap();
    assert!(kept.new_view().is_none());
    kept.step(&[delta(&[(1, 1, "x", 1)])]).unwrap();
    assert!(kept.new_view().is_some());
    kept.step(&[delta(&[])]).unwrap();
    assert!(kept.new_view().is_none());
}

#[test]
fn keys_are_found_by_their_first_columns() {
    let mut kept = Kept::new("rows", &def(&["a", "b"], "update")).unwrap();
    let many: Vec<Row> = (0..3_000).map(|n| (n, n / 2, ["x", "xx"][n as usize % 2], 1)).collect();
    kept.step(&[delta(&many)]).unwrap();
    let view = kept.view();
    assert_eq!(view.key(), [2, 1]);
    let text = Arc::new(StringArray::from(vec!["x"])) as ArrayRef;
    let prefix = view.key_prefix(std::slice::from_ref(&text)).unwrap();
    assert_eq!(rows(&view, prefix.as_ref()).len(), 1_500, "and none of 'xx'");
    let number = Arc::new(Int64Array::from(vec![7])) as ArrayRef;
    let prefix = view.key_prefix(&[text, number]).unwrap();
    assert_eq!(rows(&view, prefix.as_ref()), [row(14, 7, "x")]);
    assert!(view.key_prefix(&[]).unwrap().is_none());
}

#[test]
fn a_table_may_be_all_key_and_the_first_row_may_stay() {
    let mut kept = Kept::new("rows", &def(&["a", "b", "v"], "update")).unwrap();
    kept.step(&[delta(&[(1, 2, "x", 1), (1, 3, "x", 1)])]).unwrap();
    kept.step(&[delta(&[(1, 2, "x", -1)])]).unwrap();
    assert_eq!(rows(&kept.view(), None), [row(1, 3, "x")]);

    let mut kept = Kept::new("rows", &def(&["a"], "ignore")).unwrap();
    kept.step(&[delta(&[(1, 0, "x", 1), (2, 0, "x", 1)])]).unwrap();
    kept.step(&[delta(&[(3, 0, "x", 1)])]).unwrap();
    assert_eq!(rows(&kept.view(), None), [row(1, 0, "x")]);
    kept.step(&[delta(&[(1, 0, "x", -1)])]).unwrap();
    kept.step(&[delta(&[(4, 0, "x", 1)])]).unwrap();
    assert_eq!(rows(&kept.view(), None), [row(4, 0, "x")]);
}
