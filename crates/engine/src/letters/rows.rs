//! Letters as rows of the table they are written to.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::SchemaRef;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use brooklet_core::types::UTC;
use brooklet_core::{Error, Result};

use super::Letter;

/// The columns of [`brooklet_plan::letters::letter_columns`], in that order.
pub fn batch(schema: &SchemaRef, letters: &[Letter]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Letter) -> Option<String>| -> ArrayRef {
        Arc::new(letters.iter().map(of).collect::<StringArray>())
    };
    let offsets: Int64Array = letters.iter().map(|l| l.offset).collect();
    let times: TimestampMillisecondArray = letters.iter().map(|l| l.timestamp).collect();
    let bytes: Vec<Option<(String, &str)>> =
        letters.iter().map(|l| l.bytes.as_deref().map(shown)).collect();
    let content: StringArray = bytes.iter().map(|b| b.as_ref().map(|(text, _)| text)).collect();
    let encoding: StringArray = bytes.iter().map(|b| b.as_ref().map(|(_, name)| *name)).collect();
    let columns: Vec<ArrayRef> = vec![
        text(&|l| Some(l.kind.name().to_string())),
        text(&|l| Some(l.table.clone())),
        text(&|l| l.split.as_ref().map(ToString::to_string)),
        Arc::new(offsets),
        Arc::new(times.with_timezone(UTC)),
        text(&|l| Some(l.reason.clone())),
        text(&|l| Some(l.node.clone())),
        Arc::new(content),
        Arc::new(encoding),
        text(&|l| l.row.clone()),
    ];
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|e| Error::bug("letters do not fit their table").caused_by(e))
}

/// Bytes as text: as they are, or as Base64 when they are no UTF-8.
fn shown(bytes: &[u8]) -> (String, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_string(), "utf-8"),
        Err(_) => (STANDARD.encode(bytes), "base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        assert_eq!(shown(b"{\"a\": \xc3\xa9"), ("{\"a\": \u{e9}".to_string(), "utf-8"));
        assert_eq!(shown(b"\xff\x00"), ("/wA=".to_string(), "base64"));
        assert_eq!(shown(b""), (String::new(), "utf-8"));
    }
}
