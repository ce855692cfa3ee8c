//! What is made of all values of a group: they are kept in an ordered multiset, in arrival order
//! where the result has one. The result depends on the values that are there alone, not on those
//! that were taken back.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, Int64Type};

use brooklet_core::{Error, Result};
use brooklet_plan::node::AggFunc;

use super::rows::{counted, picked, weights_of};
use super::shape::{Gotten, Shape};
use super::values::Kind;
use super::{Accumulator, Batch, CallArgs};
use crate::column::ValueType;
use crate::ops::reduce::multiset::Multiset;
use crate::table::Table;

/// The bytes of an arrival number in an encoded key.
const ARRIVAL_BYTES: usize = 9;

pub struct Gathered {
    /// Arrival order, where the result has one; stands before the arguments.
    order: Vec<usize>,
    args: Vec<usize>,
    filter: Option<usize>,
    /// Position in `args` of the argument whose NULLs do not count.
    not_null: Option<usize>,
    distinct: bool,
    /// A column of whole numbers that says how often a row counts.
    times: Option<usize>,
    multiset: Multiset,
    shape: Shape,
    ty: DataType,
}

impl Gathered {
    pub fn new(args: &CallArgs<'_>) -> Result<Self> {
        let call = args.call;
        let order = if call.func.is_ordered() { args.arrival()?.to_vec() } else { Vec::new() };
        let mut of = vec![args.arg(0)?];
        let mut times = None;
        let (mut fields, mut not_null) = (None, Some(0));
        match &call.func {
            AggFunc::JsonObjectAgg { nulls } => {
                of.push(args.arg(1)?);
                not_null = (!nulls).then_some(1);
            }
            AggFunc::ArrayAgg { nulls } | AggFunc::JsonArrayAgg { nulls } => {
                not_null = (!nulls).then_some(0);
            }
            AggFunc::SingleValue => not_null = None,
            AggFunc::Percentile { .. } => {
                times = call.args.get(1).copied();
                fields = Some(vec![Arc::new(Field::new("value", DataType::Float64, true))]);
            }
            _ => {}
        }
        let columns = [order.as_slice(), &of].concat();
        let fields = fields.unwrap_or_else(|| Table::fields(args.input, &columns));
        Ok(Gathered {
            order,
            args: of,
            filter: call.filter,
            not_null,
            distinct: call.distinct,
            times,
            multiset: args.multiset_of(&fields, true)?,
            shape: Shape::of(&call.func)?,
            ty: call.ty.clone(),
        })
    }

    /// How often each of these rows counts.
    fn weights(&self, batch: &Batch<'_>, rows: &[u32]) -> Result<Vec<i64>> {
        let mut weights = weights_of(batch, rows);
        if let Some(times) = self.times {
            let times = Kind::Int.normalise(&batch.columns[times])?;
            let times = times.as_primitive::<Int64Type>();
            for (weight, row) in weights.iter_mut().zip(rows) {
                let row = *row as usize;
                *weight *= if times.is_valid(row) { times.value(row).max(0) } else { 0 };
            }
        }
        Ok(weights)
    }

    /// What the groups hold, in order.
    fn gotten(&self, table: &Table, groups: &[u32]) -> Result<Gotten> {
        let (mut keys, mut counts, mut ends) = (Vec::new(), Vec::new(), vec![0]);
        for group in groups {
            let prefix = table.key(*group);
            let values_at = prefix.len() + self.order.len() * ARRIVAL_BYTES;
            let mut seen = BTreeSet::new();
            for (key, count) in self.multiset.entries(prefix) {
                if self.distinct && !seen.insert(&key[values_at..]) {
                    continue;
                }
                keys.push(Some(key));
                counts.push(if self.distinct { 1 } else { count });
            }
            ends.push(keys.len());
        }
        let columns = self.multiset.values(&keys)?.split_off(self.order.len());
        Ok(Gotten { columns, counts, ends })
    }
}

impl Accumulator for Gathered {
    fn columns(&self) -> Vec<ValueType> {
        Vec::new()
    }
    fn update(&mut self, batch: &Batch<'_>, _table: &mut Table, _at: usize) -> Result<()> {
        let args = self.args.iter().map(|c| batch.columns[*c].clone());
        let mut args: Vec<ArrayRef> = args.collect();
        let rows = counted(batch, self.filter, self.not_null.map(|i| &args[i]));
        if matches!(self.shape, Shape::Object) && rows.iter().any(|r| args[0].is_null(*r as usize))
        {
            return Err(Error::data("JSON_OBJECTAGG: a key is NULL"));
        }
        if matches!(self.shape, Shape::Percentiles(_)) {
            args[0] = Kind::Float.normalise(&args[0])?;
        }
        let order = self.order.iter().map(|c| batch.columns[*c].clone());
        let columns: Vec<ArrayRef> = order.chain(args).collect();
        let weights = self.weights(batch, &rows)?;
        self.multiset.add(&picked(batch, &columns, &rows)?, &weights)?;
        Ok(())
    }
    fn evaluate(&self, table: &Table, _at: usize, groups: &[u32]) -> Result<ArrayRef> {
        self.shape.results(self.gotten(table, groups)?, &self.ty)
    }
    fn side(&mut self) -> Option<&mut Multiset> {
        Some(&mut self.multiset)
    }
}
