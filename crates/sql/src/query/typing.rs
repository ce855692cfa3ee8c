//! The types that Flink gives: lengths of texts, what values have in common, the session's zone.
//!
//! DataFusion's coercion runs behind this and finds nothing left to do where values were made
//! alike here. What Arrow's types cannot say is said in metadata, see [`SqlType::field`].

use brooklet_core::types::{SQL_TYPE, SqlType};
use brooklet_functions::{NULL, Zone, cast_udf_in, common_type, retyped_udf, type_text};
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{Case, InList, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Between, BinaryExpr, Expr, ExprSchemable, GroupingSet, LogicalPlan, Operator,
};

use crate::lower::sql_type;

mod row_values;
mod rows;

/// The plan with Flink's types, its schemas computed anew.
pub fn typed(plan: LogicalPlan, zone: Zone) -> Result<LogicalPlan> {
    Ok(plan.transform_up_with_subqueries(|plan| node(plan, zone))?.data)
}

fn node(plan: LogicalPlan, zone: Zone) -> Result<Transformed<LogicalPlan>> {
    let calls = Default::default();
    let typing = Typing { schema: merge_schema(&plan.inputs()), calls, zone };
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let one = |expr: Expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(|e| typing.expr(e))?.update_data(|e| name.restore(e)))
        };
        match expr {
            // Each key is a column under its name.
            Expr::GroupingSet(GroupingSet::GroupingSets(sets)) => {
                let keys = |set: Vec<Expr>| set.into_iter().map(|key| one(key).data()).collect();
                let sets = sets.into_iter().map(keys).collect::<Result<_>>()?;
                Ok(Transformed::yes(Expr::GroupingSet(GroupingSet::GroupingSets(sets))))
            }
            expr => one(expr),
        }
    })?
    .map_data(|plan| match plan {
        LogicalPlan::Union(union) => rows::union(union, zone),
        LogicalPlan::Values(values) => rows::values(values, zone),
        other => Ok(other),
    })?
    .map_data(|plan| plan.recompute_schema())
}

struct Typing {
    schema: DFSchema,
    /// Of functions of chance, which must not be alike.
    calls: std::cell::Cell<i64>,
    zone: Zone,
}

