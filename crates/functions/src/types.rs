//! The SQL types of columns, and the type that values of several types have in common.

use arrow::datatypes::Field;
use brooklet_core::types::{Nullable, RowField, SqlType};

/// The SQL type of a field. A field of an Arrow type that no SQL type stands for counts as STRING:
/// the planner has refused it before.
pub fn sql_type(field: &Field) -> SqlType {
    SqlType::of_field(field).unwrap_or(SqlType::STRING)
}

/// The least type that holds the values of all these types, as CASE, COALESCE, UNION and VALUES
/// look for it; None if they have none in common. A type of NULLs alone is VARCHAR(0).
pub fn common_type(types: &[SqlType]) -> Option<SqlType> {
    let mut known = types.iter().filter(|ty| **ty != NULL);
    let first = known.next().cloned().unwrap_or(NULL);
    known.try_fold(first, |common, ty| pair(&common, ty))
}

/// What a bare NULL is until it is known what it stands for.
pub const NULL: SqlType = SqlType::Varchar(0);

fn pair(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    use SqlType as S;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (S::Char(n) | S::Varchar(n), S::Char(m) | S::Varchar(m)) => S::Varchar(*n.max(m)),
        (S::Binary(n) | S::Varbinary(n), S::Binary(m) | S::Varbinary(m)) => S::Varbinary(*n.max(m)),
        (S::Timestamp(p), S::Timestamp(q)) => S::Timestamp(*p.max(q)),
        (S::TimestampLtz(p), S::TimestampLtz(q)) => S::TimestampLtz(*p.max(q)),
        (S::Timestamp(p), S::TimestampLtz(q)) | (S::TimestampLtz(q), S::Timestamp(p)) => {
            S::TimestampLtz(*p.max(q))
        }
        (S::Time(p), S::Time(q)) => S::Time(*p.max(q)),
        (S::Date, S::Timestamp(p)) | (S::Timestamp(p), S::Date) => S::Timestamp(*p),
        (S::Array(x), S::Array(y)) => S::Array(Box::new(inner(x, y)?)),
        (S::Multiset(x), S::Multiset(y)) => S::Multiset(Box::new(inner(x, y)?)),
        (S::Map(k, v), S::Map(l, w)) => S::Map(Box::new(inner(k, l)?), Box::new(inner(v, w)?)),
        (S::Row(xs), S::Row(ys)) if xs.len() == ys.len() => {
            let field = |(x, y): (&RowField, &RowField)| {
                Some(RowField { name: x.name.clone(), ty: inner(&x.ty, &y.ty)? })
            };
            S::Row(xs.iter().zip(ys).map(field).collect::<Option<_>>()?)
        }
        _ => return number(a, b),
    })
}

fn inner(a: &Nullable, b: &Nullable) -> Option<Nullable> {
    let ty = common_type(&[a.ty.clone(), b.ty.clone()])?;
    Some(Nullable { ty, nullable: a.nullable || b.nullable })
}

/// Integers as DECIMALs have this many digits.
pub(crate) fn digits(ty: &SqlType) -> Option<(u8, u8)> {
    Some(match ty {
        SqlType::TinyInt => (3, 0),
        SqlType::SmallInt => (5, 0),
        SqlType::Int => (10, 0),
        SqlType::BigInt => (19, 0),
        SqlType::Decimal(p, s) => (*p, *s),
        _ => return None,
    })
}

fn number(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    use SqlType as S;
    let floating = |t: &S| matches!(t, S::Float | S::Double);
    if floating(a) || floating(b) {
        let exact = |t: &S| digits(t).is_some();
        let float = |t: &S, u: &S| *t == S::Float && digits(u).is_some();
        let decimal = |t: &S| matches!(t, S::Decimal(..));
        return match () {
            _ if (float(a, b) && !decimal(b)) || (float(b, a) && !decimal(a)) => Some(S::Float),
            // The first of FLOAT and DOUBLE stays.
            _ if floating(a) && floating(b) => Some(a.clone()),
            _ if (floating(a) || exact(a)) && (floating(b) || exact(b)) => Some(S::Double),
            _ => None,
        };
    }
    let ((p, s), (q, t)) = (digits(a)?, digits(b)?);
    if !matches!(a, S::Decimal(..)) && !matches!(b, S::Decimal(..)) {
        return Some(if p > q { a.clone() } else { b.clone() });
    }
    let scale = s.max(t);
    let whole = (p - s).max(q - t);
    let precision = (whole + scale).min(38);
    Some(S::Decimal(precision, scale.min(precision)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_type_is_that_of_flink() {
        use SqlType as S;
        // Each seen on Flink.
        let seen = [
            (vec![S::Char(1), S::Char(3)], Some(S::Varchar(3))),
            (vec![S::Char(3), NULL, S::Char(3)], Some(S::Char(3))),
            (vec![S::Char(3), S::STRING], Some(S::STRING)),
            (vec![S::Decimal(2, 1), S::Int], Some(S::Decimal(11, 1))),
            (vec![S::Int, S::BigInt], Some(S::BigInt)),
            (vec![S::Timestamp(0), S::Timestamp(3)], Some(S::Timestamp(3))),
            (vec![S::Int, S::STRING], None),
        ];
        for (types, want) in seen {
            assert_eq!(common_type(&types), want, "{types:?}");
        }
    }
}
