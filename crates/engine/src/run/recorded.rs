//! Rows that stand in the journal because their source cannot give them again.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use brooklet_core::epoch::{SourceInput, SplitRows};
use brooklet_core::source::{Input, Payload, SplitInput};
use brooklet_core::{Delta, Error, Result};

use crate::ipc;

/// What the record keeps of an input.
pub fn rows(input: &Input) -> Result<Vec<SplitRows>> {
    let of_split = |split: &SplitInput| {
        let Payload::Rows(rows) = &split.payload else { return None };
        let batches = rows.iter().map(text).collect::<Result<_>>();
        Some(batches.map(|batches| SplitRows { split: split.range.split.clone(), batches }))
    };
    input.splits.iter().filter_map(of_split).collect()
}

/// The input that was recorded.
pub fn input(recorded: &SourceInput, schema: &SchemaRef) -> Result<Input> {
    let of_split = |range: &brooklet_core::source::SplitRange| {
        let mut rows = Vec::new();
        let kept = recorded.rows.iter().filter(|kept| kept.split == range.split);
        for batch in kept.flat_map(|kept| &kept.batches) {
            rows.extend(deltas(batch, schema)?);
        }
        let payload = if rows.is_empty() { Payload::None } else { Payload::Rows(rows) };
        Ok(SplitInput { range: range.clone(), payload, caught_up: true })
    };
    let splits = recorded.ranges.iter().map(of_split).collect::<Result<_>>()?;
    Ok(Input { splits, ended: recorded.ended })
}

fn text(rows: &Delta) -> Result<Arc<str>> {
    Ok(STANDARD.encode(ipc::write(rows)?).into())
}

fn deltas(text: &str, schema: &SchemaRef) -> Result<Vec<Delta>> {
    let what = "rows in the journal";
    let broken = |e| Error::corrupt(format!("{what} cannot be read")).caused_by(e);
    ipc::read(&STANDARD.decode(text).map_err(broken)?, schema, what)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use brooklet_core::source::{SplitId, SplitRange};

    use super::*;

    fn recorded(rows: Vec<Delta>) -> SourceInput {
        let range = SplitRange { split: SplitId::new("rows"), from: 3, to: 5 };
        let split =
            SplitInput { range: range.clone(), payload: Payload::Rows(rows), caught_up: true };
        let rows = super::rows(&Input { splits: vec![split], ended: true }).unwrap();
        let ranges = vec![range];
        let of_epoch = SourceInput {
            table: "t".into(),
            ranges,
            idle: vec![],
            ended: true,
            rows,
            schemas: vec![],
        };
        serde_json::from_str(&serde_json::to_string(&of_epoch).unwrap()).unwrap()
    }

    fn given(recorded: &SourceInput, schema: &SchemaRef) -> Vec<Delta> {
        let mut input = input(recorded, schema).unwrap();
        assert!(input.ended);
        match input.splits.remove(0).payload {
            Payload::Rows(rows) => rows,
            other => panic!("rows were expected, not {other:?}"),
        }
    }

    #[test]
    fn rows_and_weights_come_back_from_a_line_of_the_journal() {
        let fields =
            vec![Field::new("a", DataType::Int64, true), Field::new("s", DataType::Utf8, true)];
        let schema = Arc::new(Schema::new(fields));
        let a = Int64Array::from(vec![Some(1), None]);
        let s = StringArray::from(vec![None, Some("é\n\"")]);
        let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(a), Arc::new(s)]).unwrap();
        let ones = Delta::inserts(rows.slice(0, 1));
        let taken_back = Delta::new(rows.clone(), vec![-1, 2]);
        let rows_again = given(&recorded(vec![ones.clone(), taken_back.clone()]), &schema);
        assert_eq!(rows_again.len(), 2);
        assert_eq!((&rows_again[0].rows, rows_again[0].weight(0)), (&ones.rows, 1));
        assert_eq!((&rows_again[1].rows, &rows_again[1].weights), (&rows, &taken_back.weights));
        assert!(rows_again[1].rows.column(0).is_null(1));
    }

    #[test]
    fn rows_without_columns_keep_their_number() {
        let schema = Arc::new(Schema::empty());
        let count = RecordBatchOptions::new().with_row_count(Some(4));
        let rows = RecordBatch::try_new_with_options(schema.clone(), vec![], &count).unwrap();
        let again = given(&recorded(vec![Delta::inserts(rows)]), &schema);
        assert_eq!(again.iter().map(Delta::len).sum::<usize>(), 4);
    }

    #[test]
    fn damage_is_no_panic() {
        let schema = Arc::new(Schema::empty());
        for text in ["?", "AAAA", ""] {
            let e = deltas(text, &schema).unwrap_err();
            assert_eq!(e.kind, brooklet_core::ErrorKind::Corrupt, "{text}");
        }
    }
}
