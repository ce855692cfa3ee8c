//! On a local directory always, and in a bucket when BROOKLET_TEST_S3 names a server: the same
//! cases.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int64Type, Schema};
use brooklet_core::connector::{Format, SinkSpec, SourceSpec};
use brooklet_core::env::{CrashPoint, World};
use brooklet_core::format::{
    DecodeSpec, Decoded, Decoder, EncodeSpec, Encoder, RecordOfRow, Records,
};
use brooklet_core::options::Options;
use brooklet_core::partition::with_partition;
use brooklet_core::raw::RawBatch;
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::sink::{EpochOutput, RolledFile, TableOutput};
use brooklet_core::source::{Budget, Input, Payload, SplitId, SplitPosition, SplitRange};
use brooklet_core::types::SqlType;
use brooklet_core::{Delta, Env, Epoch, Error, ErrorKind, Instance, Result, Sink, Source};
use brooklet_testkit::services::Bucket;
use bytes::Bytes;

use super::CONNECTOR;

/// Counts up for randomness; stops at the n-th visit of a crash point.
#[derive(Default)]
struct Fixed {
    random: AtomicU64,
    crash: Mutex<Option<usize>>,
}

impl World for Fixed {
    fn now(&self) -> i64 {
        0
    }
    fn random(&self) -> u64 {
        self.random.fetch_add(1, Ordering::Relaxed)
    }
    fn at(&self, point: CrashPoint) -> Result<()> {
        assert_eq!(point, CrashPoint::MidUpload);
        let mut crash = self.crash.lock().unwrap();
        match *crash {
            Some(0) => {
                *crash = None;
                Err(Error::bug("crash"))
            }
            Some(n) => {
                *crash = Some(n - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A record per line, its text the first column: small enough to see through.
struct Plain;

impl Encoder for Plain {
    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        let mut records = Records::default();
        for value in rows.column(0).as_string::<i32>().iter() {
            records.bytes.extend_from_slice(value.unwrap_or("-").as_bytes());
            records.ends.push(records.bytes.len());
        }
        Ok(records)
    }
}

struct PlainDecoder(DecodeSpec);

impl Decoder for PlainDecoder {
    fn decode(&mut self, batch: &RawBatch, range: std::ops::Range<usize>) -> Decoded {
        let text = range.map(|i| String::from_utf8(batch.value(i).unwrap().to_vec()).unwrap());
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(text));
        let rows = RecordBatch::try_new(self.0.schema.clone(), vec![column]).unwrap();
        Decoded { rows: Delta::inserts(rows), record_of_row: RecordOfRow::Same, bad: vec![] }
    }
}

/// A whole file: its lines are the rows.
fn encode_whole(_: &EncodeSpec, rows: &[Delta]) -> Result<Bytes> {
    let mut text = String::new();
    for delta in rows {
        for value in delta.column(0).as_string::<i32>().iter().flatten() {
            text.push_str(&format!("<{value}>\n"));
        }
    }
    Ok(text.into())
}

fn decode_whole(spec: &DecodeSpec, bytes: Bytes) -> Result<Vec<RecordBatch>> {
    let text = std::str::from_utf8(&bytes).unwrap();
    let rows: Vec<&str> = text.lines().map(|l| l.trim_matches(['<', '>'])).collect();
    let batch = |rows: &[&str]| {
        let column: ArrayRef = Arc::new(StringArray::from(rows.to_vec()));
        RecordBatch::try_new(spec.schema.clone(), vec![column]).unwrap()
    };
    Ok(rows.chunks(2).map(batch).collect())
}

const NONE: Format = Format {
    name: "",
    options: &[],
    decoder: None,
    encoder: None,
    decode_file: None,
    encode_file: None,
    registry: None,
    framing: None,
    changelog: false,
    extension: "",
};
static FORMATS: &[Format] = &[
    Format {
        name: "plain",
        decoder: Some(|spec| Ok(Box::new(PlainDecoder(spec.clone())))),
        encoder: Some(|_| Ok(Box::new(Plain))),
        ..NONE
    },
    Format {
        name: "whole",
        decode_file: Some(decode_whole),
        encode_file: Some(encode_whole),
        ..NONE
    },
    Format { name: "nothing", ..NONE },
];

fn table(path: &str, format: &str, partitioned: bool) -> TableDef {
    let column = |name: &str, ty| ColumnDef {
        name: name.into(),
        ty,
        nullable: true,
        kind: ColumnKind::Physical,
        comment: None,
    };
    let options = [("connector", "filesystem"), ("path", path), ("format", format)];
    let mut columns = vec![column("v", SqlType::STRING)];
    if partitioned {
        columns.insert(0, column("n", SqlType::BigInt));
        columns.push(column("day", SqlType::STRING));
    }
    let keys: &[&str] = if partitioned { &["n", "day"] } else { &[] };
    TableDef {
        name: "t".into(),
        columns,
        watermark: None,
        primary_key: vec![],
        partitioned_by: keys.iter().map(|k| k.to_string()).collect(),
        options: Options(BTreeMap::from(options.map(|(k, v)| (k.to_string(), v.to_string())))),
        comment: None,
    }
}

async fn sink(table: TableDef, env: Env) -> Result<Box<dyn Sink>> {
    let spec = SinkSpec {
        pipeline: "p".into(),
        instance: Instance("inst".into()),
        generation: 1,
        fresh: false,
        doubt: None,
        tables: vec![Arc::new(table)],
        formats: FORMATS,
        env,
    };
    (CONNECTOR.sink.unwrap().open)(spec).await
}

async fn source(table: TableDef, at: Option<Vec<SplitPosition>>) -> Result<Box<dyn Source>> {
    let spec = SourceSpec {
        schema: table.physical_schema(),
        table: Arc::new(table),
        positions: at,
        held: Vec::new(),
        waker: Arc::new(|| {}),
        formats: FORMATS,
        env: Env::new(Fixed::default()),
    };
    (CONNECTOR.source.unwrap().open)(spec).await
}

fn failure<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(e) => e,
    }
}

fn file(name: &str, values: &[&str]) -> RolledFile {
    let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
    let rows = RecordBatch::try_from_iter([("v", column)]).unwrap();
    RolledFile { name: name.into(), rows: vec![Delta::inserts(rows)] }
}

fn epoch(number: u64, files: Vec<RolledFile>) -> EpochOutput {
    let tables = vec![TableOutput { files, ..TableOutput::default() }];
    EpochOutput { epoch: Epoch(number), tables }
}

/// Everything below a directory, hidden files as well.
fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_string());
            }
        }
    }
    found.sort();
    found
}