impl Typing {
    fn expr(&self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::Literal(value, None) => match literal_type(&value) {
                Some(ty) => Transformed::yes(Expr::Literal(value, Some(metadata(&ty)))),
                None => Transformed::no(Expr::Literal(value, None)),
            },
            Expr::Case(case) => Transformed::yes(self.case(case)?),
            Expr::ScalarFunction(f) => self.function(f)?,
            Expr::BinaryExpr(e) => Transformed::yes(self.binary(e)?),
            Expr::Between(e) => {
                let ty = self.of(&e.expr)?;
                let (low, high) = (self.beside(*e.low, &ty)?, self.beside(*e.high, &ty)?);
                let (low, high) = (Box::new(low), Box::new(high));
                Transformed::yes(Expr::Between(Between { low, high, ..e }))
            }
            Expr::InList(e) => {
                if let Some(made) = self.row_in(&e)? {
                    return Ok(Transformed::yes(made));
                }
                let ty = self.of(&e.expr)?;
                let list = e.list.into_iter().map(|item| self.listed(item, &ty));
                let list = list.collect::<Result<_>>()?;
                Transformed::yes(Expr::InList(InList { list, ..e }))
            }
            other => Transformed::no(other),
        })
    }

    fn of(&self, expr: &Expr) -> Result<SqlType> {
        type_of(expr, &self.schema)
    }

    /// The branches of CASE made one type.
    fn case(&self, case: Case) -> Result<Expr> {
        let case = self.of_nested(case)?;
        let then = case.when_then_expr.iter().map(|(_, then)| &**then);
        let all: Vec<&Expr> = then.chain(case.else_expr.as_deref()).collect();
        let types = all.iter().map(|e| self.of(e)).collect::<Result<Vec<_>>>()?;
        // Without a type in common the check that follows says so.
        let Some(common) = common_type(&types) else { return Ok(Expr::Case(case)) };
        let branch = |e: Box<Expr>| -> Result<Box<Expr>> { Ok(Box::new(self.into(*e, &common)?)) };
        let when = case.when_then_expr.into_iter();
        let when = when.map(|(when, then)| Ok((when, branch(then)?))).collect::<Result<_>>()?;
        let otherwise = case.else_expr.map(branch).transpose()?;
        let case = Expr::Case(Case { when_then_expr: when, else_expr: otherwise, ..case });
        Ok(said(case, &common))
    }

    fn function(&self, f: ScalarFunction) -> Result<Transformed<Expr>> {
        match f.func.name() {
            "coalesce" => {
                let types = f.args.iter().map(|e| self.of(e)).collect::<Result<Vec<_>>>()?;
                let Some(common) = common_type(&types) else {
                    return Ok(Transformed::no(Expr::ScalarFunction(f)));
                };
                let args = f.args.into_iter().map(|e| self.into(e, &common));
                let args = args.collect::<Result<_>>()?;
                let call = Expr::ScalarFunction(ScalarFunction { args, ..f });
                Ok(Transformed::yes(said(call, &common)))
            }
            "nullif" => {
                let ty = self.of(&f.args[0])?;
                Ok(Transformed::yes(said(Expr::ScalarFunction(f), &ty)))
            }
            // Only here is it known what may be NULL.
            "typeof" => {
                let Some(value) = f.args.first() else {
                    return plan_err!("TYPEOF takes a value and perhaps TRUE or FALSE");
                };
                let (_, field) = value.to_field(&self.schema)?;
                let long = match f.args.get(1) {
                    None => false,
                    Some(Expr::Literal(ScalarValue::Boolean(Some(long)), _)) => *long,
                    Some(_) => return plan_err!("TYPEOF takes a value and perhaps TRUE or FALSE"),
                };
                let text = ScalarValue::Utf8(Some(type_text(&field, long)));
                Ok(Transformed::yes(Expr::Literal(text, Some(metadata(&SqlType::STRING)))))
            }
            // What the wall shows now.
            "localtimestamp" | "current_date" | "current_time" | "localtime"
                if self.zone != Zone::UTC && f.args.is_empty() =>
            {
                let to = type_of(&Expr::ScalarFunction(f), &self.schema)?;
                let clock = super::clock::functions();
                let Some(now) = clock.get("current_timestamp") else {
                    return plan_err!("there is no clock");
                };
                Ok(Transformed::yes(cast_udf_in(to, false, self.zone).call(vec![now.call(vec![])])))
            }
            "rand" | "uuid" if f.args.is_empty() => Ok(Transformed::yes(self.seeded(f)?)),
            "rand_integer" if f.args.len() == 1 => Ok(Transformed::yes(self.seeded(f)?)),
            name if name.starts_with("as ") => Ok(match f.args.as_slice() {
                [Expr::ScalarFunction(inner)] if inner.func == f.func => {
                    Transformed::yes(Expr::ScalarFunction(inner.clone()))
                }
                _ => Transformed::no(Expr::ScalarFunction(f)),
            }),
            _ => Ok(Transformed::no(Expr::ScalarFunction(f))),
        }
    }

    /// A call whose seed is the epoch's time and the number of the call.
    fn seeded(&self, f: ScalarFunction) -> Result<Expr> {
        let clock = super::clock::functions();
        let Some(now) = clock.get("current_timestamp") else {
            return plan_err!("there is no clock");
        };
        let number = self.calls.get();
        self.calls.set(number + 1);
        let mut args = vec![now.call(vec![])];
        args.extend(f.args);
        args.push(Expr::Literal(ScalarValue::Int64(Some(number)), None));
        Ok(Expr::ScalarFunction(ScalarFunction { func: f.func, args }))
    }

    /// The sides of a comparison made one type.
    fn compared(&self, e: BinaryExpr) -> Result<BinaryExpr> {
        let compares = matches!(
            e.op,
            Operator::Eq
                | Operator::NotEq
                | Operator::Lt
                | Operator::LtEq
                | Operator::Gt
                | Operator::GtEq
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
        );
        if !compares {
            return Ok(e);
        }
        let (left, right) = (self.of(&e.left)?, self.of(&e.right)?);
        let orders = matches!(e.op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq);
        if orders && nested(&left) && nested(&right) {
            return plan_err!("values of type {left} have no order: compare their parts");
        }
        if nested(&left) && nested(&right) && left.arrow() != right.arrow() {
            // Names of fields do not count.
            if let Some(common) = common_type(&[left, right]) {
                let cast = cast_udf_in(common, false, self.zone);
                let (left, right) = (cast.call(vec![*e.left]), cast.call(vec![*e.right]));
                return Ok(BinaryExpr { left: Box::new(left), right: Box::new(right), op: e.op });
            }
            return Ok(e);
        }
        let (l, r) = (self.beside(*e.left, &right)?, self.beside(*e.right, &left)?);
        let r = match (e.op, &left, &right) {
            (Operator::Eq, SqlType::Float, SqlType::Double) => self.into(r, &SqlType::Float)?,
            _ => r,
        };
        Ok(BinaryExpr { left: Box::new(l), right: Box::new(r), op: e.op })
    }

    /// The value in the type that it is compared with `other` in.
    fn beside(&self, expr: Expr, other: &SqlType) -> Result<Expr> {
        use SqlType as S;
        let ty = self.of(&expr)?;
        if ty == NULL || *other == NULL {
            return Ok(expr);
        }
        let text = |t: &S| matches!(t, S::Char(_) | S::Varchar(_));
        let interval = |t: &S| matches!(t, S::IntervalDaySecond | S::IntervalYearMonth);
        Ok(match (&ty, other) {
            (S::Boolean, other) if text(other) => self.into(expr, &S::STRING)?,
            (ty, other) if text(ty) && !text(other) && *other != S::Boolean => {
                self.into(expr, other)?
            }
            (S::Decimal(..), S::Float | S::Double) | (S::Float, S::Decimal(..)) => {
                self.into(expr, &S::Double)?
            }
            (S::Timestamp(_), S::TimestampLtz(p)) => self.into(expr, &S::TimestampLtz(*p))?,
            (ty, _) if interval(ty) => {
                let one = Expr::Literal(ScalarValue::Int32(Some(1)), None);
                super::operators::named("__times_interval")?.call(vec![expr, one])
            }
            (ty, other) if nested(ty) && ty.arrow() != other.arrow() => {
                match common_type(&[other.clone(), ty.clone()]) {
                    Some(common) => cast_udf_in(common, false, self.zone).call(vec![expr]),
                    None => expr,
                }
            }
            _ => expr,
        })
    }

    /// As [`Self::beside`], for what Flink compares in IN: numbers and texts as texts.
    fn listed(&self, expr: Expr, ty: &SqlType) -> Result<Expr> {
        use SqlType as S;
        let own = matches!(
            ty,
            S::Date
                | S::Time(_)
                | S::Timestamp(_)
                | S::TimestampLtz(_)
                | S::Row(_)
                | S::Float
                | S::Double
        );
        let of = self.of(&expr)?;
        let text = matches!(of, S::Char(_) | S::Varchar(_));
        if matches!(ty, S::Char(_) | S::Varchar(_)) && of.arrow().is_numeric() {
            return self.into(expr, &S::STRING);
        }
        if own && !(text && ty.arrow().is_floating()) { self.beside(expr, ty) } else { Ok(expr) }
    }

    /// The value in another type, unchanged where both are carried alike.
    fn into(&self, expr: Expr, to: &SqlType) -> Result<Expr> {
        let from = self.of(&expr)?;
        made(expr, &from, to, self.zone)
    }
}

