//! The formats of this build through files on a local disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::Int32Type;
use brooklet_core::connector::{SinkSpec, SourceSpec, find_format};
use brooklet_core::env::{CrashPoint, World};
use brooklet_core::format::DecodeSpec;
use brooklet_core::options::Options;
use brooklet_core::partition::{in_files, with_partition};
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::sink::{EpochOutput, RolledFile, TableOutput};
use brooklet_core::source::{Budget, Input, Payload, SplitRange};
use brooklet_core::types::SqlType;
use brooklet_core::{Delta, Env, Epoch, ErrorKind, Instance, Result, Source};
use brooklet_formats::FORMATS;

use super::CONNECTOR;

struct Still;

impl World for Still {
    fn now(&self) -> i64 {
        0
    }
    fn random(&self) -> u64 {
        0
    }
    fn at(&self, _: CrashPoint) -> Result<()> {
        Ok(())
    }
}

/// `name STRING, n INT`, and with `day` that column in the directories.
fn table(path: &str, format: &str, more: &[(&str, &str)], day: bool) -> Arc<TableDef> {
    let column = |name: &str, ty| ColumnDef {
        name: name.into(),
        ty,
        nullable: true,
        kind: ColumnKind::Physical,
        comment: None,
    };
    let mut columns = vec![column("name", SqlType::STRING), column("n", SqlType::Int)];
    if day {
        columns.insert(0, column("day", SqlType::STRING));
    }
    let options = [("connector", "filesystem"), ("path", path), ("format", format)];
    let options = options.iter().chain(more).map(|(k, v)| (k.to_string(), v.to_string()));
    Arc::new(TableDef {
        name: "t".into(),
        columns,
        watermark: None,
        primary_key: vec![],
        partitioned_by: if day { vec!["day".into()] } else { vec![] },
        options: Options(BTreeMap::from_iter(options)),
        comment: None,
    })
}

async fn write(table: &Arc<TableDef>, file: &str, names: &[Option<&str>]) -> Result<()> {
    let spec = SinkSpec {
        pipeline: "p".into(),
        instance: Instance("inst".into()),
        generation: 1,
        fresh: false,
        doubt: None,
        tables: vec![Arc::clone(table)],
        formats: FORMATS,
        env: Env::new(Still),
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(names.to_vec())),
        Arc::new(Int32Array::from_iter_values(0..names.len() as i32)),
    ];
    let schema = table.physical_schema();
    let schema = schema.project(&[schema.index_of("name")?, schema.index_of("n")?])?;
    let rows = RecordBatch::try_new(Arc::new(schema), columns)?;
    let files = vec![RolledFile { name: file.into(), rows: vec![Delta::inserts(rows)] }];
    let tables = vec![TableOutput { files, ..TableOutput::default() }];
    let mut sink = (CONNECTOR.sink.unwrap().open)(spec).await?;
    sink.commit(&[EpochOutput { epoch: Epoch(1), tables }]).await
}

async fn open(table: &Arc<TableDef>) -> Box<dyn Source> {
    let spec = SourceSpec {
        schema: table.physical_schema(),
        table: Arc::clone(table),
        positions: None,
        held: Vec::new(),
        waker: Arc::new(|| {}),
        formats: FORMATS,
        env: Env::new(Still),
    };
    (CONNECTOR.source.unwrap().open)(spec).await.unwrap()
}