const ALL: Budget = Budget { max_rows: 1_000, max_bytes: 1 << 20 };

fn rows_of(max_rows: usize) -> Budget {
    Budget { max_rows, ..ALL }
}

/// The text of every record or row, in order, and `split:from-to` of what was read.
fn seen(input: &Input) -> (Vec<String>, Vec<String>) {
    let (mut values, mut ranges) = (Vec::new(), Vec::new());
    for split in &input.splits {
        let range = &split.range;
        if range.from != range.to {
            ranges.push(format!("{}:{}-{}", range.split, range.from, range.to));
        }
        match &split.payload {
            Payload::None => {}
            Payload::Raw(batch) => values.extend((0..batch.len()).map(|i| {
                let text = std::str::from_utf8(batch.value(i).unwrap()).unwrap();
                format!("{}@{}", text, batch.offset(i))
            })),
            Payload::Rows(deltas) => values.extend(deltas.iter().flat_map(|d| {
                let i = d.rows.schema().index_of("v").unwrap();
                let column = d.column(i).as_string::<i32>().clone();
                column.iter().map(|v| v.unwrap().to_string()).collect::<Vec<_>>()
            })),
        }
    }
    (values, ranges)
}

#[tokio::test]
async fn puts_whole_files_and_repeats_them() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b");
    for (format, expected) in [("plain", "x\n1 y\n"), ("whole", "<x>\n<1 y>\n")] {
        let mut sink =
            sink(table(path.to_str().unwrap(), format, false), Env::new(Fixed::default()))
                .await
                .unwrap();
        assert_eq!(sink.committed().await.unwrap(), None);
        let files =
            vec![file("k=1%3A0/part-inst-1-0-0", &["x", "1 y"]), file("part-inst-1-0-1", &["z"])];
        for _ in 0..2 {
            sink.commit(&[epoch(1, files.clone()), epoch(2, vec![])]).await.unwrap();
        }
        assert_eq!(tree(&path), ["k=1%3A0/part-inst-1-0-0", "part-inst-1-0-1"]);
        let content = std::fs::read_to_string(path.join("k=1%3A0/part-inst-1-0-0")).unwrap();
        assert_eq!(content, expected);
    }
}

