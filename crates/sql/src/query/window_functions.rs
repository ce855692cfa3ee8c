//! Functions that only stand in front of OVER, as the planner sees them: names and result types.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{
    PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
};

use super::aggregates::flink_name;

pub const LAG: &str = "lag";
pub const LEAD: &str = "lead";
pub const RANK: &str = "rank";
pub const DENSE_RANK: &str = "dense_rank";
pub const NTILE: &str = "ntile";
pub const PERCENT_RANK: &str = "percent_rank";
pub const CUME_DIST: &str = "cume_dist";
pub const FIRST_VALUE: &str = "first_value";
pub const LAST_VALUE: &str = "last_value";

pub fn all() -> impl Iterator<Item = Arc<WindowUDF>> {
    let of_places = [RANK, DENSE_RANK, NTILE, PERCENT_RANK, CUME_DIST];
    let of_values = [LAG, LEAD, FIRST_VALUE, LAST_VALUE];
    of_places.into_iter().chain(of_values).map(|name| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(WindowUDF::new_from_impl(Planned { name, signature }))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Planned {
    name: &'static str,
    signature: Signature,
}

impl Planned {
    /// How many arguments it takes: at least and at most.
    fn arguments(&self) -> (usize, usize) {
        match self.name {
            LAG | LEAD => (1, 3),
            NTILE | FIRST_VALUE | LAST_VALUE => (1, 1),
            _ => (0, 0),
        }
    }
}

impl WindowUDFImpl for Planned {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn partition_evaluator(
        &self,
        _: PartitionEvaluatorArgs,
    ) -> Result<Box<dyn PartitionEvaluator>> {
        not_impl_err!("{} is run by the engine", self.name)
    }
    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        let (least, most) = self.arguments();
        let name = self.name.to_uppercase();
        if args.len() < least || args.len() > most {
            return plan_err!(
                "{name} takes {least} to {most} arguments; {} were given",
                args.len()
            );
        }
        if let [value, _, default] = args {
            let fits =
                default.is_null() || value == default || value.is_numeric() && default.is_numeric();
            if !fits {
                let (from, to) = (flink_name(default), flink_name(value));
                return plan_err!("{name}: the default is {from}, the value {to}: write a CAST");
            }
            return Ok(vec![value.clone(), DataType::Int64, value.clone()]);
        }
        let number = |(at, ty): (usize, &DataType)| match (at, self.name) {
            (0, LAG | LEAD | FIRST_VALUE | LAST_VALUE) => ty.clone(),
            _ => DataType::Int64,
        };
        Ok(args.iter().enumerate().map(number).collect())
    }
    fn field(&self, args: WindowUDFFieldArgs) -> Result<FieldRef> {
        let ty = match (self.name, args.input_fields()) {
            (LAG | LEAD | FIRST_VALUE | LAST_VALUE, [value, ..]) => {
                return Ok(Arc::new(
                    value.as_ref().clone().with_name(args.name()).with_nullable(true),
                ));
            }
            (PERCENT_RANK | CUME_DIST, _) => DataType::Float64,
            _ => DataType::Int64,
        };
        Ok(Arc::new(Field::new(args.name(), ty, false)))
    }
}
