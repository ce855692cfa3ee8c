//! Rows with their weights as bytes to keep: an Arrow IPC stream of one batch.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use brooklet_core::{Delta, Error, Result, Weights};

use crate::ops::map::{append, batch};

/// A column behind the others, only where a weight is not 1.
const WEIGHT: &str = "__weight";

pub fn write(rows: &Delta) -> Result<Vec<u8>> {
    let content = match &rows.weights {
        Weights::Ones => rows.rows.clone(),
        _ => append(&rows.rows, vec![(WEIGHT, Arc::new(rows.weight_array()))])?,
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &content.schema())?;
    writer.write(&content)?;
    Ok(writer.into_inner()?)
}

/// What [`write`] has written, of rows of that schema; `what` they are, for the error.
pub fn read(content: &[u8], schema: &SchemaRef, what: &str) -> Result<Vec<Delta>> {
    let broken = |e| Error::corrupt(format!("{what} cannot be read")).caused_by(e);
    let reader = StreamReader::try_new(Cursor::new(content), None).map_err(broken)?;
    let mut deltas = Vec::new();
    for rows in reader {
        let rows = rows.map_err(broken)?;
        let plain = schema.fields().len();
        if rows.num_columns() < plain {
            return Err(Error::corrupt(format!("{what} have fewer columns than the plan")));
        }
        let weights = rows.columns().get(plain).and_then(|w| w.as_primitive_opt::<Int64Type>());
        let content = batch(schema, rows.columns()[..plain].to_vec(), rows.num_rows())?;
        deltas.push(match weights {
            Some(weights) => Delta::new(content, weights.values().to_vec()),
            None => Delta::inserts(content),
        });
    }
    Ok(deltas)
}
