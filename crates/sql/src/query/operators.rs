//! Operators where Flink differs from DataFusion.

use std::sync::Arc;

use arrow::datatypes::DataType;
use brooklet_core::types::SqlType;
use brooklet_functions::{Arithmetic, Zone};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{
    DFSchema, DataFusionError, Diagnostic, Result, ScalarValue, Span, plan_err,
};
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawBinaryExpr, RawFieldAccessExpr,
};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{
    Between, Expr, ExprSchemable, GetFieldAccess, LogicalPlan, Operator, ScalarUDF, binary_expr,
    cast,
};
use sqlparser::ast::BinaryOperator;

use super::aggregates::flink_name;

/// Plans SUBSTRING, POSITION, EXTRACT and the arithmetic of DECIMALs with our functions and refuses
/// operands that Flink does not cast by itself.
#[derive(Debug)]
pub struct FlinkOperators {
    functions: Vec<Arc<ScalarUDF>>,
}

/// A function that stands for an operator.
pub fn named(name: &str) -> Result<Arc<ScalarUDF>> {
    let found = brooklet_functions::all().into_iter().find(|f| f.name() == name);
    found.ok_or_else(|| DataFusionError::Internal(format!("there is no function {name}")))
}

impl FlinkOperators {
    pub fn in_zone(zone: Zone) -> Self {
        let named = ["substring", "position", "extract", "overlay"];
        let ours = |f: &Arc<ScalarUDF>| named.contains(&f.name()) || f.name().starts_with("__");
        let all = brooklet_functions::all_in(zone);
        FlinkOperators { functions: all.into_iter().filter(ours).collect() }
    }

    /// Arithmetic of moments and intervals, where DataFusion's differs or there is none.
    fn intervals(&self, e: &RawBinaryExpr, schema: &DFSchema) -> Result<Option<Expr>> {
        use DataType as T;
        let (left, right) = (e.left.get_type(schema)?, e.right.get_type(schema)?);
        let interval = |t: &DataType| matches!(t, T::Interval(_));
        let (plus, minus) = (e.op == BinaryOperator::Plus, e.op == BinaryOperator::Minus);
        let two = |name: &str, a: &Expr, b: &Expr| -> Result<Option<Expr>> {
            Ok(Some(named(name)?.call(vec![a.clone(), b.clone()])))
        };
        match (&left, &right) {
            (T::Interval(_), T::Interval(_)) if plus || minus => {
                let months = |e: &Expr| -> Result<bool> {
                    Ok(crate::lower::sql_type(&e.to_field(schema)?.1)
                        == Some(SqlType::IntervalYearMonth)
                        || interval_months(e))
                };
                if months(&e.left)? != months(&e.right)? {
                    return plan_err!("intervals of months and of days cannot be added");
                }
                let sign = datafusion::logical_expr::lit(if plus { 1_i32 } else { -1 });
                let right = named("__times_interval")?.call(vec![e.right.clone(), sign]);
                two("__add_intervals", &e.left, &right)
            }
            (T::Interval(_), n) if n.is_numeric() && e.op == BinaryOperator::Multiply => {
                two("__times_interval", &e.left, &e.right)
            }
            (n, T::Interval(_)) if n.is_numeric() && e.op == BinaryOperator::Multiply => {
                two("__times_interval", &e.right, &e.left)
            }
            (T::Date32 | T::Time32(_), b) if interval(b) && plus => {
                two("__plus_interval", &e.left, &e.right)
            }
            (T::Date32 | T::Time32(_), b) if interval(b) && minus => {
                two("__minus_interval", &e.left, &e.right)
            }
            (a, T::Date32 | T::Time32(_)) if interval(a) && plus => {
                two("__plus_interval", &e.right, &e.left)
            }
            (T::Timestamp(..), b) if interval(b) && (plus || minus) => {
                let said = !e.left.to_field(schema)?.1.metadata().is_empty();
                if !said && matches!(e.right, Expr::Literal(..)) {
                    return Ok(None);
                }
                two(if plus { "__plus_interval" } else { "__minus_interval" }, &e.left, &e.right)
            }
            _ => Ok(None),
        }
    }

    fn call(&self, name: &str, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        match self.functions.iter().find(|f| f.name() == name) {
            Some(udf) => Ok(PlannerResult::Planned(udf.call(args))),
            None => Ok(PlannerResult::Original(args)),
        }
    }
}

