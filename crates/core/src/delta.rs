//! Rows with weights: the only thing that flows between operators.

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;

use crate::Result;

/// A batch of row changes. A weight of +n adds the row n times, −n takes it away n times.
///
/// The position of a row means nothing; where SQL needs an order, ingest adds the hidden `ord`
/// column. A changelog's +I/−U/+U/−D exist only inside encoders.
#[derive(Debug, Clone)]
pub struct Delta {
    pub rows: RecordBatch,
    pub weights: Weights,
}

/// One weight per row.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// Every row is added once: the append-only fast path.
    Ones,
    Each(Vec<i64>),
}

impl Delta {
    pub fn inserts(rows: RecordBatch) -> Self {
        Delta { rows, weights: Weights::Ones }
    }
    pub fn new(rows: RecordBatch, weights: Vec<i64>) -> Self {
        assert_eq!(rows.num_rows(), weights.len(), "one weight per row");
        Delta { rows, weights: Weights::Each(weights) }
    }
    pub fn empty(schema: SchemaRef) -> Self {
        Self::inserts(RecordBatch::new_empty(schema))
    }
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn weight(&self, row: usize) -> i64 {
        match &self.weights {
            Weights::Ones => 1,
            Weights::Each(w) => w[row],
        }
    }
    pub fn is_append_only(&self) -> bool {
        match &self.weights {
            Weights::Ones => true,
            Weights::Each(w) => w.iter().all(|w| *w > 0),
        }
    }
    /// The same weights over other columns of the same rows.
    pub fn with_rows(&self, rows: RecordBatch) -> Self {
        assert_eq!(rows.num_rows(), self.len(), "rows and weights belong together");
        Delta { rows, weights: self.weights.clone() }
    }
    /// The rows for which `keep` is true (NULL counts as false).
    pub fn filter(&self, keep: &BooleanArray) -> Result<Self> {
        let rows = compute::filter_record_batch(&self.rows, keep)?;
        let weights = match &self.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(w) => Weights::Each(
                w.iter()
                    .enumerate()
                    .filter(|(i, _)| keep.is_valid(*i) && keep.value(*i))
                    .map(|(_, w)| *w)
                    .collect(),
            ),
        };
        Ok(Delta { rows, weights })
    }
    /// The rows at `indices`, in that order.
    pub fn take(&self, indices: &[u32]) -> Result<Self> {
        let index = UInt32Array::from(indices.to_vec());
        let rows = compute::take_record_batch(&self.rows, &index)?;
        let weights = match &self.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(w) => Weights::Each(indices.iter().map(|i| w[*i as usize]).collect()),
        };
        Ok(Delta { rows, weights })
    }
    pub fn column(&self, i: usize) -> &ArrayRef {
        self.rows.column(i)
    }
    /// The weights as an Arrow column.
    pub fn weight_array(&self) -> Int64Array {
        match &self.weights {
            Weights::Ones => Int64Array::from(vec![1; self.len()]),
            Weights::Each(w) => Int64Array::from(w.clone()),
        }
    }
    /// Bytes held by the columns (shared buffers are counted by each holder).
    pub fn bytes(&self) -> usize {
        self.rows.get_array_memory_size()
    }
}

/// All rows of `deltas` in one; None when there is no row.
pub fn concat(schema: &SchemaRef, deltas: &[Delta]) -> Result<Option<Delta>> {
    let filled: Vec<&Delta> = deltas.iter().filter(|d| !d.is_empty()).collect();
    match filled.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some((*one).clone())),
        many => {
            let rows = compute::concat_batches(schema, many.iter().map(|d| &d.rows))?;
            let weights = if many.iter().all(|d| d.weights == Weights::Ones) {
                Weights::Ones
            } else {
                let each = |d: &&Delta| (0..d.len()).map(|i| d.weight(i)).collect::<Vec<_>>();
                Weights::Each(many.iter().flat_map(each).collect())
            };
            Ok(Some(Delta { rows, weights }))
        }
    }
}
