//! A whole Parquet file to the columns the plan reads.

use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StructArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use brooklet_core::format::DecodeSpec;
use brooklet_core::{Error, Result};
use bytes::Bytes;

const BATCH_ROWS: usize = 8_192;

/// The rows in order, at most 8,192 a batch.
pub(super) fn file(spec: &DecodeSpec, bytes: Bytes) -> Result<Vec<RecordBatch>> {
    let failed =
        |e: &dyn std::fmt::Display| Error::data(format!("the Parquet file cannot be read: {e}"));
    // An Arrow schema in the file would bring types the tables do not know.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .map_err(|e| failed(&e))?;
    let wanted = |name: &str| spec.schema.fields().iter().any(|f| f.name() == name);
    let roots: Vec<usize> = (0..builder.schema().fields().len())
        .filter(|i| wanted(builder.schema().field(*i).name()))
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()
        .map_err(|e| failed(&e))?;
    reader.map(|batch| to_schema(&batch.map_err(|e| failed(&e))?, spec)).collect()
}

fn to_schema(batch: &RecordBatch, spec: &DecodeSpec) -> Result<RecordBatch> {
    let columns = spec
        .schema
        .fields()
        .iter()
        .map(|field| {
            let column = batch.column_by_name(field.name());
            to_field(column, field, batch.num_rows())
                .map_err(|e| Error::data(format!("column '{}': {e}", field.name())))
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(spec.schema.clone(), columns, &options)?)
}

/// The column as the field's type: fields of ROWs by name, everything else cast.
fn to_field(column: Option<&ArrayRef>, field: &Field, rows: usize) -> Result<ArrayRef> {
    let Some(column) = column else {
        return Ok(new_null_array(field.data_type(), rows));
    };
    match (field.data_type(), column.data_type()) {
        (wanted, found) if wanted == found => Ok(column.clone()),
        (DataType::Struct(fields), DataType::Struct(_)) => {
            let from: &StructArray = column.as_struct();
            let arrays = fields
                .iter()
                .map(|f| to_field(from.column_by_name(f.name()), f, rows))
                .collect::<Result<_>>()?;
            let nulls = from.nulls().cloned();
            let array = StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows)?;
            Ok(Arc::new(array))
        }
        (wanted, _) => Ok(cast(column, wanted)?),
    }
}
