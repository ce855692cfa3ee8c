//! Operators where Flink differs from DataFusion.

use std::sync::Arc;

use arrow::datatypes::DataType;
use brooklet_functions::Arithmetic;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Diagnostic, Result, Span};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, binary_expr, cast,
};
use sqlparser::ast::BinaryOperator;

use super::aggregates::flink_name;

/// Plans SUBSTRING, POSITION, EXTRACT and the arithmetic of DECIMALs with our functions and refuses
/// operands that Flink does not cast by itself.
#[derive(Debug)]
pub struct FlinkOperators {
    functions: Vec<Arc<ScalarUDF>>,
}

impl Default for FlinkOperators {
    fn default() -> Self {
        let named = ["substring", "position", "extract", "overlay"];
        let ours = |f: &Arc<ScalarUDF>| named.contains(&f.name());
        FlinkOperators { functions: brooklet_functions::all().into_iter().filter(ours).collect() }
    }
}

impl FlinkOperators {
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
        let op = &expr.op;
        if let Some(wrong) = mismatch(op, &left, &right) {
            let plain = DataFusionError::Plan(wrong.clone());
            let place = place(&[&expr.left, &expr.right]);
            return Err(plain.with_diagnostic(Diagnostic::new_error(wrong, place)));
        }
        let Some(arithmetic) = arithmetic(op) else { return Ok(PlannerResult::Original(expr)) };
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

/// Refuses CASE and COALESCE over values that Flink does not make alike by itself.
pub fn check_choices(plan: &LogicalPlan) -> Result<()> {
    plan.apply(|node| {
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
