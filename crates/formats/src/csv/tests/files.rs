//! Files to records, whatever blocks they are read in.

use super::*;
use arrow::array::{ArrayRef, StringArray};
use brooklet_core::Result;
use brooklet_core::format::Place;
use bytes::Bytes;

const HEADER: (&str, &str) = ("brooklet.csv.header", "true");

/// Reads in blocks of `size` bytes, as the filesystem source does with larger ones.
fn records(
    file: &[u8],
    table: &SchemaRef,
    pairs: &[(&str, &str)],
    size: usize,
) -> Result<RawBatch> {
    let spec = DecodeSpec::new(table.clone(), options(pairs));
    let mut framing = super::super::files::open(&spec)?;
    let (mut at, mut length) = (0, size);
    let mut found: Vec<Vec<u8>> = Vec::new();
    while at < file.len() {
        let end = (at + length).min(file.len());
        let place = Place { first: at == 0, last: end == file.len() };
        let framed = framing.frame(Bytes::copy_from_slice(&file[at..end]), place)?;
        found.extend(
            framed.records.iter().filter_map(|r| Some(framed.bytes[r.range.clone()?].to_vec())),
        );
        match framed.records.last() {
            Some(last) => (at, length) = (at + last.next, size),
            None => length *= 2,
        }
    }
    Ok(batch(&found))
}

/// The rows and the reasons of the records without one.
fn read(file: &str, pairs: &[(&str, &str)]) -> Result<(Vec<String>, Vec<String>)> {
    let table = schema(&[SqlType::STRING, SqlType::STRING]);
    let of = |size| -> Result<_> {
        let batch = records(file.as_bytes(), &table, pairs, size)?;
        let spec = DecodeSpec::new(table.clone(), options(pairs));
        let decoded = super::super::decode::open(&spec)?.decode(&batch, 0..batch.len());
        let reasons: Vec<String> = decoded.bad.into_iter().map(|b| b.reason).collect();
        Ok((show(&decoded.rows.rows), reasons))
    };
    let whole = of(file.len().max(1))?;
    for size in 1..file.len() {
        assert_eq!(of(size)?, whole, "{file:?} in blocks of {size}");
    }
    Ok(whole)
}

fn good(file: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    let (rows, reasons) = read(file, pairs).unwrap();
    assert_eq!(reasons, [""; 0], "{file:?}");
    rows
}

#[test]
fn records_of_files() {
    assert_eq!(good("a,b\r\nc,d", &[]), ["a|b", "c|d"]);
    assert_eq!(good("a,b\rc,d\r", &[]), ["a|b", "c|d"]);
    assert_eq!(good("\"a\n\r\nb\",\"c\"\"\n\"\nd,e\n", &[]), ["a\n\r\nb|c\"\n", "d|e"]);
    assert_eq!(good("\u{feff}a,b\n\u{feff}c,d\n", &[]), ["a|b", "c|d"]);
    assert_eq!(good("a,b,\nc,d\n", &[]), ["a|b", "c|d"]);
    assert_eq!(good("", &[]), [""; 0]);
    assert_eq!(good("a,b\n\n", &[IGNORE]), ["a|b", "|NULL"]);
    assert_eq!(good("a\n \nb,c\n", &[IGNORE]), ["a|NULL", " |NULL", "b|c"]);
    let comments = [("csv.allow-comments", "true")];
    assert_eq!(good(" a,b\n\n  #x\n c,d\n#y", &comments), ["a|b", "c|d"]);
    let escape = [("csv.escape-character", "\\")];
    assert_eq!(good("a\\\nb,\"c\\\"\n\"\nd,e\n", &escape), ["a\nb|c\"\n", "d|e"]);
}

#[test]
fn a_bad_record_does_not_reach_its_neighbours() {
    for (file, expected, reason) in [
        ("\"a\"x,b\nc,d\n", vec!["c|d"], "text follows a closing quote"),
        ("a,b\nc,d,e\nf,g\n", vec!["a|b", "f|g"], "the record has 3 fields"),
        ("a,b\n\nc,d\n", vec!["a|b", "c|d"], "the record has 1 fields"),
        ("a,b\nc,\"d\ne,f\n", vec!["a|b"], "a quote is not closed"),
    ] {
        let (rows, reasons) = read(file, &[]).unwrap();
        assert_eq!(rows, expected, "{file:?}");
        assert_eq!(reasons.len(), 1, "{file:?}");
        assert!(reasons[0].contains(reason), "{file:?}: {reasons:?}");
    }
}

#[test]
fn a_header_names_the_columns() {
    assert_eq!(good("f0,f1\na,b\n", &[HEADER]), ["a|b"]);
    assert_eq!(good("\u{feff}f1,\"f0\"\r\nb,\"a,\n\"\r\nd,c", &[HEADER]), ["a,\n|b", "c|d"]);
    assert_eq!(good("f1,f0\n", &[HEADER]), [""; 0]);
    assert_eq!(good("", &[HEADER]), [""; 0]);
    // Without the setting it is a record like the others.
    assert_eq!(good("f0,f1\na,b\n", &[]), ["f0|f1", "a|b"]);
    for (header, why) in [
        ("f0,x", "has 'x', which is no column of the table (f0, f1)"),
        ("f0", "lacks column 'f1'"),
        ("f0,f1,f1", "has column 'f1' twice"),
        ("f0,\"f1", "a quote is not closed"),
    ] {
        let error = read(&format!("{header}\na,b\n"), &[HEADER]).unwrap_err();
        assert!(error.message.contains(why), "{header}: {error}");
    }
    // Other numbers of fields are judged as without a header.
    let (rows, reasons) = read("f1,f0\nb\nb,a,x\nb,a,\n", &[HEADER]).unwrap();
    assert_eq!((rows, reasons.len()), (vec!["a|b".to_string()], 2));
    let null = ("csv.null-literal", "-");
    assert_eq!(good("f1,f0\nb\n", &[HEADER, IGNORE, null]), ["NULL|b"]);
}

#[test]
fn files_are_written_with_line_ends() {
    let column = |values: [&str; 2]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let rows =
        RecordBatch::try_from_iter([("a b", column(["x", "y z"])), ("c", column(["1", ""]))]);
    let rows = rows.unwrap();
    let write = |pairs: &[(&str, &str)], rows: &[Delta]| {
        let schema = schema(&[SqlType::STRING]);
        let schema = rows.first().map_or(schema, |delta| delta.rows.schema());
        let spec = EncodeSpec { schema, options: options(pairs) };
        String::from_utf8(super::super::files::write(&spec, rows).unwrap().to_vec()).unwrap()
    };
    let deltas = [Delta::inserts(rows.clone()), Delta::new(rows.slice(0, 1), vec![2])];
    assert_eq!(write(&[], &deltas), "x,1\n\"y z\",\nx,1\nx,1\n");
    assert_eq!(write(&[HEADER], &deltas), "\"a b\",c\nx,1\n\"y z\",\nx,1\nx,1\n");
    assert_eq!(write(&[HEADER], &[]), "f0\n");
}