/// Rows as text, and why records gave none: decoded as ingest does.
fn seen(table: &TableDef, input: &Input) -> (Vec<String>, Vec<String>) {
    let schema = table.physical_schema();
    let spec = DecodeSpec::new(in_files(&schema, &table.partitioned_by), table.options.clone());
    let format = find_format(FORMATS, table.options.get("format").unwrap()).unwrap();
    let (mut rows, mut reasons) = (Vec::new(), Vec::new());
    for split in &input.splits {
        let deltas = match &split.payload {
            Payload::None => vec![],
            Payload::Rows(deltas) => deltas.clone(),
            Payload::Raw(batch) => {
                let decoded = format.decoder.unwrap()(&spec).unwrap().decode(batch, 0..batch.len());
                let reason = |b: &brooklet_core::format::BadRecord| {
                    format!("{}: {}", batch.offset(b.record), b.reason)
                };
                reasons.extend(decoded.bad.iter().map(reason));
                let (by, values) = (&table.partitioned_by, batch.rarely().partition());
                let rows = with_partition(&schema, by, values, &decoded.rows.rows).unwrap();
                vec![decoded.rows.with_rows(rows)]
            }
        };
        for delta in deltas {
            for i in 0..delta.len() {
                let cell = |c: &ArrayRef| match c.as_string_opt::<i32>() {
                    _ if c.is_null(i) => "NULL".to_string(),
                    Some(texts) => texts.value(i).to_string(),
                    None => c.as_primitive::<Int32Type>().value(i).to_string(),
                };
                rows.push(delta.rows.columns().iter().map(cell).collect::<Vec<_>>().join("|"));
            }
        }
    }
    (rows, reasons)
}

const ALL: Budget = Budget { max_rows: 1_000, max_bytes: 1 << 20 };

const HEADER: (&str, &str) = ("brooklet.csv.header", "true");

#[tokio::test]
async fn what_the_sink_writes_the_source_reads() {
    let names = [Some("a\n\"b\", c"), None, Some("ü")];
    let expected = ["a\n\"b\", c|0", "NULL|1", "ü|2"];
    let null = ("csv.null-literal", "NULL");
    for (format, more, day) in [
        ("csv", vec![null], false),
        ("csv", vec![null, HEADER], false),
        ("csv", vec![null, HEADER], true),
        ("avro", vec![], false),
        ("avro", vec![("avro.codec", "zstandard")], true),
        ("json", vec![], false),
        ("parquet", vec![], false),
    ] {
        let root = tempfile::tempdir().unwrap();
        let table = table(root.path().to_str().unwrap(), format, &more, day);
        let (name, before) = if day { ("day=7/part-0", "7|") } else { ("part-0", "") };
        write(&table, name, &names).await.unwrap();
        let input = open(&table).await.poll(ALL).await.unwrap();
        let (rows, reasons) = seen(&table, &input);
        assert_eq!(rows, expected.map(|row| format!("{before}{row}")), "{format} {more:?}");
        assert_eq!(reasons, [""; 0]);
        assert!(input.ended);
    }
}

#[tokio::test]
async fn csv_files_are_read_in_pieces_and_again() {
    let root = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
    put("a.csv", "n,name\r\n1,\"x\r\ny\"\r\n\"2\",z\r\n3,w");
    put("b.csv", "name,n\nv,4\n\nu,five\n\"t\",6\n");
    let table = table(root.path().to_str().unwrap(), "csv", &[HEADER], false);
    let mut source = open(&table).await;
    let (mut rows, mut reasons, mut inputs) = (vec![], vec![], vec![]);
    loop {
        let input = source.poll(Budget { max_rows: 2, ..ALL }).await.unwrap();
        let (more, bad) = seen(&table, &input);
        rows.extend(more);
        reasons.extend(bad);
        let ended = input.ended;
        inputs.push(input);
        if ended {
            break;
        }
    }
    assert_eq!(rows, ["x\r\ny|1", "z|2", "w|3", "v|4", "t|6"]);
    // The header is record 0.
    let expected =
        ["2: the record has 1 fields, but the table 2 columns", "3: field 'n': 'five' is no INT"];
    assert_eq!(reasons, expected);
    let mut again = open(&table).await;
    for input in &inputs {
        let ranges: Vec<SplitRange> = input.splits.iter().map(|s| s.range.clone()).collect();
        let repeated = again.replay(&ranges).await.unwrap();
        assert_eq!(seen(&table, &repeated), seen(&table, input));
    }
}

#[tokio::test]
async fn a_header_of_other_columns_is_an_error_that_names_the_file() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("a.csv"), "name,m\nx,1\n").unwrap();
    let table = table(root.path().to_str().unwrap(), "csv", &[HEADER], false);
    let error = open(&table).await.poll(ALL).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.to_string().contains("'m', which is no column"), "{error}");
    assert!(error.to_string().contains("a.csv"), "{error}");
}
