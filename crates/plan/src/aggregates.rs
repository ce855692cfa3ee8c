//! Calls of aggregate functions, as a Reduce carries them out.
//!
//! What is an expression over other results (AVG of nothing but sums, STDDEV of the sum of squared
//! deviations) stands in the Map above instead.

use std::fmt;

use arrow::datatypes::DataType;

#[derive(Debug, Clone)]
pub struct AggCall {
    pub func: AggFunc,
    /// Input columns; empty for COUNT(*).
    pub args: Vec<usize>,
    pub distinct: bool,
    /// A boolean input column; rows where it is not true are not counted.
    pub filter: Option<usize>,
    /// Type of the result, Flink's.
    pub ty: DataType,
}

impl AggCall {
    /// Whether the states of two groups of rows that are only added can be made one.
    pub fn merges(&self) -> bool {
        use AggFunc::*;
        let known =
            matches!(self.func, Count | Sum | Sum0 | Avg | Min | Max | FirstValue | LastValue);
        known && (!self.distinct || matches!(self.func, Min | Max))
    }
}

/// NULL arguments do not count, unless the function says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum AggFunc {
    Count,
    Sum,
    /// 0 where SUM is NULL.
    Sum0,
    Avg,
    Min,
    Max,
    FirstValue,
    LastValue,
    /// The sum of squared deviations from the mean, a DOUBLE; NULL without values.
    SquaredDeviations,
    /// The value of the only row, which may be NULL; a second row is an error.
    SingleValue,
    /// Texts one after the other in arrival order; NULL without values.
    ListAgg {
        separator: String,
    },
    /// Values in arrival order; NULL without values.
    ArrayAgg {
        nulls: bool,
    },
    /// How often each value is there: a MULTISET.
    Collect,
    /// A JSON array of JSON texts in arrival order.
    JsonArrayAgg {
        nulls: bool,
    },
    /// A JSON object of keys and JSON texts, sorted by key. A second value of a key is an error.
    JsonObjectAgg {
        nulls: bool,
    },
    /// Arguments: the value and, if there is a second one, how often it counts.
    Percentile {
        at: Percentages,
    },
}

impl AggFunc {
    /// Whether the result depends on the order in which rows arrive.
    pub fn is_ordered(&self) -> bool {
        matches!(
            self,
            AggFunc::FirstValue
                | AggFunc::LastValue
                | AggFunc::ListAgg { .. }
                | AggFunc::ArrayAgg { .. }
                | AggFunc::JsonArrayAgg { .. }
        )
    }
}

/// Between 0 and 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Percentages {
    One(f64),
    /// The result is an ARRAY.
    Many(Vec<f64>),
}

/// The function's name in SQL.
impl fmt::Display for AggFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AggFunc::Count => "COUNT",
            AggFunc::Sum => "SUM",
            AggFunc::Sum0 => "$SUM0",
            AggFunc::Avg => "AVG",
            AggFunc::Min => "MIN",
            AggFunc::Max => "MAX",
            AggFunc::FirstValue => "FIRST_VALUE",
            AggFunc::LastValue => "LAST_VALUE",
            AggFunc::SquaredDeviations => "SQUARED_DEVIATIONS",
            AggFunc::SingleValue => "SINGLE_VALUE",
            AggFunc::ListAgg { .. } => "LISTAGG",
            AggFunc::ArrayAgg { .. } => "ARRAY_AGG",
            AggFunc::Collect => "COLLECT",
            AggFunc::JsonArrayAgg { .. } => "JSON_ARRAYAGG",
            AggFunc::JsonObjectAgg { .. } => "JSON_OBJECTAGG",
            AggFunc::Percentile { .. } => "PERCENTILE",
        })
    }
}
