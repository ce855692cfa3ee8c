//! Final rows of a changelog, and their text.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::SchemaRef;

use brooklet_core::connector::find_format;
use brooklet_core::format::EncodeSpec;
use brooklet_core::options::Options;
use brooklet_core::schema::ColumnDef;
use brooklet_core::{Delta, Error, Result};
use brooklet_engine::ops::rows::consolidate;
use brooklet_formats::FORMATS;
use brooklet_plan::node::ORDER;

/// What is left when all changes are applied, a row of weight n as n rows; in the query's order if
/// it has one.
pub fn net(schema: &SchemaRef, changes: &[Delta]) -> Result<Vec<RecordBatch>> {
    net_rows(schema, changes)?.iter().map(in_order).collect()
}

/// Changes without the column that says the query's order.
pub fn without_order(changes: &[Delta]) -> Result<Vec<Delta>> {
    let shown = |delta: &Delta| match has_order(&delta.rows.schema()) {
        false => Ok(delta.clone()),
        true => Ok(delta.with_rows(without_last(&delta.rows)?)),
    };
    changes.iter().map(shown).collect()
}

pub fn has_order(schema: &SchemaRef) -> bool {
    schema.fields().last().is_some_and(|f| f.name() == ORDER)
}

fn in_order(rows: &RecordBatch) -> Result<RecordBatch> {
    if !has_order(&rows.schema()) {
        return Ok(rows.clone());
    }
    let order = rows.column(rows.num_columns() - 1);
    let indices = compute::sort_to_indices(order, None, None)?;
    without_last(&compute::take_record_batch(rows, &indices)?)
}

fn without_last(rows: &RecordBatch) -> Result<RecordBatch> {
    let all: Vec<usize> = (0..rows.num_columns() - 1).collect();
    Ok(rows.project(&all)?)
}

fn net_rows(schema: &SchemaRef, changes: &[Delta]) -> Result<Vec<RecordBatch>> {
    let Some(rows) = consolidate(schema, changes)? else { return Ok(Vec::new()) };
    let mut indices = Vec::new();
    for row in 0..rows.len() {
        let times = usize::try_from(rows.weight(row))
            .map_err(|_| Error::bug("a row was taken back that had not been there"))?;
        indices.extend(std::iter::repeat_n(row as u32, times));
    }
    Ok(vec![rows.take(&indices)?.rows])
}

/// The cells of each row as Flink shows them; None is NULL.
pub fn cells(columns: &[ColumnDef], rows: &RecordBatch) -> Result<Vec<Vec<Option<String>>>> {
    let mut cells = vec![Vec::with_capacity(rows.num_columns()); rows.num_rows()];
    for (def, column) in columns.iter().zip(rows.columns()) {
        let texts = brooklet_functions::printed(column, &def.ty);
        let texts = texts.map_err(|e| Error::data(e.message))?;
        let texts = texts.as_string::<i32>().iter().map(|text| text.map(str::to_string));
        cells.iter_mut().zip(texts).for_each(|(row, text)| row.push(text));
    }
    Ok(cells)
}

/// One object a row, exactly as Flink's `json` format writes them.
pub fn json_lines(schema: &SchemaRef, rows: &[RecordBatch]) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    json_objects(schema, rows, |object| {
        lines.extend_from_slice(object);
        lines.push(b'\n');
    })?;
    Ok(lines)
}

/// The same objects in one array.
pub fn json_array(schema: &SchemaRef, rows: &[RecordBatch]) -> Result<Vec<u8>> {
    let mut array = vec![b'['];
    json_objects(schema, rows, |object| {
        if array.len() > 1 {
            array.push(b',');
        }
        array.extend_from_slice(object);
    })?;
    array.extend_from_slice(b"]\n");
    Ok(array)
}

fn json_objects(
    schema: &SchemaRef,
    rows: &[RecordBatch],
    mut take: impl FnMut(&[u8]),
) -> Result<()> {
    let spec = EncodeSpec { schema: schema.clone(), options: Options(BTreeMap::new()) };
    let json = find_format(FORMATS, "json").and_then(|f| f.encoder);
    let mut encoder = json.ok_or_else(|| Error::bug("there is a json format"))?(&spec)?;
    for batch in rows {
        encoder.encode(&Delta::inserts(batch.clone()))?.iter().for_each(&mut take);
    }
    Ok(())
}
