//! UNNEST: rows copied for each element of a collection. Stateless.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute;
use arrow::datatypes::{Int32Type, Int64Type, Schema, SchemaRef};

use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::Node;
use brooklet_plan::unnest::{UnnestKind, UnnestSpec};

use super::exprs::Prepared;
use super::filter;
use super::map::batch;
use super::{Operator, StepCtx, StepOutput};

pub struct Unnest {
    spec: UnnestSpec,
    filter: Option<Prepared>,
    /// The input's columns, then the element's.
    pairs: SchemaRef,
    schema: SchemaRef,
    /// Input columns that are not hidden.
    visible: usize,
    sets_bad_aside: bool,
}

/// A row and one of its elements for each pair; None: there is none, and the row is padded.
#[derive(Default)]
struct Pairs {
    rows: Vec<u32>,
    items: Vec<Option<u32>>,
    numbers: Vec<Option<i32>>,
}

impl Pairs {
    fn push(&mut self, row: usize, item: Option<usize>, number: Option<i32>) {
        self.rows.push(row as u32);
        self.items.push(item.map(|item| item as u32));
        self.numbers.push(number);
    }
}

impl Unnest {
    pub fn new(spec: UnnestSpec, node: &Node, input: &Node) -> Result<Self> {
        let hidden = input.ord.len() + usize::from(input.late.is_some());
        let visible = input.schema.fields().len() - hidden;
        let added = spec.width + usize::from(spec.numbered);
        let mut fields = input.schema.fields().to_vec();
        fields.extend(node.schema.fields()[visible..visible + added].iter().cloned());
        let pairs: SchemaRef = Arc::new(Schema::new(fields));
        let filter = match &spec.filter {
            Some(filter) => Some(Prepared::new(std::slice::from_ref(filter), &pairs, &node.label)?),
            None => None,
        };
        let schema = node.schema.clone();
        Ok(Unnest { spec, filter, pairs, schema, visible, sets_bad_aside: false })
    }

    /// Rows that the condition fails on are set aside instead of failing the pipeline.
    pub fn setting_bad_rows_aside(self, sets_bad_aside: bool) -> Self {
        Unnest { sets_bad_aside, ..self }
    }

    fn one(&self, input: &Delta, out: &mut StepOutput) -> Result<()> {
        let collection = input.column(self.spec.column);
        let (items, mut pairs) = self.elements(collection)?;
        if let Some(filter) = &self.filter {
            pairs = self.passing(filter, input, &items, pairs, out)?;
        }
        if self.spec.outer {
            pairs = padded(pairs, input.len());
        }
        if pairs.rows.is_empty() {
            return Ok(());
        }
        let paired = self.paired(input, &items, &pairs)?;
        let mut columns = paired.rows.columns().to_vec();
        let elements = columns.split_off(input.rows.num_columns());
        columns.splice(self.visible..self.visible, elements);
        let rows = batch(&self.schema, columns, pairs.rows.len())?;
        out.counts.rows_out += rows.num_rows() as u64;
        out.rows.push(paired.with_rows(rows));
        Ok(())
    }

