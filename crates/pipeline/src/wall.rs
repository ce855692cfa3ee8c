//! Instants as the session's time zone shows them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};

use brooklet_core::schema::ColumnDef;
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};
use brooklet_functions::{Zone, cast_in};
use brooklet_plan::Settings;

/// The columns and their rows with a TIMESTAMP in the place of each TIMESTAMP_LTZ.
pub fn on_the_wall(
    columns: &[ColumnDef],
    rows: &RecordBatch,
    settings: &Settings,
) -> Result<(Vec<ColumnDef>, RecordBatch)> {
    let zone = Zone::parse(&settings.text("table.local-time-zone")).unwrap_or(Zone::UTC);
    let (mut defs, mut arrays) = (columns.to_vec(), rows.columns().to_vec());
    for (def, array) in defs.iter_mut().zip(&mut arrays) {
        if let SqlType::TimestampLtz(precision) = def.ty {
            let shown = SqlType::Timestamp(precision);
            *array =
                cast_in(array, &def.ty, &shown, false, zone).map_err(|e| Error::data(e.message))?;
            def.ty = shown;
        }
    }
    let fields = rows.schema_ref().fields().iter().zip(&arrays);
    let fields: Vec<Field> = fields
        .map(|(field, array)| field.as_ref().clone().with_data_type(array.data_type().clone()))
        .collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    Ok((defs, rows))
}
