//! Expressions made ready for many batches: each sees only the columns it reads, and a field of a
//! ROW is one of these columns.
//!
//! Filters and CASE copy every column of the batch they stand over; without this a condition on a
//! number would copy the texts beside it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Column;

use brooklet_core::{Error, Result};
use brooklet_plan::node::Expr;

/// The end of every message about a row.
const WAY_OUT: &str = "; SET 'brooklet.on-row-error' = 'dead-letter' passes such rows";

/// What a single row's failure says to whoever reads it among the dead letters.
pub fn reason(error: &Error) -> String {
    error.message.trim_end_matches(WAY_OUT).replacen(" in row 0 of the batch", "", 1)
}

/// Expressions over one input.
pub struct Prepared {
    /// Over `schema`.
    exprs: Vec<Expr>,
    /// As written over the input: for messages.
    written: Vec<Expr>,
    sources: Vec<Source>,
    schema: SchemaRef,
    label: String,
}

/// Where a column that the expressions read comes from.
enum Source {
    Column(usize),
    /// A field of a ROW.
    Field(Expr),
}

impl Prepared {
    /// Expressions over columns of `input`; `label` says in errors where they stand.
    pub fn new(exprs: &[Expr], input: &SchemaRef, label: &str) -> Result<Self> {
        let (mut sources, mut fields) = (Vec::new(), Vec::new());
        let mut rewritten = Vec::with_capacity(exprs.len());
        for expr in exprs {
            rewritten.push(narrowed(expr, input, &mut sources, &mut fields)?);
        }
        Ok(Prepared {
            exprs: rewritten,
            written: exprs.to_vec(),
            sources,
            schema: Arc::new(Schema::new(fields)),
            label: label.to_string(),
        })
    }

    /// Whether an expression reads this column of the input.
    pub fn reads(&self, column: usize) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Column(c) if *c == column))
    }

    /// The columns that the expressions read. Those behind the last of `rows` are None: the
    /// caller makes them, see [`Prepared::fill`].
    pub fn gather(&self, rows: &RecordBatch) -> Result<Vec<Option<ArrayRef>>> {
        let gathered = self.sources.iter().map(|source| match source {
            Source::Column(c) => Ok(rows.columns().get(*c).cloned()),
            Source::Field(read) => {
                let field = read.evaluate(rows).and_then(|v| v.into_array(rows.num_rows()));
                field.map(Some).map_err(|e| Error::bug("a field of a ROW").caused_by(e))
            }
        });
        gathered.collect()
    }

    /// Puts `made` where the expressions read `column` of the input.
    pub fn fill(
        &self,
        gathered: &mut [Option<ArrayRef>],
        column: usize,
        made: impl FnOnce() -> ArrayRef,
    ) {
        let found =
            self.sources.iter().position(|s| matches!(s, Source::Column(c) if *c == column));
        if let Some(at) = found {
            gathered[at] = Some(made());
        }
    }

    /// The values of all expressions over rows that hold every column.
    pub fn over(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        self.evaluate(self.gather(rows)?, rows.num_rows())
    }

    /// The values of all expressions for every row, over filled columns of `rows` rows. A failure
    /// names the first row it fails on.
    pub fn evaluate(&self, filled: Vec<Option<ArrayRef>>, rows: usize) -> Result<Vec<ArrayRef>> {
        let missing = || Error::bug("an expression reads a column that nobody made");
        let columns: Vec<ArrayRef> =
            filled.into_iter().collect::<Option<_>>().ok_or_else(missing)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|e| Error::bug("columns are not what an expression reads").caused_by(e))?;
        let each = self.exprs.iter().zip(&self.written);
        each.map(|(expr, written)| self.one(expr, written, &batch)).collect()
    }

    fn one(&self, expr: &Expr, written: &Expr, batch: &RecordBatch) -> Result<ArrayRef> {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return Ok(batch.column(column.index()).clone());
        }
        let value = expr.evaluate(batch).and_then(|v| v.into_array(batch.num_rows()));
        value.map_err(|error| {
            if let Some(error) = not_of_a_row(&error) {
                return error.at(self.label.clone());
            }
            let (row, reason) = first_failing(expr, batch, error.to_string());
            Error::data(format!(
                "{reason} in row {row} of the batch, evaluating {written}{WAY_OUT}"
            ))
            .at(self.label.clone())
        })
    }
}

/// What an expression says of itself as a whole, for example that a process it needs is gone.
fn not_of_a_row(error: &DataFusionError) -> Option<Error> {
    let DataFusionError::External(inner) = error.find_root() else { return None };
    let said = inner.downcast_ref::<Error>()?;
    let (kind, message) = (said.kind, said.message.clone());
    Some(Error { retry: said.retry, ..Error::new(kind, message) })
}

/// The expression over gathered columns; those it needs are added to `sources` and `fields`.
fn narrowed(
    expr: &Expr,
    input: &SchemaRef,
    sources: &mut Vec<Source>,
    fields: &mut Vec<Arc<Field>>,
) -> Result<Expr> {
    let found = expr.clone().transform_down(|e| {
        let at = if let Some(column) = e.downcast_ref::<Column>() {
            let same = |s: &Source| matches!(s, Source::Column(c) if *c == column.index());
            sources.iter().position(same).unwrap_or_else(|| {
                sources.push(Source::Column(column.index()));
                // What stands behind the input's own columns never holds more than it says.
                fields.push(input.fields()[column.index()].clone());
                sources.len() - 1
            })
        } else if is_field_read(&e, input) {
            let same = |s: &Source| matches!(s, Source::Field(f) if f == &e);
            match sources.iter().position(same) {
                Some(at) => at,
                None => {
                    // NULL where the ROW is, whatever the field says of itself.
                    let field = e.return_field(input)?.as_ref().clone().with_nullable(true);
                    sources.push(Source::Field(e.clone()));
                    fields.push(Arc::new(field));
                    sources.len() - 1
                }
            }
        } else {
            return Ok(Transformed::no(e));
        };
        let narrow: Expr = Arc::new(Column::new(fields[at].name(), at));
        Ok(Transformed::new(narrow, true, TreeNodeRecursion::Jump))
    });
    Ok(found.map_err(|e| Error::bug("an expression cannot be rewritten").caused_by(e))?.data)
}

/// `get_field` over a ROW column, or over such a read.
fn is_field_read(expr: &Expr, input: &SchemaRef) -> bool {
    let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return false };
    let Some(base) = call.args().first().filter(|_| call.name() == "get_field") else {
        return false;
    };
    let is_row = matches!(base.data_type(input), Ok(DataType::Struct(_)));
    is_row && (base.downcast_ref::<Column>().is_some() || is_field_read(base, input))
}

/// Halves the batch until one row is left that fails by itself.
fn first_failing(expr: &Expr, rows: &RecordBatch, reason: String) -> (usize, String) {
    let (mut from, mut len, mut reason) = (0, rows.num_rows(), reason);
    while len > 1 {
        let half = len / 2;
        match expr.evaluate(&rows.slice(from, half)) {
            Err(e) => {
                reason = e.to_string();
                len = half;
            }
            Ok(_) => {
                from += half;
                len -= half;
            }
        }
    }
    (from, reason)
}
