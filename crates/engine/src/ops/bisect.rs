//! Finds the rows that an expression fails on: only ever run after a whole batch has failed.

use brooklet_core::{Delta, Error, ErrorKind, Result, Weights};

/// The rows that `check` fails on when they are alone, with the reason, in order. Halves what
/// fails, so that few bad rows cost few calls. Errors of other kinds than `Data` are returned.
pub fn failing(
    rows: &Delta,
    mut check: impl FnMut(&Delta) -> Result<()>,
) -> Result<Vec<(u32, Error)>> {
    let mut found = Vec::new();
    let mut open = vec![(0, rows.len())];
    while let Some((from, len)) = open.pop() {
        match check(&slice(rows, from, len)) {
            Ok(()) => {}
            Err(e) if e.kind != ErrorKind::Data => return Err(e),
            Err(e) if len == 1 => found.push((from as u32, e)),
            Err(_) => {
                let half = len / 2;
                open.push((from + half, len - half));
                open.push((from, half));
            }
        }
    }
    Ok(found)
}

/// Rows `from..from + len`.
pub fn slice(rows: &Delta, from: usize, len: usize) -> Delta {
    let weights = match &rows.weights {
        Weights::Ones => Weights::Ones,
        Weights::Each(w) => Weights::Each(w[from..from + len].to_vec()),
    };
    Delta { rows: rows.rows.slice(from, len), weights }
}

/// The numbers below `len` that are not in `some`, which is sorted.
pub fn all_but(some: &[u32], len: usize) -> Vec<u32> {
    let mut some = some.iter().copied().peekable();
    (0..len as u32).filter(|n| some.next_if_eq(n).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;

    use super::*;

    #[test]
    fn exactly_the_failing_rows_are_found() {
        let column: Arc<Int64Array> = Arc::new(Int64Array::from_iter_values(0..1_000));
        let rows = Delta::inserts(RecordBatch::try_from_iter([("n", column as _)]).unwrap());
        for bad in [vec![], vec![0], vec![999], vec![3, 4, 500, 998], (0..1_000).collect()] {
            let mut calls = 0;
            let check = |part: &Delta| {
                calls += 1;
                let column = part.column(0).as_primitive::<Int64Type>();
                match column.values().iter().find(|n| bad.contains(*n)) {
                    Some(n) => Err(Error::data(n.to_string())),
                    None => Ok(()),
                }
            };
            let found = failing(&rows, check).unwrap();
            let seen: Vec<(i64, String)> =
                found.into_iter().map(|(row, e)| (i64::from(row), e.message)).collect();
            let wanted: Vec<(i64, String)> = bad.iter().map(|n| (*n, n.to_string())).collect();
            assert_eq!(seen, wanted);
            assert!(calls <= 1 + 22 * bad.len().min(100), "{calls}");
        }
        assert!(failing(&rows, |_| Err(Error::bug("x"))).is_err());
        assert_eq!(all_but(&[0, 2], 4), [1, 3]);
    }
}
