//! UNION and VALUES: columns made one type.

use std::sync::Arc;

use brooklet_core::types::SqlType;
use brooklet_functions::{NULL, Zone, common_type};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Union, Values};

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

/// Texts of different lengths are VARCHAR of the longest.
pub fn values(values: Values, _: Zone) -> Result<LogicalPlan> {
    let none = DFSchema::empty();
    let mut fields = vec![];
    for (i, (relation, field)) in values.schema.iter().enumerate() {
        let types = values.values.iter().map(|row| type_of(&row[i], &none));
        let types = types.collect::<Result<Vec<_>>>()?;
        let text = |t: &SqlType| matches!(t, SqlType::Char(_) | SqlType::Varchar(_));
        let bytes = |t: &SqlType| matches!(t, SqlType::Binary(_) | SqlType::Varbinary(_));
        let cast_to_text = values.values.iter().any(|row| {
            matches!(&row[i], Expr::Cast(c) if c.field.data_type().is_string()
                && !type_of(&c.expr, &none).is_ok_and(|t| text(&t)))
        });
        if cast_to_text {
            return plan_err!("the values of column {} have no type in common", i + 1);
        }
        let moment = |t: &SqlType| matches!(t, SqlType::Timestamp(_) | SqlType::TimestampLtz(_));
        let whole = types.iter().all(text) || types.iter().all(bytes) || types.iter().all(moment);
        let ty = common_type(&types).filter(|ty| whole && *ty != NULL);
        let field = match ty.filter(|ty| ty.arrow() == *field.data_type()) {
            Some(ty) => Arc::new(ty.field(field.name(), field.is_nullable())),
            None => Arc::clone(field),
        };
        fields.push((relation.cloned(), field));
    }
    let schema = DFSchema::new_with_metadata(fields, values.schema.metadata().clone())?;
    Ok(LogicalPlan::Values(Values { schema: Arc::new(schema), values: values.values }))
}
