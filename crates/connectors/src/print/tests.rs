//! Lines against those Flink 2.3 printed for the device pipeline.

use std::io::Write;
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use brooklet_core::sink::{EpochOutput, TableOutput};
use brooklet_core::{Delta, Epoch, Sink};

use super::PrintSink;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn printed(identifier: &str, delta: Delta) -> String {
    let out = Shared::default();
    let mut sink = PrintSink::new(out.clone(), &[identifier.to_string()]);
    let table = TableOutput { changes: vec![delta], ..TableOutput::default() };
    sink.commit(&[EpochOutput { epoch: Epoch(1), tables: vec![table] }]).await.unwrap();
    let bytes = out.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    RecordBatch::try_from_iter_with_nullable(
        names.into_iter().zip(columns).map(|(n, c)| (n, c, true)),
    )
    .unwrap()
}

#[tokio::test]
async fn a_line_of_flinks_console() {
    let rows = batch(vec![
        Arc::new(TimestampMillisecondArray::from(vec![1_705_314_420_000])),
        Arc::new(StringArray::from(vec!["dev_6"])),
        Arc::new(Int64Array::from(vec![1])),
        Arc::new(Float64Array::from(vec![2.668])),
        Arc::new(Float64Array::from(vec![-103.0])),
        Arc::new(Float64Array::from(vec![46.77777777777778])),
        Arc::new(StringArray::from(vec!["N'Djamena"])),
        Arc::new(TimestampMillisecondArray::from(vec![1_705_314_451_416])),
    ]);
    let line = "+I[2024-01-15T10:27, dev_6, 1, 2.668, -103.0, 46.77777777777778, N'Djamena, \
                2024-01-15T10:27:31.416]\n";
    assert_eq!(printed("", Delta::inserts(rows)).await, line);
}

#[tokio::test]
async fn weights_nulls_and_java_numbers() {
    let rows = batch(vec![
        Arc::new(Int32Array::from(vec![Some(1), None])),
        Arc::new(Float64Array::from(vec![1e10, 1.5e-5])),
        Arc::new(Decimal128Array::from(vec![1200, -5]).with_precision_and_scale(10, 2).unwrap()),
        Arc::new(TimestampMillisecondArray::from(vec![-1, 1_705_276_740_000]).with_timezone("UTC")),
    ]);
    let lines = "x> -D[1, 1.0E10, 12.00, 1969-12-31T23:59:59.999Z]\n\
                 x> +I[null, 1.5E-5, -0.05, 2024-01-14T23:59:00Z]\n\
                 x> +I[null, 1.5E-5, -0.05, 2024-01-14T23:59:00Z]\n";
    assert_eq!(printed("x", Delta::new(rows, vec![-1, 2])).await, lines);
}
