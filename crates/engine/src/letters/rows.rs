//! Letters as rows of the table they are written to.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMillisecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use brooklet_core::types::UTC;
use brooklet_core::{Error, Result};

use super::{Letter, Stamp};

/// Those columns of [`brooklet_plan::letters::letter_columns`] that a table has.
pub fn batch(schema: &SchemaRef, letters: &[Letter], stamp: &Stamp) -> Result<RecordBatch> {
    let column = |name: &str| column(name, letters, stamp);
    let columns = schema.fields().iter().map(|f| Ok(cast(&column(f.name())?, f.data_type())?));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(letters.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &rows)
        .map_err(|e| Error::bug("letters do not fit their table").caused_by(e))
}

fn column(name: &str, letters: &[Letter], stamp: &Stamp) -> Result<ArrayRef> {
    let text = |of: &dyn Fn(&Letter) -> Option<String>| -> ArrayRef {
        Arc::new(letters.iter().map(of).collect::<StringArray>())
    };
    let moments = |of: &dyn Fn(&Letter) -> Option<i64>| -> ArrayRef {
        let each = letters.iter().map(of).collect::<TimestampMillisecondArray>();
        Arc::new(each.with_timezone(UTC))
    };
    let content = |l: &Letter| l.bytes.as_deref().map(shown);
    Ok(match name {
        "kind" => text(&|l| Some(l.kind.name().to_string())),
        "source" => text(&|l| Some(l.table.clone())),
        "partition" => text(&|l| l.split.as_ref().map(ToString::to_string)),
        "offset" => Arc::new(letters.iter().map(|l| l.offset).collect::<Int64Array>()),
        "timestamp" => moments(&|l| l.timestamp),
        // A reason may quote the record, and texts of databases cannot hold a NUL.
        "reason" => text(&|l| Some(l.reason.replace('\0', "\\0"))),
        "node" => text(&|l| Some(l.node.clone())),
        "bytes" => text(&|l| content(l).map(|(text, _)| text)),
        "encoding" => text(&|l| content(l).map(|(_, encoding)| encoding.to_string())),
        "row" => text(&|l| l.row.clone()),
        "replayable" => {
            Arc::new(letters.iter().map(|l| Some(l.replayable)).collect::<BooleanArray>())
        }
        "set_aside_at" => moments(&|_| Some(stamp.now)),
        "instance" => text(&|_| Some(stamp.instance.to_string())),
        other => return Err(Error::bug(format!("letters have no column '{other}'"))),
    })
}

/// Bytes as text: as they are, or as Base64 when they are no UTF-8 or hold a NUL.
fn shown(bytes: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => (text.to_string(), "utf-8"),
        _ => (STANDARD.encode(bytes), "base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        assert_eq!(shown(b"{\"a\": \xc3\xa9"), ("{\"a\": \u{e9}".to_string(), "utf-8"));
        assert_eq!(shown(b"\xff\x00"), ("/wA=".to_string(), "base64"));
        assert_eq!(shown(b"a\x00"), ("YQA=".to_string(), "base64"));
        assert_eq!(shown(b""), (String::new(), "utf-8"));
    }
}
