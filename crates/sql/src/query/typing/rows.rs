//! UNION and VALUES: columns made one type.

use std::sync::Arc;

use brooklet_core::types::SqlType;
use brooklet_functions::{NULL, Zone, common_type};
use datafusion::common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Projection, Union, Values};

use super::super::as_written::within;
use super::{made, type_of};
use crate::lower::sql_type;

/// Each column of all inputs in their common type.
pub fn union(union: Union, zone: Zone) -> Result<LogicalPlan> {
    let Some(first) = union.inputs.first() else { return Ok(LogicalPlan::Union(union)) };
    let width = first.schema().fields().len();
    if union.inputs.iter().any(|i| i.schema().fields().len() != width) {
        return Ok(LogicalPlan::Union(union));
    }
    let of = |input: &LogicalPlan, i: usize| match input.schema().field(i) {
        field if field.data_type().is_null() => NULL,
        field => sql_type(field).unwrap_or(SqlType::STRING),
    };
    let mut common = vec![];
    for i in 0..width {
        let types: Vec<SqlType> = union.inputs.iter().map(|input| of(input, i)).collect();
        match common_type(&types) {
            Some(ty) => common.push(ty),
            None => {
                let shown: Vec<String> = types.iter().map(|t| t.to_string()).collect();
                let shown = shown.join(", ");
                return plan_err!(
                    "column {} of UNION has no type in common: {shown}; write a CAST",
                    i + 1
                );
            }
        }
    }
    let inputs = union.inputs.iter().map(|input| {
        let exprs = input.schema().iter().enumerate().map(|(i, (relation, field))| {
            let column = Expr::Column((relation, field).into());
            let from = of(input, i);
            if from == common[i] || from == NULL {
                return Ok(column);
            }
            Ok(made(column, &from, &common[i], zone)?
                .alias_qualified(relation.cloned(), field.name()))
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        if exprs.iter().all(|e| matches!(e, Expr::Column(_))) {
            return Ok(Arc::clone(input));
        }
        Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(input))?)))
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let fields = union.schema.iter().enumerate().map(|(i, (relation, field))| {
        let nullable = inputs.iter().any(|input| input.schema().field(i).is_nullable());
        let ty = if common[i] == NULL { SqlType::STRING } else { common[i].clone() };
        (relation.cloned(), Arc::new(ty.field(field.name(), nullable)))
    });
    let schema = DFSchema::new_with_metadata(fields.collect(), union.schema.metadata().clone())?;
    Ok(LogicalPlan::Union(Union { inputs, schema: Arc::new(schema) }))
}

/// Each column of VALUES in the common type of its values.
pub fn values(values: Values, zone: Zone) -> Result<LogicalPlan> {
    let none = DFSchema::empty();
    let mut rows: Vec<Vec<Expr>> =
        values.values.into_iter().map(|row| row.into_iter().map(as_written).collect()).collect();
    let mut fields = vec![];
    for (i, (relation, field)) in values.schema.iter().enumerate() {
        let (mut types, mut nullable) = (vec![], false);
        for row in &rows {
            let (_, field) = row[i].to_field(&none)?;
            nullable |= field.is_nullable() || field.data_type().is_null();
            types.push(type_of(&row[i], &none)?);
        }
        let moment = |ty: &SqlType| matches!(ty, SqlType::Timestamp(_));
        let apart = types.contains(&SqlType::Date) && types.iter().any(moment);
        let Some(common) = common_type(&types).filter(|_| !apart) else {
            let shown: Vec<String> = types.iter().map(|t| t.to_string()).collect();
            let shown = shown.join(", ");
            return plan_err!("the values of column {} have no type in common: {shown}", i + 1);
        };
        for (row, from) in rows.iter_mut().zip(&types) {
            let value = std::mem::take(&mut row[i]);
            row[i] = made(value, from, &common, zone)?;
        }
        let ty = if common == NULL { SqlType::STRING } else { common };
        fields.push((relation.cloned(), Arc::new(ty.field(field.name(), nullable))));
    }
    let schema = DFSchema::new_with_metadata(fields, values.schema.metadata().clone())?;
    Ok(LogicalPlan::Values(Values { schema: Arc::new(schema), values: rows }))
}

/// The value without the cast to a type in common that DataFusion has put around it. A cast of
/// a small number is a literal's own.
fn as_written(expr: Expr) -> Expr {
    match within(expr.unalias()) {
        Expr::Cast(cast) => match &*cast.expr {
            Expr::Literal(ScalarValue::Int64(Some(n)), _) if i32::try_from(*n).is_err() => {
                *cast.expr
            }
            Expr::Literal(value, _) if !value.is_null() => Expr::Cast(cast),
            _ => as_written(*cast.expr),
        },
        other => other,
    }
}
