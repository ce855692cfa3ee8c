//! When a result is handed over, and that it is the whole one.

use arrow::array::{AsArray, Int64Array, StringArray};
use arrow::datatypes::{Int64Type, Schema};

use super::*;

/// (k, epoch's column, weight)
type Change = (Option<&'static str>, i64);

fn whole(every_ms: Option<Millis>) -> Whole {
    let field = |name: &str, ty| Field::new(name, ty, true);
    let schema = Schema::new(vec![field("k", DataType::Utf8), field("epoch", DataType::Int64)]);
    let spec = WholeResult { every_ms, replaces: true, epoch_column: Some(1), in_order: false };
    Whole::new(0, spec, Arc::new(schema), SinkTable::Passing).unwrap()
}

fn step(whole: &mut Whole, now: Millis, end: bool, rows: &[Change]) -> Option<Vec<String>> {
    let keys: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|r| r.0)));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![-1; rows.len()]));
    let rows_in = batch(&whole.schema, vec![keys, numbers], rows.len()).unwrap();
    let delta = Delta::new(rows_in, rows.iter().map(|r| r.1).collect());
    let moment = Moment { end, ..Moment::at(Epoch(now as u64), now) };
    let output = whole.step(moment, vec![delta]).unwrap();
    output.replaces.then(|| output.changes.iter().flat_map(texts).collect())
}

fn texts(rows: &Delta) -> Vec<String> {
    let keys = rows.column(0).as_string::<i32>();
    let epochs = rows.column(1).as_primitive::<Int64Type>();
    assert!((0..rows.len()).all(|row| rows.weight(row) == 1));
    let text = |row| {
        format!("{}@{}", if keys.is_null(row) { "-" } else { keys.value(row) }, epochs.value(row))
    };
    use arrow::array::Array;
    (0..rows.len()).map(text).collect()
}

#[test]
fn a_result_is_handed_over_when_its_oldest_change_is_due() {
    let mut whole = whole(Some(100));
    assert_eq!(step(&mut whole, 1000, false, &[]), None);
    assert_eq!(whole.next_due(), None);
    assert_eq!(step(&mut whole, 1010, false, &[(Some("b"), 1), (None, 2)]), None);
    assert_eq!(step(&mut whole, 1050, false, &[(Some("a"), 1)]), None);
    assert_eq!(whole.next_due(), Some(1110));
    let all = step(&mut whole, 1110, false, &[(None, -1)]).unwrap();
    assert_eq!(all, ["-@1110", "a@1110", "b@1110"]);
    assert_eq!(step(&mut whole, 2000, false, &[]), None, "nothing changed");
    assert_eq!(step(&mut whole, 2010, false, &[(Some("a"), -1)]), None);
    assert_eq!(step(&mut whole, 2020, true, &[]).unwrap(), ["-@2020", "b@2020"]);
    assert_eq!(step(&mut whole, 2030, true, &[]), None);
}

#[test]
fn the_end_hands_over_an_empty_result() {
    let mut whole = whole(None);
    assert_eq!(step(&mut whole, 1, false, &[(Some("a"), 1)]), None);
    assert_eq!(step(&mut whole, 2, true, &[(Some("a"), -1)]), Some(vec![]));
}

#[test]
fn what_waits_survives_a_snapshot() {
    let mut old = whole(Some(100));
    assert_eq!(step(&mut old, 1000, false, &[(Some("b"), 2)]), None);
    let mut new = whole(Some(100));
    for (from, to) in old.tables().into_iter().zip(new.tables()) {
        let groups = from.groups();
        let keys = from.key_columns(&groups).unwrap();
        let found = to.find_or_create(&keys, groups.len()).unwrap().groups;
        for (old, new) in groups.iter().zip(found) {
            *to.columns[0].i64_mut().get_mut(new) = *from.columns[0].i64().get(*old);
        }
    }
    new.loaded().unwrap();
    assert_eq!(new.next_due(), Some(1100));
    assert_eq!(step(&mut new, 1100, false, &[]).unwrap(), ["b@1100", "b@1100"]);
}
