//! Flink's types in CAST and typed literals, as DataFusion asks for them.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use brooklet_core::types::SqlType;
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use sqlparser::ast::{DataType, ExactNumberInfo, TimezoneInfo};

#[derive(Debug)]
pub struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &DataType) -> Result<Option<FieldRef>> {
        Ok(flink_type(sql_type).map(|ty| Arc::new(ty.field("", true))))
    }
}

/// The type a node of sqlparser's tree stands for.
pub fn flink_type(ty: &DataType) -> Option<SqlType> {
    if let Some(carried) = crate::parse::types::carried(ty) {
        return Some(carried.ty);
    }
    let precision = |p: &Option<u64>, default: u8| p.map_or(default, |p| p.min(9) as u8);
    Some(match ty {
        DataType::Boolean | DataType::Bool => SqlType::Boolean,
        DataType::TinyInt(_) => SqlType::TinyInt,
        DataType::SmallInt(_) => SqlType::SmallInt,
        DataType::Int(_) | DataType::Integer(_) => SqlType::Int,
        DataType::BigInt(_) => SqlType::BigInt,
        DataType::Float(_) => SqlType::Float,
        DataType::Double(_) | DataType::DoublePrecision => SqlType::Double,
        DataType::Decimal(info) | DataType::Numeric(info) | DataType::Dec(info) => match info {
            ExactNumberInfo::None => SqlType::Decimal(10, 0),
            ExactNumberInfo::Precision(p) => SqlType::Decimal(u8::try_from(*p).ok()?, 0),
            ExactNumberInfo::PrecisionAndScale(p, s) => {
                SqlType::Decimal(u8::try_from(*p).ok()?, u8::try_from(*s).ok()?)
            }
        },
        DataType::Char(_) | DataType::Varchar(_) | DataType::String(_) => SqlType::STRING,
        DataType::Bytes(_) | DataType::Varbinary(_) | DataType::Binary(_) => SqlType::BYTES,
        DataType::Date => SqlType::Date,
        DataType::Time(p, _) => SqlType::Time(precision(p, 0)),
        DataType::Timestamp(p, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            SqlType::Timestamp(precision(p, 6))
        }
        DataType::Timestamp(p, _) => SqlType::TimestampLtz(precision(p, 6)),
        _ => return None,
    })
}