impl ExprPlanner for FlinkOperators {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let (left, right) = (expr.left.get_type(schema)?, expr.right.get_type(schema)?);
        if let Some(planned) = self.intervals(&expr, schema)? {
            return Ok(PlannerResult::Planned(planned));
        }
        let op = &expr.op;
        if let Some(planned) = truth_as_text(&expr, &left, &right) {
            return Ok(PlannerResult::Planned(planned));
        }
        if let Some(wrong) = mismatch(op, &left, &right) {
            let plain = DataFusionError::Plan(wrong.clone());
            let place = place(&[&expr.left, &expr.right]);
            return Err(plain.with_diagnostic(Diagnostic::new_error(wrong, place)));
        }
        if matches!(op, BinaryOperator::StringConcat) {
            return Ok(PlannerResult::Planned(
                named("__concat")?.call(vec![expr.left, expr.right]),
            ));
        }
        let Some(arithmetic) = arithmetic(op) else { return Ok(PlannerResult::Original(expr)) };
        if let Some(planned) = floats(&expr, arithmetic, &left, &right)? {
            return Ok(PlannerResult::Planned(planned));
        }
        let exact = |t: &DataType| t.is_integer() || is_decimal(t);
        if exact(&left) && exact(&right) && (is_decimal(&left) || is_decimal(&right)) {
            let udf = brooklet_functions::decimal_operator(arithmetic);
            return Ok(PlannerResult::Planned(udf.call(vec![expr.left, expr.right])));
        }
        let width = |t: &DataType| t.primitive_width().unwrap_or_default();
        if arithmetic == Arithmetic::Modulo
            && left.is_integer()
            && right.is_integer()
            && width(&right) < width(&left)
        {
            // A remainder is of the divisor's type.
            let rest = binary_expr(expr.left, Operator::Modulo, expr.right);
            return Ok(PlannerResult::Planned(cast(rest, right)));
        }
        Ok(PlannerResult::Original(expr))
    }
    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let of = expr.expr.get_type(schema)?;
        let key = match &expr.field_access {
            GetFieldAccess::ListIndex { key } => (**key).clone(),
            GetFieldAccess::NamedStructField { name } if !matches!(of, DataType::Struct(_)) => {
                Expr::Literal(name.clone(), None)
            }
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(PlannerResult::Planned(named("__item")?.call(vec![expr.expr, key])))
    }
    fn plan_array_literal(
        &self,
        exprs: Vec<Expr>,
        _: &DFSchema,
    ) -> Result<PlannerResult<Vec<Expr>>> {
        if exprs.is_empty() {
            return plan_err!("ARRAY needs at least one element");
        }
        self.call("__array", exprs)
    }
    fn plan_struct_literal(&self, args: Vec<Expr>, _: bool) -> Result<PlannerResult<Vec<Expr>>> {
        self.call("__row", args)
    }
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.call("extract", args)
    }
    fn plan_position(&self, mut args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        // POSITION(part IN text) comes as text, part.
        args.reverse();
        self.call("position", args)
    }
    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.call("substring", args)
    }
    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.call("overlay", args)
    }
}

/// Arithmetic where one side is a FLOAT: with an integer it is a FLOAT; of FLOAT and DOUBLE the
/// first says what the result is; with a DECIMAL it is a DOUBLE.
fn floats(
    e: &RawBinaryExpr,
    arithmetic: Arithmetic,
    left: &DataType,
    right: &DataType,
) -> Result<Option<Expr>> {
    use DataType::{Float32, Float64};
    let operator = match arithmetic {
        Arithmetic::Plus => Operator::Plus,
        Arithmetic::Minus => Operator::Minus,
        Arithmetic::Times => Operator::Multiply,
        Arithmetic::Divide => Operator::Divide,
        Arithmetic::Modulo if left.is_floating() || right.is_floating() => {
            return plan_err!("'%' takes whole numbers and DECIMALs; write a CAST");
        }
        Arithmetic::Modulo => return Ok(None),
    };
    let within = |ty: DataType| {
        let side = |e: &Expr, of: &DataType| {
            if *of == ty { e.clone() } else { cast(e.clone(), ty.clone()) }
        };
        binary_expr(side(&e.left, left), operator, side(&e.right, right))
    };
    Ok(match (left, right) {
        (Float32, r) if r.is_integer() => Some(within(Float32)),
        (l, Float32) if l.is_integer() => Some(within(Float32)),
        (Float32, Float64) => Some(within(Float32)),
        (Float32 | Float64, r) if is_decimal(r) => Some(within(Float64)),
        (l, Float32 | Float64) if is_decimal(l) => Some(within(Float64)),
        _ => None,
    })
}

/// A BOOLEAN beside a text is compared as a text, TRUE or FALSE.
fn truth_as_text(e: &RawBinaryExpr, left: &DataType, right: &DataType) -> Option<Expr> {
    let operator = match e.op {
        BinaryOperator::Eq => Operator::Eq,
        BinaryOperator::NotEq => Operator::NotEq,
        BinaryOperator::Lt => Operator::Lt,
        BinaryOperator::LtEq => Operator::LtEq,
        BinaryOperator::Gt => Operator::Gt,
        BinaryOperator::GtEq => Operator::GtEq,
        _ => return None,
    };
    let text =
        |e: &Expr| brooklet_functions::cast_udf(SqlType::STRING, false).call(vec![e.clone()]);
    match (left, right) {
        (DataType::Boolean, DataType::Utf8) => {
            Some(binary_expr(text(&e.left), operator, e.right.clone()))
        }
        (DataType::Utf8, DataType::Boolean) => {
            Some(binary_expr(e.left.clone(), operator, text(&e.right)))
        }
        _ => None,
    }
}

/// Whether this is a literal of months.
fn interval_months(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(v)), _) => v.months != 0,
        Expr::Negative(inner) => interval_months(inner),
        _ => false,
    }
}

