//! debezium-json to weighted rows: the json decoder reads before, after and op as columns, then
//! each record's rows are picked from the two sides.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use brooklet_core::format::{BadRecord, DecodeSpec, Decoded, Decoder, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::{Delta, Result};

use super::options::{self, PREFIX};
use crate::json::{JsonDecoder, ReadOptions};

/// Opens the decoder of the debezium-json format.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    let options = ReadOptions::new(&spec.options, PREFIX)?;
    let row = DataType::Struct(spec.schema.fields().clone());
    let mut fields = Fields::from(vec![
        Field::new("before", row.clone(), true),
        Field::new("after", row, true),
        Field::new("op", DataType::Utf8, true),
    ]);
    let in_payload = options::schema_include(&spec.options)?;
    if in_payload {
        fields = Fields::from(vec![Field::new("payload", DataType::Struct(fields), true)]);
    }
    Ok(Box::new(DebeziumDecoder {
        json: JsonDecoder::new(Arc::new(Schema::new(fields)), options)?,
        schema: spec.schema.clone(),
        in_payload,
        ignore_errors: options.ignore_errors,
    }))
}

struct DebeziumDecoder {
    json: JsonDecoder,
    schema: SchemaRef,
    in_payload: bool,
    ignore_errors: bool,
}

/// Which side of a change a row comes from.
const BEFORE: usize = 0;
const AFTER: usize = 1;

/// Rows picked so far.
#[derive(Default)]
struct Picked {
    /// (side, row)
    rows: Vec<(usize, usize)>,
    weights: Vec<i64>,
    records: Vec<u32>,
}

impl Decoder for DebeziumDecoder {
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let first = range.start;
        let (changes, records, mut bad) = self.json.decode_rows(batch, range);
        let payload: Option<&StructArray> = self.in_payload.then(|| changes.column(0).as_struct());
        let columns = payload.map_or(changes.columns(), |p| p.columns());
        let sides: [&StructArray; 2] = [columns[0].as_struct(), columns[1].as_struct()];
        let ops = columns[2].as_string::<i32>();
        let mut picked = Picked::default();
        for row in 0..changes.num_rows() {
            let record = match &records {
                RecordOfRow::Same => (first + row) as u32,
                RecordOfRow::Each(each) => each[row],
            };
            let present = payload.is_none_or(|p| p.is_valid(row)) && ops.is_valid(row);
            let op = if present { ops.value(row) } else { "" };
            if let Err(reason) = pick(op, row, record, sides, &mut picked) {
                bad.push(BadRecord { record: record as usize, reason, skip: self.ignore_errors });
            }
        }
        bad.sort_by_key(|b| b.record);
        let rows = self.gather(sides, &picked.rows);
        let rows = Delta::new(rows, picked.weights);
        Decoded { rows, record_of_row: RecordOfRow::Each(picked.records), bad }
    }
}

impl DebeziumDecoder {
    fn gather(&self, sides: [&StructArray; 2], rows: &[(usize, usize)]) -> RecordBatch {
        let column = |k: usize| -> ArrayRef {
            let arrays: [&dyn Array; 2] = [sides[BEFORE].column(k), sides[AFTER].column(k)];
            interleave(&arrays, rows).expect("both sides have the same types")
        };
        let columns = (0..self.schema.fields().len()).map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("the sides have the schema's types and NULL sides are not picked")
    }
}

/// Adds the rows of one change, or says why it has none.
fn pick(
    op: &str,
    row: usize,
    record: u32,
    sides: [&StructArray; 2],
    picked: &mut Picked,
) -> Result<(), String> {
    let changes: &[(usize, i64)] = match op {
        "c" | "r" => &[(AFTER, 1)],
        "u" => &[(BEFORE, -1), (AFTER, 1)],
        "d" => &[(BEFORE, -1)],
        "" => return Err("the change has no 'op'".to_string()),
        other => return Err(format!("'{other}' is no 'op': c, r, u and d are known")),
    };
    for (side, _) in changes {
        if sides[*side].is_null(row) {
            return Err(match *side {
                AFTER => format!("the change has op '{op}' but no 'after'"),
                _ => format!(
                    "the change has op '{op}' but no 'before': let the database send whole rows \
                     (Postgres: REPLICA IDENTITY FULL)"
                ),
            });
        }
    }
    for (side, weight) in changes {
        picked.rows.push((*side, row));
        picked.weights.push(*weight);
        picked.records.push(record);
    }
    Ok(())
}
