//! Rows to one Parquet file with the schema Flink writes.

use std::sync::Arc;

use ::parquet::arrow::ArrowSchemaConverter;
use ::parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use ::parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use ::parquet::file::properties::WriterProperties;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, take_record_batch};
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit};
use brooklet_core::format::EncodeSpec;
use brooklet_core::{Delta, Error, Result};
use bytes::Bytes;

use super::options;

/// What files say wrote them: fixed, so that the same rows give the same bytes.
const CREATED_BY: &str = "brooklet";
const ROOT: &str = "flink_schema";

/// One file with all rows in order; a row of weight n stands n times.
pub(super) fn file(spec: &EncodeSpec, rows: &[Delta]) -> Result<Bytes> {
    let unit = options::time_unit(&spec.options)?;
    let fields: Fields = spec.schema.fields().iter().map(|f| in_unit(f, unit)).collect();
    let schema = Arc::new(Schema::new(fields));
    let properties = WriterProperties::builder()
        .set_compression(options::compression(&spec.options)?)
        .set_created_by(CREATED_BY.to_string())
        .set_coerce_types(true)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true)
        .with_parquet_schema(parquet_schema(&schema)?);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).map_err(failed)?;
    for delta in rows.iter().filter(|d| !d.is_empty()) {
        writer.write(&converted(&repeated(delta)?, &schema)?).map_err(failed)?;
    }
    Ok(writer.into_inner().map_err(failed)?.into())
}

fn failed(e: parquet::errors::ParquetError) -> Error {
    Error::data(format!("the Parquet file cannot be written: {e}"))
}

/// The field with every timestamp in `unit`, also inside containers, and without metadata.
fn in_unit(field: &Field, unit: TimeUnit) -> Arc<Field> {
    let inner = |f: &Arc<Field>| in_unit(f, unit);
    let ty = match field.data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(unit, zone.clone()),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        DataType::List(item) => DataType::List(inner(item)),
        DataType::Map(entries, ordered) => DataType::Map(inner(entries), *ordered),
        other => other.clone(),
    };
    Arc::new(Field::new(field.name(), ty, field.is_nullable()))
}

/// A row per unit of weight.
fn repeated(delta: &Delta) -> Result<RecordBatch> {
    if !delta.is_append_only() {
        return Err(Error::config(
            "the parquet format writes insertions only, but rows are updated or deleted",
        ));
    }
    if (0..delta.len()).all(|i| delta.weight(i) == 1) {
        return Ok(delta.rows.clone());
    }
    let rows = 0..delta.len() as u32;
    let indices: Vec<u32> =
        rows.flat_map(|i| std::iter::repeat_n(i, delta.weight(i as usize) as usize)).collect();
    Ok(take_record_batch(&delta.rows, &UInt32Array::from(indices))?)
}

fn converted(rows: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let columns = rows
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            cast_with_options(column, field.data_type(), &strict)
                .map_err(|e| Error::data(format!("column '{}': {e}", field.name())))
        })
        .collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn parquet_schema(schema: &Schema) -> Result<SchemaDescriptor> {
    let standard = ArrowSchemaConverter::new()
        .with_coerce_types(true)
        .schema_root(ROOT)
        .convert(schema)
        .map_err(failed)?;
    let root = fixed_decimals(standard.root_schema()).map_err(failed)?;
    Ok(SchemaDescriptor::new(root))
}

/// The type with every DECIMAL as FIXED_LEN_BYTE_ARRAY of the least length.
fn fixed_decimals(ty: &Type) -> Result<TypePtr, parquet::errors::ParquetError> {
    let info = ty.get_basic_info();
    if ty.is_group() {
        let fields = ty.get_fields().iter().map(|f| fixed_decimals(f)).collect::<Result<_, _>>()?;
        let mut group = Type::group_type_builder(info.name())
            .with_converted_type(info.converted_type())
            .with_logical_type(info.logical_type_ref().cloned())
            .with_fields(fields);
        if info.has_repetition() {
            group = group.with_repetition(info.repetition());
        }
        return Ok(Arc::new(group.build()?));
    }
    let Some(LogicalType::Decimal(decimal)) = info.logical_type_ref() else {
        return Ok(Arc::new(ty.clone()));
    };
    let fixed = Type::primitive_type_builder(info.name(), Physical::FIXED_LEN_BYTE_ARRAY)
        .with_repetition(info.repetition())
        .with_length(decimal_bytes(decimal.precision))
        .with_converted_type(ConvertedType::DECIMAL)
        .with_logical_type(Some(LogicalType::Decimal(decimal.clone())))
        .with_precision(decimal.precision)
        .with_scale(decimal.scale)
        .build()?;
    Ok(Arc::new(fixed))
}

/// How many bytes hold every number of `precision` digits and a sign.
fn decimal_bytes(precision: i32) -> i32 {
    let most = 10i128.pow(precision.clamp(1, 38) as u32) - 1;
    let bits = 128 - most.leading_zeros() as i32 + 1;
    (bits + 7) / 8
}