#[tokio::test]
async fn a_crash_leaves_no_partial_file_and_a_replay_tidies_up() {
    let files = || vec![file("d/part-inst-1-0-0", &["aaaa"]), file("d/part-inst-1-0-1", &["b"])];
    for visit in 0..4 {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        let env = Env::new(Fixed { crash: Mutex::new(Some(visit)), ..Fixed::default() });
        let mut crashed = sink(table(path, "plain", false), env).await.unwrap();
        crashed.commit(&[epoch(1, files())]).await.unwrap_err();
        let visible: Vec<String> =
            tree(root.path()).into_iter().filter(|n| !n.contains("/.")).collect();
        assert_eq!(visible.len(), visit / 2, "files before the crash: {visible:?}");
        let mut again =
            sink(table(path, "plain", false), Env::new(Fixed::default())).await.unwrap();
        again.commit(&[epoch(1, files())]).await.unwrap();
        assert_eq!(tree(root.path()), ["d/part-inst-1-0-0", "d/part-inst-1-0-1"]);
        assert_eq!(std::fs::read(root.path().join("d/part-inst-1-0-0")).unwrap(), b"aaaa\n");
    }
}

#[tokio::test]
async fn a_mark_is_there_after_all_files_whatever_crashes() {
    let output = || {
        let files = vec![file("d=1/part-inst-1-0-0", &["a"]), file("d=2/part-inst-1-0-0", &["b"])];
        let mut marked = epoch(1, files);
        marked.tables[0].marks = vec!["d=1/_SUCCESS".into()];
        [marked, epoch(2, vec![file("d=1/part-inst-2-0-0", &["c"])])]
    };
    let all = ["d=1/_SUCCESS", "d=1/part-inst-1-0-0", "d=1/part-inst-2-0-0", "d=2/part-inst-1-0-0"];
    // Each file and each mark has two points to crash at.
    for visit in 0..8 {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        let env = Env::new(Fixed { crash: Mutex::new(Some(visit)), ..Fixed::default() });
        let mut crashed = sink(table(path, "plain", false), env).await.unwrap();
        crashed.commit(&output()).await.unwrap_err();
        assert!(!root.path().join("d=1/_SUCCESS").exists(), "crash {visit}");
        let mut again =
            sink(table(path, "plain", false), Env::new(Fixed::default())).await.unwrap();
        for _ in 0..2 {
            again.commit(&output()).await.unwrap();
            assert_eq!(tree(root.path()), all, "crash {visit}");
        }
        assert_eq!(std::fs::read(root.path().join(all[0])).unwrap(), b"");
    }
}

#[tokio::test]
async fn sinks_say_what_is_wrong() {
    let env = || Env::new(Fixed::default());
    let error = failure(sink(table("/tmp", "nothing", false), env()).await);
    assert!(error.message.contains("can only be read"), "{error}");
    let error = failure(sink(table("/tmp", "xml", false), env()).await);
    assert!(error.message.contains("no format 'xml'"), "{error}");
    let mut single = sink(table("/tmp", "plain", false), env()).await.unwrap();
    let mut output = epoch(1, vec![]);
    output.tables[0].changes = file("x", &["a"]).rows;
    assert_eq!(single.commit(&[output]).await.unwrap_err().kind, ErrorKind::Bug);
    let mut blocked = sink(table("/proc/nowhere", "plain", false), env()).await.unwrap();
    let error = blocked.commit(&[epoch(1, vec![file("f", &["a"])])]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Outside, "{error}");
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    root
}

#[tokio::test]
async fn lines_are_read_in_order_within_the_budget() {
    let root = directory(&[
        ("b.txt", "b0\r\n\nb2"),
        ("a/z.txt", "a0\na1\na2\n"),
        ("a/_SUCCESS", "x\n"),
        (".hidden/x", "x\n"),
        ("empty", ""),
    ]);
    let t = || table(root.path().to_str().unwrap(), "plain", false);
    let mut source_ = source(t(), None).await.unwrap();
    let first = source_.poll(rows_of(2)).await.unwrap();
    assert_eq!(seen(&first).0, ["a0@0", "a1@1"]);
    assert!(!first.ended);
    let splits: Vec<&str> = first.splits.iter().map(|s| &*s.range.split.0).collect();
    assert_eq!(splits, ["a/z.txt", "b.txt", "empty"]);
    let second = source_.poll(rows_of(2)).await.unwrap();
    assert_eq!(
        seen(&second),
        (vec!["a2@2".into(), "b0@0".into()], vec!["a/z.txt:2-3".into(), "b.txt:0-1".into()])
    );
    let third = source_.poll(ALL).await.unwrap();
    assert_eq!(seen(&third).0, ["b2@2"]);
    assert!(third.ended && third.splits.iter().all(|s| s.caught_up));
    assert!(source_.poll(ALL).await.unwrap().is_empty());
    source_.release(&[]).await.unwrap();

    // A restart replays the recorded range and goes on after it.
    let at = |split: &str, offset| SplitPosition { split: SplitId::new(split), offset };
    let mut again = source(t(), Some(vec![at("a/z.txt", 2), at("b.txt", 0)])).await.unwrap();
    let ranges: Vec<SplitRange> = second.splits.iter().map(|s| s.range.clone()).collect();
    assert_eq!(seen(&again.replay(&ranges).await.unwrap()), seen(&second));
    assert_eq!(seen(&again.poll(ALL).await.unwrap()), seen(&third));
}

