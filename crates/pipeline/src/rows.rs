//! Final rows of a changelog, and their text.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;

use brooklet_core::connector::find_format;
use brooklet_core::format::EncodeSpec;
use brooklet_core::options::Options;
use brooklet_core::schema::ColumnDef;
use brooklet_core::types::SqlType;
use brooklet_core::{Delta, Error, Result};
use brooklet_engine::ops::rows::consolidate;
use brooklet_formats::FORMATS;

/// What is left when all changes are applied, a row of weight n as n rows.
pub fn net(schema: &SchemaRef, changes: &[Delta]) -> Result<Vec<RecordBatch>> {
    let Some(rows) = consolidate(schema, changes)? else { return Ok(Vec::new()) };
    let mut indices = Vec::new();
    for row in 0..rows.len() {
        let times = usize::try_from(rows.weight(row))
            .map_err(|_| Error::bug("a row was taken back that had not been there"))?;
        indices.extend(std::iter::repeat_n(row as u32, times));
    }
    Ok(vec![rows.take(&indices)?.rows])
}

/// The cells of each row as CAST(… AS STRING) shows them; None is NULL.
pub fn cells(columns: &[ColumnDef], rows: &RecordBatch) -> Result<Vec<Vec<Option<String>>>> {
    let mut cells = vec![Vec::with_capacity(rows.num_columns()); rows.num_rows()];
    for (def, column) in columns.iter().zip(rows.columns()) {
        let texts = brooklet_functions::cast(column, &def.ty, &SqlType::STRING, false);
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