/// Refuses CASE and COALESCE over values that Flink does not make alike by itself, and BETWEEN over
/// those that do not compare.
pub fn check_choices(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let inputs = node.inputs();
        let schema = match inputs.as_slice() {
            [one] => one.schema(),
            _ => node.schema(),
        };
        node.apply_expressions(|e| {
            e.apply(|e| {
                check_choice(e, schema)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(drop)
}

fn check_choice(expr: &Expr, schema: &DFSchema) -> Result<()> {
    let (name, values): (&str, Vec<&Expr>) = match expr {
        Expr::Case(case) => {
            let then = case.when_then_expr.iter().map(|(_, then)| &**then);
            ("CASE", then.chain(case.else_expr.as_deref()).collect())
        }
        Expr::ScalarFunction(f) if f.func.name() == "coalesce" => {
            ("COALESCE", f.args.iter().collect())
        }
        Expr::Between(range) => return check_range(range, schema),
        Expr::InSubquery(i) => {
            let (left, right) =
                (i.expr.get_type(schema)?, i.subquery.subquery.schema().field(0).data_type());
            let text = |t: &DataType| matches!(t, DataType::Utf8);
            let apart = text(&left) && right.is_numeric() || left.is_numeric() && text(right);
            if !apart {
                return Ok(());
            }
            let (left, right) = (flink_name(&left), flink_name(right));
            let message = format!("cannot compare {left} with the {right} of IN: write a CAST");
            let plain = DataFusionError::Plan(message.clone());
            return Err(plain.with_diagnostic(Diagnostic::new_error(message, place(&[&i.expr]))));
        }
        _ => return Ok(()),
    };
    let types: Vec<DataType> = values.iter().filter_map(|e| e.get_type(schema).ok()).collect();
    let text = |t: &&DataType| matches!(t, DataType::Utf8);
    let Some(other) = types.iter().find(|t| !text(t) && !t.is_null()) else { return Ok(()) };
    if !types.iter().any(|t| text(&t)) {
        return Ok(());
    }
    let message = format!(
        "the values of {name} have no type in common: STRING and {}; write a CAST",
        flink_name(other)
    );
    let plain = DataFusionError::Plan(message.clone());
    Err(plain.with_diagnostic(Diagnostic::new_error(message, place(&values))))
}

/// Where the columns of some expressions stand.
fn place(exprs: &[&Expr]) -> Option<Span> {
    let columns = exprs.iter().flat_map(|e| e.column_refs());
    let spans = columns.filter_map(|c| c.spans.first());
    spans.reduce(|a, b| Span::new(a.start.min(b.start), a.end.max(b.end)))
}

fn check_range(range: &Between, schema: &DFSchema) -> Result<()> {
    let types = [&range.expr, &range.low, &range.high].map(|e| e.get_type(schema).ok());
    let [Some(value), Some(low), Some(high)] = types else { return Ok(()) };
    let ends = (comparison_coercion(&value, &low), comparison_coercion(&value, &high));
    if matches!(&ends, (Some(a), Some(b)) if comparison_coercion(a, b).is_some()) {
        return Ok(());
    }
    let [value, low, high] = [value, low, high].map(|ty| flink_name(&ty));
    let message = format!("BETWEEN does not compare {value}, {low} and {high}: write a CAST");
    let plain = DataFusionError::Plan(message.clone());
    Err(plain.with_diagnostic(Diagnostic::new_error(message, place(&[&range.expr]))))
}

fn is_decimal(ty: &DataType) -> bool {
    matches!(ty, DataType::Decimal128(..))
}

fn arithmetic(op: &BinaryOperator) -> Option<Arithmetic> {
    Some(match op {
        BinaryOperator::Plus => Arithmetic::Plus,
        BinaryOperator::Minus => Arithmetic::Minus,
        BinaryOperator::Multiply => Arithmetic::Times,
        BinaryOperator::Divide => Arithmetic::Divide,
        BinaryOperator::Modulo => Arithmetic::Modulo,
        _ => return None,
    })
}

/// Why Flink refuses these operands, if it does.
fn mismatch(op: &BinaryOperator, left: &DataType, right: &DataType) -> Option<String> {
    let text = |t: &DataType| matches!(t, DataType::Utf8);
    let apart = text(left) != text(right) && !left.is_null() && !right.is_null();
    let day = |t: &DataType| matches!(t, DataType::Date32);
    let moment = |t: &DataType| matches!(t, DataType::Timestamp(..));
    let comparison = matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    );
    let number = |t: &DataType| t.is_numeric();
    let refused = match op {
        BinaryOperator::StringConcat => apart && (number(left) || number(right)),
        BinaryOperator::Eq | BinaryOperator::NotEq if apart => number(left) || number(right),
        BinaryOperator::Minus if moment(left) && moment(right) => true,
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo => text(left) || text(right),
        _ => comparison && (day(left) && moment(right) || moment(left) && day(right)),
    };
    refused.then(|| {
        let (left, right) = (flink_name(left), flink_name(right));
        format!("cannot apply '{op}' to {left} and {right}: write a CAST")
    })
}