    /// The columns of all elements, and which row has which.
    fn elements(&self, collection: &ArrayRef) -> Result<(Vec<ArrayRef>, Pairs)> {
        let mut pairs = Pairs::default();
        let of_row = |offsets: &OffsetBuffer<i32>, row: usize| {
            if collection.is_null(row) {
                return 0..0;
            }
            offsets[row] as usize..offsets[row + 1] as usize
        };
        match self.spec.kind {
            UnnestKind::Items { rows } => {
                let list = collection.as_list::<i32>();
                let values = list.values();
                for row in 0..list.len() {
                    for (at, item) in of_row(list.offsets(), row).enumerate() {
                        if !rows || values.is_valid(item) {
                            pairs.push(row, Some(item), Some(at as i32 + 1));
                        }
                    }
                }
                Ok((fields(values, rows), pairs))
            }
            UnnestKind::Entries => {
                let map = collection.as_map();
                for row in 0..map.len() {
                    for (at, item) in of_row(map.offsets(), row).enumerate() {
                        pairs.push(row, Some(item), Some(at as i32 + 1));
                    }
                }
                Ok((vec![map.keys().clone(), map.values().clone()], pairs))
            }
            UnnestKind::Counted { rows } => {
                let map = collection.as_map();
                let counts = map.values().as_primitive::<Int32Type>();
                for row in 0..map.len() {
                    let mut number = 0;
                    for item in of_row(map.offsets(), row) {
                        for _ in 0..counts.value(item) {
                            number += 1;
                            pairs.push(row, Some(item), Some(number));
                        }
                    }
                }
                Ok((fields(map.keys(), rows), pairs))
            }
            UnnestKind::Repeat => {
                let counts = compute::cast(collection, &arrow::datatypes::DataType::Int64)?;
                for (row, count) in counts.as_primitive::<Int64Type>().iter().enumerate() {
                    (0..count.unwrap_or(0)).for_each(|_| pairs.push(row, None, None));
                }
                Ok((Vec::new(), pairs))
            }
        }
    }

    fn paired(&self, input: &Delta, items: &[ArrayRef], pairs: &Pairs) -> Result<Delta> {
        let rows = input.take(&pairs.rows)?;
        let mut columns = rows.rows.columns().to_vec();
        let picks = UInt32Array::from(pairs.items.clone());
        for item in items {
            columns.push(compute::take(item, &picks, None)?);
        }
        if self.spec.numbered {
            columns.push(Arc::new(Int32Array::from(pairs.numbers.clone())));
        }
        let rows_of_pairs: RecordBatch = batch(&self.pairs, columns, pairs.rows.len())?;
        Ok(rows.with_rows(rows_of_pairs))
    }

    fn passing(
        &self,
        filter: &Prepared,
        input: &Delta,
        items: &[ArrayRef],
        pairs: Pairs,
        out: &mut StepOutput,
    ) -> Result<Pairs> {
        if pairs.rows.is_empty() {
            return Ok(pairs);
        }
        let all = self.paired(input, items, &pairs)?;
        let (keep, bad) = filter::passing(filter, &all, self.sets_bad_aside)?;
        out.bad.extend(bad);
        let mut kept = Pairs::default();
        for (pair, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
            let item = pairs.items[pair].map(|item| item as usize);
            kept.push(pairs.rows[pair] as usize, item, pairs.numbers[pair]);
        }
        Ok(kept)
    }
}

/// A ROW's fields, or the column itself.
fn fields(values: &ArrayRef, rows: bool) -> Vec<ArrayRef> {
    match rows {
        true => values.as_struct().columns().to_vec(),
        false => vec![values.clone()],
    }
}

/// With a pair without element for each row that has none.
fn padded(pairs: Pairs, rows: usize) -> Pairs {
    let mut all = Pairs::default();
    let mut at = 0;
    for row in 0..rows {
        let from = at;
        while at < pairs.rows.len() && pairs.rows[at] as usize == row {
            all.push(row, pairs.items[at].map(|i| i as usize), pairs.numbers[at]);
            at += 1;
        }
        if at == from {
            all.push(row, None, None);
        }
    }
    all
}

impl Operator for Unnest {
    fn step(&mut self, _: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        for input in inputs.iter().flatten().filter(|d| !d.is_empty()) {
            out.counts.rows_in += input.len() as u64;
            self.one(input, &mut out)?;
        }
        Ok(out)
    }
}

/// The operator of a Map that has one.
pub fn build(spec: &UnnestSpec, node: &Node, input: &Node) -> Result<Unnest> {
    if spec.column >= input.schema.fields().len() {
        return Err(Error::bug("UNNEST of a column that is not there"));
    }
    Unnest::new(spec.clone(), node, input)
}
