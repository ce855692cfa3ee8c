//! STDDEV and VARIANCE from other aggregates.
//!
//! With GROUP BY they come from squared deviations. Over rows Flink counts them from sums,
//! (Σx² − (Σx)² / n) / n, in the type of the column: whole numbers are cut at each division,
//! DECIMALs rounded. In patterns whole numbers do so too.

use arrow::datatypes::{DataType, Field};
use brooklet_core::types::SqlType;
use datafusion::common::Result;
use datafusion::logical_expr::{Cast, Expr, when};

use super::{error, rel};

/// Whether of all values there are (POP), whether the root is taken, and the result's column.
pub struct Deviation<'a> {
    pub all: bool,
    pub root: bool,
    pub field: &'a Field,
}

impl Deviation<'_> {
    /// From the sum of squared deviations and the number of values.
    pub fn of_squares(&self, squares: Expr, count: Expr) -> Result<Expr> {
        let one = || rel::bigint(1);
        let divisor = match self.all {
            true => cast(count, &DataType::Float64),
            false => {
                let less = cast(count.clone() - one(), &DataType::Float64);
                when(count.gt(one()), less).end()?
            }
        };
        self.rooted(squares / divisor)
    }

    /// From the sums of the values' squares and of the values, both in the type of [`sums`].
    pub fn of_sums(&self, squares: Expr, sum: Expr, count: Expr) -> Result<Expr> {
        let exact = sums(self.field.data_type()) == DataType::Int64;
        let number = |e: Expr| if exact { e } else { cast(e, &DataType::Float64) };
        let some = when(count.clone().gt(rel::bigint(0)), number(count.clone())).end()?;
        let spread = squares - self.rounded(sum.clone() * sum / some);
        let least = if self.all { 0 } else { 1 };
        let freedom = number(count.clone() - rel::bigint(least));
        let divisor = when(count.gt(rel::bigint(least)), freedom).end()?;
        self.rooted(self.rounded(spread / divisor))
    }

    /// With the digits of a DECIMAL.
    fn rounded(&self, number: Expr) -> Expr {
        match rel::sql_type(self.field) {
            Some(ty @ SqlType::Decimal { .. }) => {
                let digits = brooklet_functions::cast_udf(ty, false).call(vec![number]);
                cast(digits, &DataType::Float64)
            }
            _ => number,
        }
    }

    fn rooted(&self, variance: Expr) -> Result<Expr> {
        let mut result = variance;
        if self.root {
            let functions = brooklet_functions::all();
            let sqrt = functions.iter().find(|f| f.name() == "sqrt");
            let sqrt = sqrt.ok_or_else(|| error("there is no function SQRT", None))?;
            result = sqrt.call(vec![cast(result, &DataType::Float64)]);
        }
        let whole = !self.root && sums(self.field.data_type()) == DataType::Int64;
        Ok(match rel::sql_type(self.field) {
            Some(ty) if ty != SqlType::Double => {
                let from = if whole { cast(result, &DataType::Float64) } else { result };
                brooklet_functions::cast_udf(ty, false).call(vec![from])
            }
            _ => result,
        })
    }
}

/// The type in which values of a type are summed up.
pub fn sums(ty: &DataType) -> DataType {
    match ty.is_integer() {
        true => DataType::Int64,
        false => DataType::Float64,
    }
}

/// A number in another type.
pub fn cast(expr: Expr, to: &DataType) -> Expr {
    Expr::Cast(Cast::new(Box::new(expr), to.clone()))
}
