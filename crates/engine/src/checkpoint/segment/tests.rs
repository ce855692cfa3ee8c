//! States larger than a segment, and what few and many changes in a chunk leave behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type};
use brooklet_core::{Error, Result};
use bytes::Bytes;

use super::{SEGMENT_BYTES, Segment, encode};
use crate::checkpoint::load::{ReadSegment, each_batch};
use crate::checkpoint::manifest::SegmentRef;
use crate::column::ValueType;
use crate::table::Table;

/// A table with a text per key, and its segments in memory.
struct Fixture {
    table: Table,
    stored: Stored,
    refs: Vec<SegmentRef>,
}

#[derive(Default)]
struct Stored(BTreeMap<String, Bytes>);

impl ReadSegment for Stored {
    fn read(&self, segment: &str) -> Result<Bytes> {
        self.0.get(segment).cloned().ok_or_else(|| Error::corrupt("no such segment"))
    }
}

fn table() -> Table {
    let key = Arc::new(Field::new("k", DataType::Int64, false));
    Table::new("t", vec![key], vec![0], &[ValueType::Bytes]).unwrap()
}

fn key(k: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![k]))
}

impl Fixture {
    fn new() -> Fixture {
        Fixture { table: table(), stored: Stored::default(), refs: Vec::new() }
    }
    fn put(&mut self, k: i64, text: &[u8]) {
        let group = self.table.find_or_create(&[key(k)], 1).unwrap().groups[0];
        self.table.set_blob(0, group, Some(text));
        self.table.touch(group);
    }
    fn remove(&mut self, k: i64) {
        let group = self.table.find_or_create(&[key(k)], 1).unwrap().groups[0];
        self.table.remove(group);
    }
    /// Stores what changed; `meanwhile` writes while it is not encoded yet.
    fn snapshot(&mut self, full: bool, meanwhile: impl FnOnce(&mut Fixture)) -> usize {
        let captured = self.table.capture(full);
        meanwhile(self);
        let before = self.stored.0.len();
        encode(vec![captured], |Segment { content, streams }| {
            let name = format!("{:04}", self.stored.0.len());
            self.refs.extend(streams.iter().map(|s| s.reference(name.clone(), &content)));
            self.stored.0.insert(name, content.into());
            Ok(())
        })
        .unwrap();
        self.stored.0.len() - before
    }
    /// What a start would find.
    fn loaded(&self) -> BTreeMap<i64, Vec<u8>> {
        let mut rows = BTreeMap::new();
        each_batch(std::slice::from_ref(&self.refs), &self.stored, |_, batch| {
            let keys = batch.column(2).as_primitive::<Int64Type>();
            let texts = batch.column(3).as_binary::<i32>();
            for row in 0..batch.num_rows() {
                let other = rows.insert(keys.value(row), texts.value(row).to_vec());
                assert!(other.is_none(), "each group comes once");
                assert!(texts.is_valid(row));
            }
            Ok(())
        })
        .unwrap();
        rows
    }
}

#[test]
fn a_large_state_becomes_several_segments_and_comes_back_whole() {
    let (mut f, mut expected) = (Fixture::new(), BTreeMap::new());
    let text = vec![b'x'; SEGMENT_BYTES / 1_500];
    for k in 0..4_000 {
        f.put(k, &text);
        expected.insert(k, text.clone());
    }
    assert!(f.snapshot(true, |_| ()) >= 3);
    // More than a batch holds, in one row.
    let long = vec![b'y'; SEGMENT_BYTES + 1];
    f.put(7, &long);
    f.remove(8);
    expected.insert(7, long);
    expected.remove(&8);
    f.snapshot(false, |_| ());
    assert!(f.loaded() == expected);
}

#[test]
fn a_capture_holds_what_was_there_however_many_groups_of_a_chunk_it_takes() {
    for changed in [1, 200, 256, 1_024] {
        let (mut f, mut expected) = (Fixture::new(), BTreeMap::new());
        for k in 0..2_000 {
            f.put(k, b"first");
            expected.insert(k, b"first".to_vec());
        }
        f.snapshot(true, |_| ());
        for k in 500..500 + changed {
            f.put(k, b"second");
            expected.insert(k, b"second".to_vec());
        }
        f.snapshot(false, |f| (0..2_000).for_each(|k| f.put(k, b"later")));
        assert!(f.loaded() == expected, "{changed} groups changed");
    }
}

#[test]
fn a_wrong_bit_is_noticed() {
    let mut f = Fixture::new();
    f.put(1, b"text");
    f.snapshot(true, |_| ());
    let content = f.stored.0.get_mut("0000").unwrap();
    let mut bytes = content.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    *content = bytes.into();
    let read = each_batch(std::slice::from_ref(&f.refs), &f.stored, |_, _| Ok(()));
    assert_eq!(read.unwrap_err().kind, brooklet_core::ErrorKind::Corrupt);
}
