//! What is asked, kept, forgotten, given and taken back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type};

use brooklet_core::lookup::LookupCache;
use brooklet_core::schema::TableDef;
use brooklet_plan::NodeOp;

use super::*;

const FOREVER: LookupCache = LookupCache {
    max_keys: None,
    expire_after_write_ms: None,
    expire_after_access_ms: None,
    keeps_missing: true,
};

/// A table outside: id → names; remembers what it was asked.
#[derive(Default)]
struct Outside {
    names: BTreeMap<i32, Vec<&'static str>>,
    asked: Vec<Vec<i32>>,
}

impl Outside {
    fn answer(&mut self, keys: &RecordBatch) -> Result<Answers> {
        let ids = keys.column(0).as_primitive::<Int32Type>().values().to_vec();
        let (mut names, mut of) = (Vec::new(), Vec::new());
        for (i, id) in ids.iter().enumerate() {
            for name in self.names.get(id).into_iter().flatten() {
                names.push(*name);
                of.push(i as u32);
            }
        }
        self.asked.push(ids);
        let names: ArrayRef = Arc::new(StringArray::from(names));
        Ok(Answers { rows: RecordBatch::try_new(columns(), vec![names])?, of })
    }
}

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true)]))
}

fn input() -> SchemaRef {
    let field = |name: &str, ty| Field::new(name, ty, true);
    Arc::new(Schema::new(vec![field("n", DataType::Int64), field("id", DataType::Int32)]))
}

fn lookup(outer: bool, cache: Option<LookupCache>, append_only: bool) -> Lookup {
    let table = TableDef {
        name: "t".into(),
        columns: vec![],
        watermark: None,
        primary_key: vec![],
        partitioned_by: vec![],
        options: Default::default(),
        comment: None,
    };
    let spec = LookupSpec {
        table: Arc::new(table),
        built_in: false,
        keys: vec![1],
        key_columns: Arc::new(Schema::new(vec![Field::new("id", DataType::Int32, true)])),
        columns: columns(),
        outer,
        filter: None,
        cache,
    };
    let fields = input().fields().iter().chain(columns().fields()).cloned().collect::<Vec<_>>();
    let below = Node {
        op: NodeOp::Union,
        inputs: vec![],
        schema: input(),
        append_only,
        key: None,
        ord: vec![],
        late: None,
        fingerprint: 0,
        label: "input".into(),
    };
    let schema = Arc::new(Schema::new(fields));
    let node = Node { op: NodeOp::Lookup(spec.clone()), schema, ..below.clone() };
    Lookup::new(&spec, &node, &below).unwrap()
}

/// Rows (n, id) with weights.
fn delta(rows: &[(i64, Option<i32>, i64)]) -> Delta {
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
    let id: ArrayRef = Arc::new(rows.iter().map(|r| r.1).collect::<Int32Array>());
    let batch = RecordBatch::try_new(input(), vec![n, id]).unwrap();
    Delta::new(batch, rows.iter().map(|r| r.2).collect())
}

/// (n, name, weight) of every row that comes out, sorted.
fn step(
    lookup: &mut Lookup,
    now: Millis,
    shards: Vec<Vec<Delta>>,
    outside: &mut Outside,
) -> Vec<(i64, Option<String>, i64)> {
    let outputs = lookup.step(now, shards, &mut |keys| outside.answer(keys)).unwrap();
    let mut out = Vec::new();
    for rows in outputs.iter().flat_map(|o| &o.rows) {
        let n = rows.column(0).as_primitive::<Int64Type>();
        let name = rows.column(2).as_string::<i32>();
        for row in 0..rows.len() {
            let name = name.iter().nth(row).flatten().map(str::to_string);
            out.push((n.value(row), name, rows.weight(row)));
        }
    }
    out.sort();
    out
}

fn some(name: &str) -> Option<String> {
    Some(name.to_string())
}

fn ann_and_bens() -> Outside {
    Outside { names: [(1, vec!["Ann"]), (2, vec!["Ben", "Bob"])].into(), asked: vec![] }
}

#[test]
fn keys_of_all_shards_are_asked_for_once_in_their_order() {
    let mut outside = ann_and_bens();
    let shards = vec![
        vec![delta(&[(1, Some(2), 1), (2, None, 1), (3, Some(9), 1)])],
        vec![],
        vec![delta(&[(4, Some(1), 1), (5, Some(2), 1)])],
    ];
    let out = step(&mut lookup(false, None, true), 0, shards.clone(), &mut outside);
    let ben_and_bob = |n| [(n, some("Ben"), 1), (n, some("Bob"), 1)];
    let matched = [&ben_and_bob(1)[..], &[(4, some("Ann"), 1)], &ben_and_bob(5)].concat();
    assert_eq!(out, matched);
    assert_eq!(outside.asked, [vec![1, 2, 9]]);

    let out = step(&mut lookup(true, None, true), 0, shards, &mut outside);
    let mut padded = [matched, vec![(2, None, 1), (3, None, 1)]].concat();
    padded.sort();
    assert_eq!(out, padded);
}

#[test]
fn without_keys_nobody_is_asked() {
    let mut outside = ann_and_bens();
    let mut lookup = lookup(true, None, true);
    assert_eq!(step(&mut lookup, 0, vec![vec![]], &mut outside), []);
    let out = step(&mut lookup, 0, vec![vec![delta(&[(1, None, 1)])]], &mut outside);
    assert_eq!((out, outside.asked.len()), (vec![(1, None, 1)], 0));
}

