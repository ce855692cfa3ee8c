//! A built-in table as a query reads it: chunk by chunk, and by the first columns of its key where
//! the query says what they are.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use brooklet_engine::views::{KeyPrefix, TableView};

/// A table as of one epoch.
pub struct Shown {
    name: String,
    view: Arc<TableView>,
}

impl Shown {
    pub fn new(name: &str, view: Arc<TableView>) -> Self {
        Shown { name: name.to_string(), view }
    }

    /// The value that a filter asks of a column of the key.
    fn asked<'a>(&self, filter: &'a Expr) -> Option<(usize, &'a ScalarValue)> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = filter else {
            return None;
        };
        let (column, value) = match (&**left, &**right) {
            (Expr::Column(c), Expr::Literal(v, _)) | (Expr::Literal(v, _), Expr::Column(c)) => {
                (c, v)
            }
            _ => return None,
        };
        let schema = self.view.schema();
        let at = schema.index_of(&column.name).ok()?;
        let same = *schema.field(at).data_type() == value.data_type() && !value.is_null();
        (same && self.view.key().contains(&at)).then_some((at, value))
    }

    /// What the filters say of the key's first columns.
    fn prefix(&self, filters: &[Expr]) -> Result<Option<KeyPrefix>> {
        let asked: Vec<(usize, &ScalarValue)> =
            filters.iter().filter_map(|filter| self.asked(filter)).collect();
        let of = |column: &usize| asked.iter().find(|(at, _)| at == column).map(|(_, v)| *v);
        let values: Vec<ArrayRef> = self
            .view
            .key()
            .iter()
            .map_while(of)
            .map(|value| value.to_array())
            .collect::<Result<_>>()?;
        self.view.key_prefix(&values).map_err(|e| DataFusionError::External(Box::new(e)))
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "built-in table {}", self.name)
    }
}

#[async_trait]
impl TableProvider for Shown {
    fn schema(&self) -> SchemaRef {
        self.view.schema().clone()
    }
    fn table_type(&self) -> TableType {
        TableType::Base
    }
    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows = Arc::new(Reading { view: self.view.clone(), prefix: self.prefix(filters)? });
        let schema = self.schema();
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![rows], projection, [], false, limit)?))
    }
    /// The query still looks at every row it is given.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let of = |filter: &&Expr| match self.asked(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(of).collect())
    }
}

/// One scan.
struct Reading {
    view: Arc<TableView>,
    prefix: Option<KeyPrefix>,
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.prefix.is_some() { "by key" } else { "whole" };
        write!(f, "{by}")
    }
}

impl PartitionStream for Reading {
    fn schema(&self) -> &SchemaRef {
        self.view.schema()
    }
    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (view, prefix) = (self.view.clone(), self.prefix.clone());
        let read = move |chunk| {
            let rows = view.read(chunk, prefix.as_ref());
            rows.map_err(|e| DataFusionError::External(Box::new(e)))
        };
        let chunks = futures::stream::iter((0..self.view.chunks()).map(read));
        Box::pin(RecordBatchStreamAdapter::new(self.schema().clone(), chunks))
    }
}
