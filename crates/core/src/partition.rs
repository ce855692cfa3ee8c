//! Partition columns as directory names: `key=value`, escaped as Hive and Flink do.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Schema, SchemaRef};

use crate::Result;

/// The directory of rows whose partition value is NULL or the empty string, unless the table's
/// option `partition.default-name` says otherwise.
pub const DEFAULT_NAME: &str = "__DEFAULT_PARTITION__";

/// The directory of a partition, `day=2024-01-15/hour=10%3A00`, without a slash at its ends.
/// The values are the columns' text; NULL and the empty string become [`DEFAULT_NAME`].
pub fn partition_path(columns: &[(&str, Option<String>)]) -> String {
    partition_path_named(columns, DEFAULT_NAME)
}

/// [`partition_path`] with another name for NULL and the empty string.
pub fn partition_path_named(columns: &[(&str, Option<String>)], default_name: &str) -> String {
    let mut path = String::new();
    for (i, (key, value)) in columns.iter().enumerate() {
        if i > 0 {
            path.push('/');
        }
        escape(key, &mut path);
        path.push('=');
        match value.as_deref() {
            None | Some("") => escape(default_name, &mut path),
            Some(value) => escape(value, &mut path),
        }
    }
    path
}

/// The columns and values in the directories of a path, outermost first: the way back from
/// [`partition_path`]. Directories without `=` are passed over, the last component is the file.
pub fn partition_values(path: &str, default_name: &str) -> Vec<(String, Option<String>)> {
    let Some((directories, _file)) = path.rsplit_once('/') else { return Vec::new() };
    let of_directory = |directory: &str| {
        let (key, value) = directory.split_once('=')?;
        let value = unescape(value).into_owned();
        Some((unescape(key).into_owned(), (value != default_name).then_some(value)))
    };
    directories.split('/').filter_map(of_directory).collect()
}

/// The columns that stand in files of a table partitioned by some others.
pub fn in_files(schema: &SchemaRef, partitioned_by: &[String]) -> SchemaRef {
    if partitioned_by.is_empty() {
        return schema.clone();
    }
    let kept = schema.fields().iter().filter(|f| !partitioned_by.contains(f.name()));
    Arc::new(Schema::new(kept.cloned().collect::<Vec<_>>()))
}

/// Rows with their partition columns, whose `values` (one row each) are those of the whole batch:
/// `rows` has the other columns of `schema`.
pub fn with_partition(
    schema: &SchemaRef,
    partitioned_by: &[String],
    values: &[ArrayRef],
    rows: &RecordBatch,
) -> Result<RecordBatch> {
    let first = UInt32Array::from(vec![0; rows.num_rows()]);
    let (mut values, mut others) = (values.iter(), rows.columns().iter());
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if !partitioned_by.contains(field.name()) {
            columns.extend(others.next().cloned());
        } else if let Some(value) = values.next() {
            columns.push(compute::take(value, &first, None)?);
        }
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if must_escape(c) {
            out.push_str(&format!("%{:02X}", c as u32));
        } else {
            out.push(c);
        }
    }
}

/// The characters Hive escapes: controls, and what means something in a path or a shell.
/// A space is left alone.
fn must_escape(c: char) -> bool {
    c < ' '
        || matches!(
            c,
            '"' | '#'
                | '%'
                | '\''
                | '*'
                | '/'
                | ':'
                | '='
                | '?'
                | '\\'
                | '\u{7F}'
                | '{'
                | '['
                | ']'
                | '^'
        )
}

/// Undoes [`escape`]; a `%` that is not followed by two hexadecimal digits stands for itself.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match bytes.get(i + 1..i + 3).and_then(hex_byte).filter(|_| bytes[i] == b'%') {
            Some(byte) => {
                out.push(byte);
                i += 3;
            }
            None => {
                out.push(bytes[i]);
                i += 1;
            }
        }
    }
    match String::from_utf8(out) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(text),
    }
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| (d as char).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(columns: &[(&str, Option<&str>)]) -> String {
        let owned: Vec<_> = columns.iter().map(|(k, v)| (*k, v.map(str::to_string))).collect();
        partition_path(&owned)
    }

    #[test]
    fn writes_what_flink_writes() {
        assert_eq!(
            path(&[("window_start", Some("2024-01-15 10:29:00"))]),
            "window_start=2024-01-15 10%3A29%3A00"
        );
        assert_eq!(path(&[("y", Some("2024")), ("m", Some("01"))]), "y=2024/m=01");
        assert_eq!(path(&[("k", None), ("l", Some(""))]), format!("k={0}/l={0}", DEFAULT_NAME));
        assert_eq!(path(&[("a=b", Some("x/y%\u{1}"))]), "a%3Db=x%2Fy%25%01");
        assert_eq!(path(&[("stadt", Some("Köln"))]), "stadt=Köln");
        assert_eq!(path(&[]), "");
    }

    #[test]
    fn reads_back_what_it_writes() {
        let columns =
            [("p q".to_string(), Some("a/b=c%d:e\"f\u{7f}ü".to_string())), ("r".to_string(), None)];
        let borrowed: Vec<_> = columns.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let file = format!("sub/{}/part-1.parquet", partition_path(&borrowed));
        assert_eq!(partition_values(&file, DEFAULT_NAME), columns);
    }

    #[test]
    fn a_stray_percent_stands_for_itself() {
        let value = |v: &str| partition_values(&format!("k={v}/f"), DEFAULT_NAME)[0].1.clone();
        assert_eq!(value("100%"), Some("100%".into()));
        assert_eq!(value("%zz%4"), Some("%zz%4".into()));
        assert_eq!(value("%FF"), Some("%FF".into()), "not UTF-8 once unescaped");
        assert_eq!(value(""), Some(String::new()));
        assert_eq!(partition_values("file", DEFAULT_NAME), []);
    }
}
