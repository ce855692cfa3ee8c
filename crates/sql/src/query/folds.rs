//! Aggregates over rows that nobody takes back: what queries of built-in tables run. Streams have
//! the engine's, which also forget.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type};
use brooklet_plan::node::AggFunc;
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::functions_aggregate::min_max::{MaxAccumulator, MinAccumulator};
use datafusion::logical_expr::Accumulator;

/// An aggregate of values of type `from`; the result is of type `to`.
pub fn accumulator(func: &AggFunc, from: &DataType, to: &DataType) -> Result<Box<dyn Accumulator>> {
    Ok(match func {
        AggFunc::Count => Box::new(Count(0)),
        AggFunc::Min => Box::new(MinAccumulator::try_new(to)?),
        AggFunc::Max => Box::new(MaxAccumulator::try_new(to)?),
        AggFunc::Sum | AggFunc::Avg => Box::new(Total {
            average: *func == AggFunc::Avg,
            scale: scale_of(from),
            to: to.clone(),
            sum: Sum::zero(from),
            count: 0,
        }),
        _ => return not_impl_err!("a table's rows have no order to be first or last in"),
    })
}

/// Whether [`accumulator`] knows the function.
pub fn is_known(func: &AggFunc) -> bool {
    use AggFunc::{Avg, Count, Max, Min, Sum};
    matches!(func, Count | Sum | Avg | Min | Max)
}

/// The columns of what is known half way.
pub fn state_fields(func: &AggFunc, from: &DataType, to: &DataType) -> Vec<FieldRef> {
    let field = |name: &str, ty: DataType| FieldRef::new(Field::new(name, ty, true));
    match func {
        AggFunc::Sum | AggFunc::Avg => vec![
            field("sum", Sum::zero(from).state(scale_of(from)).data_type()),
            field("count", DataType::Int64),
        ],
        _ => vec![field("value", to.clone())],
    }
}

#[derive(Debug)]
struct Count(i64);

impl Accumulator for Count {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let counted = values.first().map_or(0, |v| v.len() - v.logical_null_count());
        self.0 += counted as i64;
        Ok(())
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.0)))
    }
    fn size(&self) -> usize {
        size_of_val(self)
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let counts = states[0].as_primitive::<Int64Type>();
        self.0 += counts.iter().flatten().sum::<i64>();
        Ok(())
    }
}

/// A sum as Flink keeps it: whole numbers wrap, a DECIMAL that overflows is NULL.
#[derive(Debug, Clone, Copy)]
enum Sum {
    Whole(i64),
    Float(f64),
    Decimal(Option<i128>),
}

impl Sum {
    fn zero(from: &DataType) -> Sum {
        match from {
            DataType::Float32 | DataType::Float64 => Sum::Float(0.0),
            DataType::Decimal128(..) => Sum::Decimal(Some(0)),
            _ => Sum::Whole(0),
        }
    }
    /// With which digits a DECIMAL begins is the column's to say.
    fn state(&self, scale: i8) -> ScalarValue {
        match self {
            Sum::Whole(sum) => ScalarValue::Int64(Some(*sum)),
            Sum::Float(sum) => ScalarValue::Float64(Some(*sum)),
            Sum::Decimal(sum) => ScalarValue::Decimal128(*sum, 38, scale),
        }
    }
    fn add(&mut self, values: &ArrayRef) -> Result<()> {
        match self {
            Sum::Whole(sum) => {
                let values = cast(values, &DataType::Int64)?;
                let values = values.as_primitive::<Int64Type>().iter().flatten();
                *sum = values.fold(*sum, i64::wrapping_add);
            }
            Sum::Float(sum) => {
                let values = cast(values, &DataType::Float64)?;
                *sum += values.as_primitive::<Float64Type>().iter().flatten().sum::<f64>();
            }
            Sum::Decimal(sum) => {
                for value in values.as_primitive::<Decimal128Type>().iter().flatten() {
                    *sum = sum.and_then(|sum| sum.checked_add(value));
                }
            }
        }
        Ok(())
    }
}

/// SUM and AVG.
#[derive(Debug)]
struct Total {
    average: bool,
    scale: i8,
    to: DataType,
    sum: Sum,
    count: i64,
}

fn scale_of(ty: &DataType) -> i8 {
    match ty {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    }
}

impl Total {
    fn result(&self) -> ScalarValue {
        let divisor = if self.average { self.count } else { 1 };
        match self.sum {
            // AVG of whole numbers is whole, as in Flink.
            Sum::Whole(sum) => ScalarValue::Int64(Some(sum / divisor)),
            Sum::Float(sum) => ScalarValue::Float64(Some(sum / divisor as f64)),
            Sum::Decimal(sum) => {
                let scale = scale_of(&self.to);
                let more = u32::try_from(scale - self.scale).unwrap_or(0);
                let scaled = sum.and_then(|sum| sum.checked_mul(10_i128.checked_pow(more)?));
                let value = scaled.map(|sum| half_up(sum, i128::from(divisor)));
                ScalarValue::Decimal128(value, 38, scale)
            }
        }
    }
}

fn half_up(sum: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (sum / divisor, sum % divisor);
    quotient + if 2 * rest.abs() >= divisor { sum.signum() } else { 0 }
}

impl Accumulator for Total {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count += (values[0].len() - values[0].logical_null_count()) as i64;
        self.sum.add(&values[0])
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return ScalarValue::try_from(&self.to);
        }
        match (self.result(), &self.to) {
            // SUM(INT) is an INT, and wraps.
            (ScalarValue::Int64(Some(n)), DataType::Int32) => {
                Ok(ScalarValue::Int32(Some(n as i32)))
            }
            (ScalarValue::Int64(Some(n)), DataType::Int16) => {
                Ok(ScalarValue::Int16(Some(n as i16)))
            }
            (ScalarValue::Int64(Some(n)), DataType::Int8) => Ok(ScalarValue::Int8(Some(n as i8))),
            (value, to) => value.cast_to(to),
        }
    }
    fn size(&self) -> usize {
        size_of_val(self)
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.sum.state(self.scale), ScalarValue::Int64(Some(self.count))])
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        // A sum that overflowed is no number that could be added.
        if let Sum::Decimal(sum) = &mut self.sum
            && states[0].null_count() > 0
        {
            *sum = None;
        }
        self.sum.add(&states[0])?;
        let counts = states[1].as_primitive::<Int64Type>();
        self.count += counts.iter().flatten().sum::<i64>();
        Ok(())
    }
}