fn nested(ty: &SqlType) -> bool {
    use SqlType as S;
    matches!(ty, S::Row(_) | S::Array(_) | S::Map(..) | S::Multiset(_))
}

fn type_of(expr: &Expr, schema: &DFSchema) -> Result<SqlType> {
    let field = expr.to_field(schema)?.1;
    Ok(match field.data_type().is_null() {
        true => NULL,
        false => sql_type(&field).unwrap_or(SqlType::STRING),
    })
}

fn made(expr: Expr, from: &SqlType, to: &SqlType, zone: Zone) -> Result<Expr> {
    if from == to || *from == NULL {
        return Ok(expr);
    }
    // Values of a shorter type stand in a longer one as they are.
    if from.arrow() == to.arrow() && !matches!(to, SqlType::Char(_) | SqlType::Binary(_)) {
        return Ok(retyped_udf(to.clone()).call(vec![expr]));
    }
    Ok(cast_udf_in(to.clone(), false, zone).call(vec![expr]))
}

/// An expression whose field does not say its type by itself.
fn said(expr: Expr, ty: &SqlType) -> Expr {
    if *ty == NULL || SqlType::from_arrow(&ty.arrow()).as_ref() == Some(ty) {
        return expr;
    }
    retyped_udf(ty.clone()).call(vec![expr])
}

/// What a literal says of its type.
fn metadata(ty: &SqlType) -> FieldMetadata {
    let said = [(SQL_TYPE.to_string(), ty.to_string())].into();
    let said: std::collections::BTreeMap<String, String> = said;
    FieldMetadata::from(said)
}

/// The type of a literal where it is not what its Arrow type stands for.
fn literal_type(value: &ScalarValue) -> Option<SqlType> {
    Some(match value {
        ScalarValue::Utf8(Some(text)) => {
            SqlType::Char(u32::try_from(text.encode_utf16().count()).ok()?)
        }
        ScalarValue::Binary(Some(bytes)) => SqlType::Binary(u32::try_from(bytes.len()).ok()?),
        ScalarValue::IntervalMonthDayNano(Some(v))
            if v.months != 0 && v.days == 0 && v.nanoseconds == 0 =>
        {
            SqlType::IntervalYearMonth
        }
        _ => return None,
    })
}