#[tokio::test]
async fn small_budgets_in_bytes_still_make_progress() {
    let root = directory(&[("f", "aaaa\nbbbb\ncc\n")]);
    let mut source =
        source(table(root.path().to_str().unwrap(), "plain", false), None).await.unwrap();
    let budget = Budget { max_rows: 10, max_bytes: 6 };
    assert_eq!(seen(&source.poll(budget).await.unwrap()).0, ["aaaa@0", "bbbb@1"]);
    assert_eq!(seen(&source.poll(budget).await.unwrap()).0, ["cc@2"]);
}

#[tokio::test]
async fn a_single_file_and_whole_files() {
    let root = directory(&[("f", "<r0>\n<r1>\n<r2>\n<r3>\n<r4>\n")]);
    let path = format!("file://{}/f", root.path().display());
    let mut source_ = source(table(&path, "whole", false), None).await.unwrap();
    let first = source_.poll(rows_of(3)).await.unwrap();
    assert_eq!(seen(&first), (vec!["r0".into(), "r1".into(), "r2".into()], vec!["f:0-3".into()]));
    let second = source_.poll(ALL).await.unwrap();
    assert_eq!(seen(&second).0, ["r3", "r4"]);
    assert!(second.ended);
    let mut again = source(table(&path, "whole", false), None).await.unwrap();
    for input in [&first, &second] {
        let ranges: Vec<SplitRange> = input.splits.iter().map(|s| s.range.clone()).collect();
        assert_eq!(seen(&again.replay(&ranges).await.unwrap()), seen(input));
    }
}

#[tokio::test]
async fn partition_columns_come_from_directories() {
    for format in ["plain", "whole"] {
        let root = directory(&[
            ("n=7/day=10%3A00/f", "x\ny\n"),
            ("n=__DEFAULT_PARTITION__/day=d/f", "z\n"),
        ]);
        let t = table(root.path().to_str().unwrap(), format, true);
        let (schema, partitioned_by) = (t.physical_schema(), t.partitioned_by.clone());
        let mut source = source(t, None).await.unwrap();
        let input = source.poll(ALL).await.unwrap();
        let mut found = Vec::new();
        for split in &input.splits {
            let deltas = match &split.payload {
                Payload::Rows(deltas) => deltas.clone(),
                // Decoded elsewhere; the values travel with the records.
                Payload::Raw(batch) => {
                    let texts: Vec<&str> = (0..batch.len())
                        .map(|i| std::str::from_utf8(batch.value(i).unwrap()).unwrap())
                        .collect();
                    let own = Schema::new(vec![schema.field_with_name("v").unwrap().clone()]);
                    let texts: ArrayRef = Arc::new(StringArray::from(texts));
                    let rows = RecordBatch::try_new(Arc::new(own), vec![texts]).unwrap();
                    let (by, values) = (&partitioned_by, batch.rarely().partition());
                    vec![Delta::inserts(with_partition(&schema, by, values, &rows).unwrap())]
                }
                Payload::None => panic!("every file has rows"),
            };
            for delta in deltas {
                assert_eq!(delta.rows.schema(), schema);
                let n: &Int64Array = delta.column(0).as_primitive::<Int64Type>();
                for i in 0..delta.len() {
                    let (v, day) = (delta.column(1).as_string::<i32>(), delta.column(2));
                    let day = day.as_string::<i32>().value(i);
                    let n = n.iter().nth(i).unwrap();
                    found.push(format!("{n:?} {} {day}", v.value(i)));
                }
            }
        }
        assert_eq!(found, ["Some(7) x 10:00", "Some(7) y 10:00", "None z d"], "{format}");
    }
    let root = directory(&[("n=seven/day=d/f", "x\n")]);
    let mut wrong =
        source(table(root.path().to_str().unwrap(), "plain", true), None).await.unwrap();
    let error = wrong.poll(ALL).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Data);
    assert!(error.to_string().contains("n=seven"), "{error}");
}

