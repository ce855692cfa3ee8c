//! GROUPING SETS, ROLLUP and CUBE: each row once for every set, with NULL in place of the keys
//! that the set does not have and the set's number as one more key.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Aggregate, Cast, Expr, GroupingSet, when};

use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error};

/// The keys of an aggregate and the sets of them that rows are grouped by; one set of all keys
/// for a plain GROUP BY. The keys stand in the order of the aggregate's columns.
pub fn of(aggregate: &Aggregate) -> (Vec<Expr>, Vec<Vec<usize>>) {
    let [Expr::GroupingSet(GroupingSet::GroupingSets(written))] = aggregate.group_expr.as_slice()
    else {
        let keys = aggregate.group_expr.clone();
        let all = (0..keys.len()).collect();
        return (keys, vec![all]);
    };
    let mut keys: Vec<Expr> = Vec::new();
    for key in written.iter().flatten() {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    let place = |key: &Expr| keys.iter().position(|k| k == key);
    let sets = written.iter().map(|set| set.iter().filter_map(place).collect());
    let sets = sets.collect();
    (keys, sets)
}

/// Whether the aggregate has a column of DataFusion's that tells the sets apart.
pub fn is_written(aggregate: &Aggregate) -> bool {
    matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)])
}

impl Lowering<'_> {
    /// The relation's rows once for each set; `keys` are columns of it, and a last one is added
    /// that holds the number of the set. A key that is an argument of a call as well is a column
    /// of its own.
    pub(super) fn for_each_set(
        &mut self,
        rel: Rel,
        keys: &[usize],
        sets: &[Vec<usize>],
        need: Need,
    ) -> Result<usize> {
        let names = rel.names.clone();
        let label = rel.label.clone();
        let node = self.emit(&rel, need)?;
        let below = self.plan.node(node).schema.clone();
        let width = names.len();
        let mut inputs = Vec::new();
        for (number, set) in sets.iter().enumerate() {
            let mut copy = Rel::of_node(&self.plan, node, label.clone());
            for (place, key) in keys.iter().enumerate() {
                if !set.contains(&place) {
                    let null = ScalarValue::try_from(below.field(*key).data_type())?;
                    copy.exprs[*key] = Expr::Literal(null, None);
                }
            }
            copy.exprs.push(rel::bigint(number as i64));
            copy.names = names.iter().cloned().chain([SET.to_string()]).collect();
            inputs.push(self.emit(&copy, need)?);
        }
        let names: Vec<String> = names.into_iter().chain([SET.to_string()]).collect();
        let all = match inputs.as_slice() {
            [one] => *one,
            _ => self.union_of(inputs, &names, "GROUPING SETS".into(), need)?,
        };
        // A NULL does not say of which SQL type it is.
        let made = &mut self.plan.nodes[all];
        let fields = made.schema.fields().iter().enumerate().map(|(i, field)| {
            let said = below.fields().get(i).filter(|_| i < width).map(|f| f.metadata().clone());
            field.as_ref().clone().with_metadata(said.unwrap_or_default())
        });
        made.schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
        Ok(all)
    }
}

/// The column with the number of the set.
const SET: &str = "grouping_set";

/// GROUPING(a, b): a bit for each argument, the last one the lowest, set where the row's set does
/// not have it. `set` gives the number of the set.
pub fn grouping(places: &[usize], sets: &[Vec<usize>], set: &Expr) -> Result<Expr> {
    let bits = |of: &Vec<usize>| {
        places.iter().fold(0_i64, |bits, place| bits << 1 | i64::from(!of.contains(place)))
    };
    by_set(sets.iter().map(bits).collect(), set)
}

/// GROUP_ID(): how many equal sets come before.
pub fn group_id(sets: &[Vec<usize>], set: &Expr) -> Result<Expr> {
    let same = |a: &Vec<usize>, b: &Vec<usize>| {
        a.iter().all(|key| b.contains(key)) && b.iter().all(|key| a.contains(key))
    };
    let before = |number: usize| sets[..number].iter().filter(|s| same(s, &sets[number])).count();
    by_set((0..sets.len()).map(|number| before(number) as i64).collect(), set)
}

/// A number for each set.
fn by_set(values: Vec<i64>, set: &Expr) -> Result<Expr> {
    let first = values.first().copied().unwrap_or(0);
    if values.iter().all(|value| *value == first) {
        return Ok(rel::bigint(first));
    }
    let is = |number: usize| set.clone().eq(rel::bigint(number as i64));
    let mut cases = when(is(0), rel::bigint(first));
    for (number, value) in values.iter().enumerate().skip(1) {
        cases = cases.when(is(number), rel::bigint(*value));
    }
    cases.otherwise(rel::bigint(0))
}

/// The place among the keys of an argument of GROUPING.
pub fn place(arg: &Expr, keys: &[Expr]) -> Result<usize> {
    let bare = |e: &Expr| e.clone().unalias();
    keys.iter().position(|key| bare(key) == bare(arg)).ok_or_else(|| {
        error(format!("GROUPING of {}: it is not grouped by", arg.schema_name()), None)
    })
}

/// A constant of the type of DataFusion's column that tells the sets apart, which nothing reads.
pub fn unread(ty: &DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(rel::bigint(0)), ty.clone()))
}
