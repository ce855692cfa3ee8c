//! Records of many writers to rows of one table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use brooklet_core::format::{DecodeSpec, Decoded, Decoder};
use brooklet_core::raw::RawBatch;
use brooklet_core::schemas::{Found, Schemas, WriterSchema};
use brooklet_core::{Error, Result};

use super::options;
use super::registry::Registry;
use super::wire;
use crate::avro::cursor::Cursor;
use crate::avro::read::Reader;
use crate::avro::shape::Shapes;
use crate::rows::Rows;

/// Opens the decoder of the format, which knows no schema yet.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    let expected = options::schema(&spec.options).map(|text| expected(text, spec)).transpose()?;
    let rows = Rows::new(spec.schema.clone())?;
    let schema = spec.schema.clone();
    Ok(Box::new(ConfluentDecoder { rows, schema, expected, readers: BTreeMap::new() }))
}

/// The registry that a table's options name.
pub(super) fn schemas(spec: &DecodeSpec) -> Result<Box<dyn Schemas>> {
    Ok(Box::new(OfTable(Registry::new(&spec.options)?)))
}

struct OfTable(Registry);

#[async_trait]
impl Schemas for OfTable {
    async fn reach(&self) -> Result<()> {
        self.0.reach().await
    }

    fn named(&self, batch: &RawBatch, to: &mut BTreeSet<u32>) {
        let mut last = None;
        for (id, _) in (0..batch.len()).filter_map(|i| wire::split(batch.value(i)?)) {
            if last != Some(id) {
                to.insert(id);
                last = Some(id);
            }
        }
    }

    async fn fetch(&self, id: u32) -> Result<Found> {
        self.0.schema(id).await
    }
}

/// The schema of the option, which must go together with the table whatever was written.
fn expected(text: &str, spec: &DecodeSpec) -> Result<Shapes> {
    let at = |e: Error| e.at("option 'avro-confluent.schema'");
    let shapes = Shapes::parse(text).map_err(at)?;
    let field = |name: &str| shapes.root.iter().any(|part| part.name == name);
    if let Some(lost) = spec.table.fields().iter().find(|column| !field(column.name())) {
        return Err(at(Error::config(format!(
            "the Avro schema has no field for column '{}'",
            lost.name()
        ))));
    }
    Reader::new(Shapes::parse(text)?, spec.table.fields()).map_err(at)?;
    Ok(shapes)
}

struct ConfluentDecoder {
    rows: Rows,
    schema: SchemaRef,
    expected: Option<Shapes>,
    /// By the number of the writer's schema; why there is none is the fault of each of its records.
    readers: BTreeMap<u32, Result<Reader, String>>,
}

impl ConfluentDecoder {
    fn reader(&self, schema: &WriterSchema) -> Result<Reader, String> {
        let text = match &schema.found {
            Found::Schema(text) => text,
            Found::Missing(reason) => return Err(reason.to_string()),
        };
        let reader = Shapes::parse(text).and_then(|shapes| {
            Reader::of_writer(shapes, self.schema.fields(), self.expected.as_ref())
        });
        reader.map_err(|e| format!("schema {}: {e}", schema.id))
    }
}

impl Decoder for ConfluentDecoder {
    fn learn(&mut self, schemas: &[WriterSchema]) {
        for schema in schemas {
            let reader = self.reader(schema);
            self.readers.insert(schema.id, reader);
        }
    }

    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let readers = &self.readers;
        let mut last: Option<(u32, &Reader)> = None;
        self.rows.decode(batch, range, false, |columns, row, record| {
            let (id, value) = wire::split(record).ok_or_else(|| wire::fault(record))?;
            let reader = match last {
                Some((of, reader)) if of == id => reader,
                _ => match readers.get(&id) {
                    Some(Ok(reader)) => reader,
                    Some(Err(reason)) => return Err(reason.clone()),
                    None => return Err(format!("schema {id} is not known")),
                },
            };
            last = Some((id, reader));
            let read = reader.record(&mut Cursor(value), columns, row);
            read.map_err(|why| format!("schema {id}: {why}"))
        })
    }
}
