//! Format `csv`: one record per Kafka message, or per row of a file, as Flink's csv format.
//!
//! ```sql
//! CREATE TABLE orders (id STRING, price DECIMAL(10, 2), at TIMESTAMP(3))
//! WITH ('connector' = 'filesystem', 'path' = 's3a://bucket/orders', 'format' = 'csv',
//!       'csv.null-literal' = '');
//! SET 'brooklet.table.orders.csv.header' = 'true';
//! ```
//!
//! **Reading.** Columns are found by position. Quotes count at the start of a field only; inside
//! them delimiters and line breaks are text and a quote is written twice. One empty field behind
//! the last column is accepted.
//!
//! | column | takes |
//! |---|---|
//! | BOOLEAN | true in any case; everything else is FALSE |
//! | TINYINT to BIGINT | whole numbers, with spaces around |
//! | FLOAT, DOUBLE | what Java reads as one, with spaces around |
//! | DECIMAL | numbers, rounded half up; NULL when too large |
//! | STRING | the field as it is, also when it is empty |
//! | BYTES | base64 |
//! | DATE | 2024-01-15, 2024-1-5; 2024-02-30 is 2024-03-01 |
//! | TIME | 10:30, 10:30:00.123, cut to the precision |
//! | TIMESTAMP | 2024-01-15 10:30:00.123; TIMESTAMP_LTZ ends in Z |
//! | ARRAY, ROW | scalars parted by `csv.array-element-delimiter`; empty: no element, NULL |
//!
//! Anything else makes the record bad, as do missing and further fields. With
//! `csv.ignore-parse-errors` such a field is NULL, missing fields are NULL, and a record with
//! further fields or a wrong quote is skipped.
//!
//! **Files.** `SET 'brooklet.table.<table>.csv.header' = 'true'` takes the first line of each file
//! as the columns' names: files may have them in any order, but must have exactly the table's.
//! Without it a first line of names is a record like the others, as in Flink.
//!
//! **Writing.** A text is quoted when it holds anything below the delimiter and the quote in ASCII
//! or is longer than 24 characters, as Flink does. Only insertions can be written.
//!
//! **Differences from Flink.** Delimiter, quote and escape character are ASCII. The number of
//! fields is checked against the whole table, whichever columns are read. NULL in a NOT NULL
//! column makes the record bad. A record that is not valid UTF-8 is bad, not the whole file.

mod convert;
mod decode;
mod encode;
mod files;
mod options;
mod scan;
#[cfg(test)]
mod tests;

use brooklet_core::connector::Format;

pub const FORMAT: Format = Format {
    name: "csv",
    options: options::OPTIONS,
    decoder: Some(decode::open),
    encoder: Some(encode::open),
    decode_file: None,
    encode_file: Some(files::write),
    registry: None,
    framing: Some(files::open),
    changelog: false,
    extension: "csv",
};
