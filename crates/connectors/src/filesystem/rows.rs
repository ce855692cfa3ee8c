//! A file that is decoded whole (Parquet), handed out piece by piece.

use arrow::array::RecordBatch;
use brooklet_core::Delta;
use brooklet_core::source::{Budget, Payload};

use super::source::Piece;

/// The rows of one file, in order.
pub struct FileRows {
    batches: Vec<RecordBatch>,
    /// The number of the first row of each batch, and of the row after the last one.
    starts: Vec<i64>,
}

impl FileRows {
    pub fn new(batches: Vec<RecordBatch>) -> Self {
        let mut starts = vec![0];
        for batch in &batches {
            starts.push(starts[starts.len() - 1] + batch.num_rows() as i64);
        }
        FileRows { batches, starts }
    }

    /// The number of rows.
    pub fn end(&self) -> i64 {
        self.starts[self.batches.len()]
    }

    /// At most `budget` from row `from` on, at least one batch's part; None at the end.
    pub fn take(&self, from: i64, budget: Budget) -> Option<Piece> {
        if from >= self.end() {
            return None;
        }
        let (mut at, mut rows, mut bytes) = (from, 0, 0);
        let mut deltas = Vec::new();
        for (i, batch) in self.batches.iter().enumerate() {
            let inside = at - self.starts[i];
            if at >= self.starts[i + 1] || rows >= budget.max_rows || bytes >= budget.max_bytes {
                continue;
            }
            let length = (batch.num_rows() - inside as usize).min(budget.max_rows - rows);
            deltas.push(Delta::inserts(batch.slice(inside as usize, length)));
            bytes += batch.get_array_memory_size() * length / batch.num_rows();
            rows += length;
            at += length as i64;
        }
        let more = at < self.end();
        Some(Piece { payload: Payload::Rows(deltas), rows, bytes, to: at, more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int32Array};
    use std::sync::Arc;

    #[test]
    fn pieces_cross_batches_and_keep_the_order() {
        let batch = |values: Vec<i32>| {
            let column: ArrayRef = Arc::new(Int32Array::from(values));
            RecordBatch::try_from_iter([("k", column)]).unwrap()
        };
        let rows = FileRows::new(vec![batch(vec![0, 1, 2]), batch(vec![]), batch(vec![3, 4])]);
        let lengths = |from, max_rows, max_bytes| {
            let piece = rows.take(from, Budget { max_rows, max_bytes }).unwrap();
            let Payload::Rows(deltas) = piece.payload else { panic!("rows are expected") };
            (deltas.iter().map(Delta::len).collect::<Vec<_>>(), piece.to, piece.more)
        };
        assert_eq!(lengths(0, 10, usize::MAX), (vec![3, 2], 5, false));
        assert_eq!(lengths(1, 3, usize::MAX), (vec![2, 1], 4, true));
        assert_eq!(lengths(0, 10, 1), (vec![3], 3, true));
        assert!(rows.take(5, Budget { max_rows: 1, max_bytes: 1 }).is_none());
    }
}
