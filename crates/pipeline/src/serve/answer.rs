//! What can come of a request, and the running of its query within the limits.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use futures::StreamExt;

use brooklet_core::Error;
use brooklet_engine::ops::map::batch;
use brooklet_sql::served::OutputColumn;

use super::Limits;
use crate::rows::json_array;

pub enum Answer {
    Rows(Rows),
    /// The asking side has this answer: its tag.
    Unchanged(String),
    Refused(Refusal),
}

pub struct Rows {
    /// An array of objects.
    pub json: Vec<u8>,
    pub count: usize,
    /// As an ETag; None where the answer depends on the time.
    pub tag: Option<String>,
}

/// Why there are no rows.
#[derive(Debug)]
pub enum Refusal {
    /// The pipeline has not recovered yet.
    Starting,
    /// Which parameter is wrong, and how.
    BadParameter(String),
    NotFound,
    /// So many are being answered.
    Busy(usize),
    TooLong(Duration),
    /// More rows than this.
    TooMany(usize),
    /// Sorting or joining needs more memory than there is for queries.
    TooLarge,
    Failed(Error),
}

/// The rows of a plan; no more of them than the limits say.
pub async fn collect(
    session: &SessionState,
    plan: &LogicalPlan,
    limits: Limits,
) -> Result<Vec<RecordBatch>, Refusal> {
    let rows = async {
        let planned = DefaultPhysicalPlanner::default().create_physical_plan(plan, session).await?;
        let mut stream = execute_stream(planned, session.task_ctx())?;
        let (mut rows, mut count) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            count += batch.num_rows();
            if count > limits.max_rows {
                return Ok(None);
            }
            rows.push(batch);
        }
        Ok(Some(rows))
    };
    match within(limits.timeout, rows).await {
        None => Err(Refusal::TooLong(limits.timeout)),
        Some(Ok(None)) => Err(Refusal::TooMany(limits.max_rows)),
        Some(Ok(Some(rows))) => Ok(rows),
        Some(Err(e)) => Err(refused(e)),
    }
}

fn refused(e: DataFusionError) -> Refusal {
    match e.find_root() {
        DataFusionError::ResourcesExhausted(_) => Refusal::TooLarge,
        _ => Refusal::Failed(Error::data("the query cannot be answered").caused_by(e)),
    }
}

/// The rows as one array, under their columns' names.
pub fn encode(columns: &[OutputColumn], rows: &[RecordBatch]) -> Result<Rows, Refusal> {
    let fields: Vec<Field> = columns.iter().map(|c| c.ty.field(&c.name, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let named = rows.iter().map(|rows| batch(&schema, rows.columns().to_vec(), rows.num_rows()));
    let named: Vec<RecordBatch> = named.collect::<Result<_, _>>().map_err(Refusal::Failed)?;
    let json = json_array(&schema, &named).map_err(Refusal::Failed)?;
    Ok(Rows { json, count: named.iter().map(RecordBatch::num_rows).sum(), tag: None })
}

/// Whether `If-None-Match` holds a tag.
pub fn knows(known: &str, tag: &str) -> bool {
    let mut each = known.split(',').map(|t| t.trim().trim_start_matches("W/"));
    each.any(|t| t == tag || t == "*")
}

/// None when it takes longer.
#[allow(
    clippy::disallowed_methods,
    reason = "clients are not kept waiting; no epoch depends on it"
)]
pub async fn within<T>(limit: Duration, what: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, what).await.ok()
}