#[tokio::test]
async fn what_is_gone_is_reported() {
    let root = directory(&[("f", "a\nb\n")]);
    let path = root.path().to_str().unwrap();
    let range = |split: &str, from, to| SplitRange { split: SplitId::new(split), from, to };
    for ranges in [[range("f", 0, 3)], [range("g", 0, 1)]] {
        let mut source = source(table(path, "plain", false), None).await.unwrap();
        assert_eq!(source.replay(&ranges).await.unwrap_err().kind, ErrorKind::Corrupt);
    }
    let gone = vec![SplitPosition { split: SplitId::new("g"), offset: 1 }];
    let error = failure(source(table(path, "plain", false), Some(gone)).await);
    assert_eq!(error.kind, ErrorKind::Corrupt);
    let short = vec![SplitPosition { split: SplitId::new("f"), offset: 5 }];
    let mut short = source(table(path, "plain", false), Some(short)).await.unwrap();
    assert_eq!(short.poll(ALL).await.unwrap_err().kind, ErrorKind::Corrupt);
    let error = failure(source(table("/no/such/place", "plain", false), None).await);
    assert_eq!((error.kind, error.retry), (ErrorKind::Outside, false));
    let mut watched = table(path, "plain", false);
    watched.options.0.insert("source.monitor-interval".into(), "1 s".into());
    assert_eq!(failure(source(watched, None).await).kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_bucket_holds_what_was_put() {
    let Some(bucket) = Bucket::from_env() else { return };
    let path = bucket.url("filesystem");
    let mut sink = sink(table(&path, "plain", false), Env::new(Fixed::default())).await.unwrap();
    let files = vec![
        file("k=10%3A29 x/part-inst-1-0-0", &["x", "y"]),
        file("part-inst-1-0-1", &["z"]),
        file("_SUCCESS", &["-"]),
    ];
    for _ in 0..2 {
        sink.commit(&[epoch(1, files.clone())]).await.unwrap();
    }
    let mut source_ = source(table(&path, "plain", false), None).await.unwrap();
    let input = source_.poll(ALL).await.unwrap();
    assert_eq!(
        seen(&input),
        (
            vec!["x@0".into(), "y@1".into(), "z@0".into()],
            vec!["k=10%3A29 x/part-inst-1-0-0:0-2".into(), "part-inst-1-0-1:0-1".into()]
        )
    );
    let one = table(&format!("{path}/part-inst-1-0-1"), "plain", false);
    let mut one = source(one, None).await.unwrap();
    assert_eq!(seen(&one.poll(ALL).await.unwrap()).0, ["z@0"]);
    let error =
        failure(source(table("s3://brooklet-no-such-bucket/x", "plain", false), None).await);
    assert_eq!(error.kind, ErrorKind::Outside, "{error}");
}

/// What a start asks whose journal is empty, or has lost its end at an epoch.
async fn doubting(path: &str, instance: &str, end: u64, fresh: bool) -> Result<()> {
    let spec = SinkSpec {
        pipeline: "p".into(),
        instance: Instance(instance.into()),
        generation: 1,
        fresh,
        doubt: Some(Epoch(end)),
        tables: vec![Arc::new(table(path, "plain", false))],
        formats: FORMATS,
        env: Env::new(Fixed::default()),
    };
    (CONNECTOR.sink.unwrap().open)(spec).await.map(drop)
}

#[tokio::test]
async fn files_that_the_journal_does_not_know_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out");
    let path = path.to_str().unwrap();
    doubting(path, "inst", 0, false).await.unwrap();
    let mut sink = sink(table(path, "plain", false), Env::new(Fixed::default())).await.unwrap();
    sink.commit(&[epoch(7, vec![file("k=1/part-inst-7-0-0", &["x"])])]).await.unwrap();
    std::fs::write(Path::new(path).join("part-of-something-else"), "y").unwrap();

    doubting(path, "inst", 7, false).await.unwrap();
    let torn = doubting(path, "inst", 6, false).await.unwrap_err();
    assert_eq!(torn.kind, ErrorKind::Corrupt, "{torn}");
    let lost = doubting(path, "other", 0, false).await.unwrap_err();
    assert!(lost.kind == ErrorKind::Corrupt && lost.message.contains("--fresh"), "{lost}");
    doubting(path, "other", 0, true).await.unwrap();
}
