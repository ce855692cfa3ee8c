//! OVER: what is computed for each row from the rows around it.

use arrow::datatypes::DataType;

use crate::node::{AggCall, SortKey};

/// Each row of the input with the results of all calls behind its columns.
#[derive(Debug, Clone)]
pub struct OverSpec {
    pub order: OverOrder,
    pub calls: Vec<OverCall>,
}

/// How the rows of a key follow each other; ties by arrival.
#[derive(Debug, Clone, PartialEq)]
pub enum OverOrder {
    /// By the event time in this column: rows wait until the watermark has passed them, and come
    /// out once. Append-only.
    Rowtime(usize),
    /// By arrival. Append-only.
    Proctime,
    /// By columns: every change computes the key anew.
    Sorted(Vec<SortKey>),
}

#[derive(Debug, Clone)]
pub struct OverCall {
    pub func: OverFunc,
    pub frame: Frame,
    /// Type of the result, Flink's.
    pub ty: DataType,
}

#[derive(Debug, Clone)]
pub enum OverFunc {
    Aggregate(AggCall),
    /// The value `back` rows before; after, if negative. `default` where there is no such row.
    Shifted {
        arg: usize,
        back: i64,
        default: Option<usize>,
    },
    RowNumber,
    Rank,
    DenseRank,
    Ntile(u64),
    PercentRank,
    CumeDist,
}

/// Which rows around its own a call reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub unit: FrameUnit,
    pub start: Edge,
    pub end: Edge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnit {
    Rows,
    /// By distance in the one column of the order; rows with equal values are in or out together.
    Range,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Edge {
    Unbounded,
    /// Before the current row if negative: rows, or units of the order's column as Arrow stores
    /// them (milliseconds of a TIMESTAMP(3), hundredths of a DECIMAL(10, 2)).
    Offset(Distance),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    Exact(i64),
    /// Of FLOAT and DOUBLE.
    Float(f64),
}

impl Edge {
    pub const CURRENT: Edge = Edge::Offset(Distance::Exact(0));

    /// The distance in whole units.
    pub fn exact(self) -> Option<i64> {
        match self {
            Edge::Offset(Distance::Exact(n)) => Some(n),
            Edge::Offset(Distance::Float(x)) => Some(x as i64),
            Edge::Unbounded => None,
        }
    }
}

impl Frame {
    /// Everything up to the current row.
    pub fn up_to_here(unit: FrameUnit) -> Frame {
        Frame { unit, start: Edge::Unbounded, end: Edge::CURRENT }
    }
    /// Rows never leave it.
    pub fn only_grows(&self) -> bool {
        self.start == Edge::Unbounded
    }
}
