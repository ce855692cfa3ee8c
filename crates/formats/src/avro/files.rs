//! Object container files: a header with the schema, then blocks of records.

use arrow::array::RecordBatch;
use brooklet_core::format::{DecodeSpec, EncodeSpec};
use brooklet_core::{Delta, Error, Result};
use bytes::Bytes;
use md5::{Digest, Md5};

use super::cursor::{Cursor, write_bytes, write_long};
use super::read::Reader;
use super::shape::Shapes;
use super::write::Writer;
use super::{encode, options};
use crate::rows::Rows;

const MAGIC: [u8; 4] = *b"Obj\x01";
/// A block is finished at this size, before compression, as in Avro's own writers.
const BLOCK_BYTES: usize = 64_000;
const BATCH_ROWS: usize = 8_192;

/// The rows of a file in order, at most 8,192 a batch.
pub(super) fn read(spec: &DecodeSpec, bytes: Bytes) -> Result<Vec<RecordBatch>> {
    let mut file = Cursor(&bytes);
    let header = Header::read(&mut file).map_err(|e| broken("header", e))?;
    let schema = String::from_utf8_lossy(header.schema);
    let codec = options::codec(&header.codec).ok_or_else(|| {
        Error::data(format!(
            "the Avro file is compressed with '{}', which is not known here",
            header.codec
        ))
    })?;
    let reader = Reader::new(Shapes::parse(&schema)?, spec.schema.fields())?;
    let mut rows = Rows::new(spec.schema.clone())?;
    let mut batches = Vec::new();
    let mut number = 0u64;
    while !file.0.is_empty() {
        let (count, block) = next_block(&mut file, &header).map_err(|e| broken("blocks", e))?;
        let mut block = block.to_vec();
        codec
            .decompress(&mut block)
            .map_err(|e| Error::data("a block of the Avro file cannot be unpacked").caused_by(e))?;
        let mut records = Cursor(&block);
        for _ in 0..count {
            rows.push(|columns, row| reader.record(&mut records, columns, row))
                .map_err(|why| Error::data(format!("record {number} of the Avro file: {why}")))?;
            number += 1;
            if rows.count() == BATCH_ROWS {
                batches.push(rows.finish());
            }
        }
        if !records.0.is_empty() {
            return Err(broken("blocks", "a block is longer than its records"));
        }
    }
    if rows.count() > 0 {
        batches.push(rows.finish());
    }
    Ok(batches)
}

fn broken(part: &str, why: &str) -> Error {
    Error::data(format!("the Avro file cannot be read, its {part} are broken: {why}"))
}

struct Header<'a> {
    schema: &'a [u8],
    codec: String,
    /// Stands behind every block.
    sync: [u8; 16],
}

impl<'a> Header<'a> {
    fn read(file: &mut Cursor<'a>) -> Result<Header<'a>, &'static str> {
        if file.array()? != MAGIC {
            return Err("it does not begin as an Avro file");
        }
        let (mut schema, mut codec) = (None, "null".to_string());
        loop {
            let count = file.block()?;
            for _ in 0..count {
                let (key, value) = (file.bytes()?, file.bytes()?);
                match key {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = String::from_utf8_lossy(value).into_owned(),
                    _ => {}
                }
            }
            if count == 0 {
                break;
            }
        }
        let schema = schema.ok_or("there is no schema")?;
        Ok(Header { schema, codec, sync: file.array()? })
    }
}

/// The number of records of the next block, and the bytes they are packed in.
fn next_block<'a>(
    file: &mut Cursor<'a>,
    header: &Header<'_>,
) -> Result<(u64, &'a [u8]), &'static str> {
    let count = u64::try_from(file.long()?).map_err(|_| "a number of records is negative")?;
    let block = file.bytes()?;
    if file.array()? != header.sync {
        return Err("a block does not end where it says");
    }
    Ok((count, block))
}

/// A file of all rows in order; a row of weight n stands n times.
pub(super) fn write(spec: &EncodeSpec, rows: &[Delta]) -> Result<Bytes> {
    let (schema, writer) = encode::writer(spec)?;
    let (name, codec) = options::written_codec(&spec.options)?;
    let mut blocks = Blocks { codec, count: 0, open: Vec::new(), done: Vec::new() };
    for delta in rows {
        encode::check_inserts(delta)?;
        let columns = Writer::columns(&delta.rows)?;
        for row in 0..delta.len() {
            for _ in 0..delta.weight(row) {
                writer.record(&columns, row, &mut blocks.open)?;
                blocks.count += 1;
                if blocks.open.len() >= BLOCK_BYTES {
                    blocks.finish()?;
                }
            }
        }
    }
    blocks.finish()?;
    // The same rows give the same bytes: the mark between blocks follows from them.
    let mut digest = Md5::new();
    digest.update(&schema);
    blocks.done.iter().for_each(|(_, block)| digest.update(block));
    let sync: [u8; 16] = digest.finalize().into();

    let mut file = MAGIC.to_vec();
    write_long(2, &mut file);
    for (key, value) in [("avro.schema", schema.as_str()), ("avro.codec", name)] {
        write_bytes(key.as_bytes(), &mut file);
        write_bytes(value.as_bytes(), &mut file);
    }
    file.push(0);
    file.extend_from_slice(&sync);
    for (count, block) in blocks.done {
        write_long(count, &mut file);
        write_bytes(&block, &mut file);
        file.extend_from_slice(&sync);
    }
    Ok(file.into())
}

struct Blocks {
    codec: apache_avro::Codec,
    /// Records in the open block.
    count: i64,
    open: Vec<u8>,
    /// Packed, with their numbers of records.
    done: Vec<(i64, Vec<u8>)>,
}

impl Blocks {
    fn finish(&mut self) -> Result<()> {
        if self.count == 0 {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.open);
        self.codec
            .compress(&mut block)
            .map_err(|e| Error::data("a block of the Avro file cannot be packed").caused_by(e))?;
        self.done.push((std::mem::take(&mut self.count), block));
        Ok(())
    }
}
