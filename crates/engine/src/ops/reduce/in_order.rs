//! Sums of floating point numbers hang on the order of their rows: the last digits do. An epoch's
//! rows are added up in the order in which they arrived, as Flink does; where they have none (they
//! are results that other shards gave, in any order) the values themselves are the order. So a
//! replay gives the same digits, however its rows are dealt.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::row::{RowConverter, SortField};

use brooklet_core::{Delta, Result};
use brooklet_plan::node::{AggCall, AggFunc, Node};

use crate::ops::rows::columns_at;

pub struct InOrder {
    columns: Vec<usize>,
    codec: RowConverter,
}

impl InOrder {
    /// The order that these calls need; None: any will do.
    pub fn of(input: &Node, calls: &[AggCall]) -> Result<Option<Self>> {
        let adds_floats = |call: &&AggCall| match call.func {
            AggFunc::Sum | AggFunc::Sum0 | AggFunc::Avg => {
                call.args.iter().any(|c| input.schema.field(*c).data_type().is_floating())
            }
            AggFunc::SquaredDeviations => true,
            _ => false,
        };
        let adding: Vec<&AggCall> = calls.iter().filter(adds_floats).collect();
        if adding.is_empty() {
            return Ok(None);
        }
        let mut columns = input.ord.clone();
        if !input.append_only || columns.is_empty() {
            columns.extend(adding.iter().flat_map(|c| c.args.iter().chain(&c.filter)));
        }
        let sort = |c: &usize| SortField::new(input.schema.field(*c).data_type().clone());
        let codec = RowConverter::new(columns.iter().map(sort).collect())?;
        Ok(Some(InOrder { columns, codec }))
    }

    pub fn sorted(&self, rows: Delta) -> Result<Delta> {
        let columns = columns_at(&rows, &self.columns);
        if let [only] = &columns[..]
            && let Some(arrivals) = only.as_primitive_opt::<Int64Type>()
            && arrivals.values().is_sorted()
        {
            return Ok(rows);
        }
        let keys = self.codec.convert_columns(&columns)?;
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by(|a, b| {
            let (a, b) = (*a as usize, *b as usize);
            keys.row(a).cmp(&keys.row(b)).then_with(|| rows.weight(a).cmp(&rows.weight(b)))
        });
        rows.take(&order)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
    use brooklet_plan::NodeOp;

    use super::*;

    fn schema() -> SchemaRef {
        let field = |name: &str, ty| Field::new(name, ty, true);
        Arc::new(Schema::new(vec![field("v", DataType::Float64), field("__ord", DataType::Int64)]))
    }

    fn input(append_only: bool, ord: Vec<usize>) -> Node {
        Node {
            op: NodeOp::Union,
            inputs: vec![],
            schema: schema(),
            append_only,
            key: None,
            ord,
            late: None,
            fingerprint: 0,
            label: String::new(),
        }
    }

    fn sum() -> AggCall {
        let (args, ty) = (vec![0], DataType::Float64);
        AggCall { func: AggFunc::Sum, args, distinct: false, filter: None, ty }
    }

    fn rows(values: &[(f64, i64, i64)]) -> Delta {
        let values_of: ArrayRef =
            Arc::new(Float64Array::from_iter_values(values.iter().map(|v| v.0)));
        let ords: ArrayRef = Arc::new(Int64Array::from_iter_values(values.iter().map(|v| v.1)));
        let batch = RecordBatch::try_new(schema(), vec![values_of, ords]).unwrap();
        Delta::new(batch, values.iter().map(|v| v.2).collect())
    }

    fn sorted(input: &Node, values: &[(f64, i64, i64)]) -> Vec<(f64, i64)> {
        let in_order = InOrder::of(input, &[sum()]).unwrap().unwrap();
        let sorted = in_order.sorted(rows(values)).unwrap();
        let values = sorted.column(0).as_primitive::<arrow::datatypes::Float64Type>();
        (0..sorted.len()).map(|row| (values.value(row), sorted.weight(row))).collect()
    }

    #[test]
    fn rows_that_are_only_added_are_summed_as_they_arrived() {
        let input = input(true, vec![1]);
        let wanted = [(0.3, 1), (0.1, 1), (0.2, 1)];
        for dealt in
            [[(0.3, 0, 1), (0.1, 1, 1), (0.2, 2, 1)], [(0.2, 2, 1), (0.3, 0, 1), (0.1, 1, 1)]]
        {
            assert_eq!(sorted(&input, &dealt), wanted);
        }
    }

    #[test]
    fn rows_that_are_taken_back_are_summed_in_one_order_however_they_come() {
        let input = input(false, vec![]);
        let wanted = [(0.1, -1), (0.1, 1), (0.2, 1)];
        for dealt in
            [[(0.2, 0, 1), (0.1, 0, 1), (0.1, 0, -1)], [(0.1, 0, -1), (0.1, 0, 1), (0.2, 0, 1)]]
        {
            assert_eq!(sorted(&input, &dealt), wanted);
        }
    }

    #[test]
    fn whole_numbers_need_no_order() {
        let ints = AggCall { args: vec![1], ..sum() };
        assert!(InOrder::of(&input(true, vec![1]), &[ints]).unwrap().is_none());
    }
}
