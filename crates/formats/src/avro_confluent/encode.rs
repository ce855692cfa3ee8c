//! Rows to records that name their schema.

use brooklet_core::Result;
use brooklet_core::connector::Boxed;
use brooklet_core::format::{EncodeSpec, Encoder};

use super::options;
use super::registry::Registry;
use super::wire;
use crate::avro::derive;
use crate::avro::encode::AvroEncoder;
use crate::avro::shape::Shapes;
use crate::avro::write::Writer;

/// Opens the encoder after its schema stands in the registry.
pub(super) fn open(spec: EncodeSpec, subject: String) -> Boxed<Box<dyn Encoder>> {
    Box::pin(async move {
        let (schema, writer) = writer(&spec)?;
        let subject = options::subject(&spec.options, subject);
        let registry = Registry::new(&spec.options)?;
        let id = registry.id(&subject, &schema, options::registers(&spec.options)?).await?;
        let encoder: Box<dyn Encoder> = Box::new(AvroEncoder { writer, front: wire::front(id) });
        Ok(encoder)
    })
}

/// The schema's text and how rows are written with it.
fn writer(spec: &EncodeSpec) -> Result<(String, Writer)> {
    let schema = match options::schema(&spec.options) {
        Some(given) => given.to_string(),
        None => derive::schema(spec.schema.fields(), true)?,
    };
    let at = |e: brooklet_core::Error| e.at("format 'avro-confluent'");
    let shapes = Shapes::parse(&schema).map_err(at)?;
    let writer = Writer::new(&shapes, spec.schema.fields()).map_err(at)?;
    crate::json::check_types(spec.schema.fields())?;
    Ok((schema, writer))
}
