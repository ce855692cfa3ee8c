//! The answer of DataFusion to the batch SQL over the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use brooklet_core::{Error, Result};

use crate::queries::Query;
use crate::rows::{self, Row};
use crate::tables::Log;

/// The rows of each sink table.
pub async fn answer(
    query: &Query,
    logs: &BTreeMap<String, Log>,
) -> Result<BTreeMap<String, Vec<Row>>> {
    let failed =
        |e: datafusion::error::DataFusionError| Error::bug("the batch answer").caused_by(e);
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for (name, log) in logs {
        let batches: Vec<_> = log.values().cloned().collect();
        let schema = batches[0].schema();
        let table = MemTable::try_new(schema, vec![batches]).map_err(failed)?;
        session.register_table(name.as_str(), Arc::new(table)).map_err(failed)?;
    }
    let mut answers = BTreeMap::new();
    for (i, output) in query.outputs.iter().enumerate() {
        let frame = session.sql(&output.batch).await.map_err(failed)?;
        let mut of_output = Vec::new();
        for batch in frame.collect().await.map_err(failed)? {
            of_output.extend(rows::cells(&batch)?);
        }
        answers.insert(format!("out{i}"), of_output);
    }
    Ok(answers)
}
