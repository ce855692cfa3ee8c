//! Format `parquet`: whole files of the filesystem connector.
//!
//! ```sql
//! CREATE TABLE archive (id BIGINT, at TIMESTAMP(3))
//! WITH ('connector' = 'filesystem', 'path' = 's3a://bucket/archive', 'format' = 'parquet',
//!       'parquet.compression' = 'ZSTD');
//! ```
//!
//! **Writing.** Names and types are Flink's: DECIMAL as FIXED_LEN_BYTE_ARRAY, lists and maps in
//! the standard three-level form, NOT NULL as REQUIRED. Text and numbers are dictionary-encoded
//! where that is smaller. The same rows give the same bytes.
//!
//! **Reading.** Columns are found by name, also inside ROWs; a column the file lacks is NULL.
//! Types are cast where the file's differ.
//!
//! **Differences from Flink.** TIMESTAMP is always written as INT64, as Flink does with
//! `parquet.write.int64.timestamp` = true: INT96 is deprecated, and every reader knows INT64.
//! INT96 can be read. Times are those of UTC, as with `parquet.utc-timezone` = true. Of the codecs
//! UNCOMPRESSED, SNAPPY and ZSTD (level 1) exist.

mod decode;
mod encode;
mod options;
#[cfg(test)]
mod tests;

use brooklet_core::connector::Format;

pub const FORMAT: Format = Format {
    name: "parquet",
    options: options::OPTIONS,
    decoder: None,
    encoder: None,
    decode_file: Some(decode::file),
    encode_file: Some(encode::file),
    registry: None,
    framing: None,
    changelog: false,
    extension: "parquet",
};