#[test]
fn what_is_known_is_not_asked_for_until_it_expires() {
    let limits = LookupCache { expire_after_write_ms: Some(100), keeps_missing: false, ..FOREVER };
    let mut lookup = lookup(true, Some(limits), true);
    let mut outside = ann_and_bens();
    let rows = || vec![vec![delta(&[(1, Some(1), 1), (2, Some(2), 1), (3, Some(9), 1)])]];
    let first = step(&mut lookup, 0, rows(), &mut outside);
    outside.names.clear();
    assert_eq!(step(&mut lookup, 99, rows(), &mut outside), first);
    assert_eq!(outside.asked, [vec![1, 2, 9], vec![9]], "a missing key is not kept");
    let late = step(&mut lookup, 100, rows(), &mut outside);
    assert_eq!(late, [(1, None, 1), (2, None, 1), (3, None, 1)]);
    assert_eq!(outside.asked[2], [1, 2, 9]);
}

#[test]
fn reading_keeps_a_key_that_expires_after_access() {
    let limits = LookupCache { expire_after_access_ms: Some(100), ..FOREVER };
    let mut lookup = lookup(true, Some(limits), true);
    let mut outside = ann_and_bens();
    for now in [0, 60, 120, 180] {
        step(&mut lookup, now, vec![vec![delta(&[(1, Some(1), 1)])]], &mut outside);
    }
    assert_eq!(outside.asked, [[1]]);
    step(&mut lookup, 280, vec![vec![delta(&[(1, Some(1), 1)])]], &mut outside);
    assert_eq!(outside.asked, [[1], [1]]);
}

#[test]
fn too_many_keys_push_the_oldest_out() {
    let limits = LookupCache { max_keys: Some(8), ..FOREVER };
    let mut lookup = lookup(true, Some(limits), true);
    let mut outside = ann_and_bens();
    for key in 0..8 {
        step(&mut lookup, key, vec![vec![delta(&[(1, Some(key as i32), 1)])]], &mut outside);
    }
    let asked = outside.asked.len();
    step(&mut lookup, 8, vec![vec![delta(&[(1, Some(0), 1)])]], &mut outside);
    assert_eq!(outside.asked.len(), asked, "all eight are known");
    step(&mut lookup, 9, vec![vec![delta(&[(1, Some(100), 1)])]], &mut outside);
    let again = (0..8).map(|key| (1, Some(key), 1)).collect::<Vec<_>>();
    step(&mut lookup, 10, vec![vec![delta(&again)]], &mut outside);
    assert_eq!(outside.asked.last().unwrap(), &[1, 2], "the least recently needed are gone");
}

/// A sweep more or less, as after a restart, must not decide what is known.
#[test]
fn what_has_expired_pushes_nobody_out() {
    let limits = LookupCache { max_keys: Some(4), expire_after_write_ms: Some(3_000), ..FOREVER };
    let ask = |lookup: &mut Lookup, now, keys: &[i32], outside: &mut Outside| {
        let rows: Vec<_> = keys.iter().map(|key| (1, Some(*key), 1)).collect();
        step(lookup, now, vec![vec![delta(&rows)]], outside);
    };
    let mut asked = Vec::new();
    for swept_between in [false, true] {
        let mut lookup = lookup(true, Some(limits), true);
        let mut outside = ann_and_bens();
        ask(&mut lookup, 0, &[1, 2], &mut outside);
        ask(&mut lookup, 2_500, &[3, 4], &mut outside);
        ask(&mut lookup, 2_900, &[1, 2], &mut outside);
        if swept_between {
            lookup.cache.iter_mut().for_each(|cache| cache.sweep_now(3_100));
        }
        // 1 and 2 have expired, though they were needed last; 3 and 4 have not.
        ask(&mut lookup, 3_100, &[5], &mut outside);
        ask(&mut lookup, 3_200, &[3, 4, 5], &mut outside);
        asked.push(outside.asked);
    }
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[0], [vec![1, 2], vec![3, 4], vec![5]]);
}

#[test]
fn what_is_taken_back_is_what_was_given() {
    let mut lookup = lookup(true, None, false);
    let mut outside = ann_and_bens();
    let add = |n, id| vec![vec![delta(&[(n, Some(id), 1)])]];
    assert_eq!(step(&mut lookup, 0, add(1, 1), &mut outside), [(1, some("Ann"), 1)]);
    outside.names.insert(1, vec!["Anna"]);
    // The same row once more is given the same, so that either can be taken back.
    assert_eq!(step(&mut lookup, 1, add(1, 1), &mut outside), [(1, some("Ann"), 1)]);
    assert_eq!(step(&mut lookup, 2, add(2, 1), &mut outside), [(2, some("Anna"), 1)]);
    let back = vec![vec![delta(&[(1, Some(1), -2)])], vec![delta(&[(2, Some(1), -1)])]];
    let out = step(&mut lookup, 3, back, &mut outside);
    assert_eq!(out, [(1, some("Ann"), -2), (2, some("Anna"), -1)]);
    assert!(lookup.tables().iter().all(|table| table.is_empty()));
    assert_eq!(outside.asked, [[1], [1]]);
    assert_eq!(step(&mut lookup, 4, add(1, 1), &mut outside), [(1, some("Anna"), 1)]);
}

#[test]
fn rows_that_come_and_go_within_an_epoch_leave_nothing() {
    let mut lookup = lookup(false, None, false);
    let mut outside = ann_and_bens();
    let shards =
        vec![vec![delta(&[(1, Some(2), -1)])], vec![delta(&[(1, Some(2), 1), (7, Some(1), -1)])]];
    let out = step(&mut lookup, 0, shards, &mut outside);
    let twice = |name| [(1, some(name), -1), (1, some(name), 1)];
    assert_eq!(out, [twice("Ben"), twice("Bob")].concat(), "row 7 was never given");
    assert!(lookup.tables().iter().all(|table| table.is_empty()));
}
