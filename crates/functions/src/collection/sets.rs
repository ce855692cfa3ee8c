//! Arrays as sets: each element once, in the order in which it is met first.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use hashbrown::HashSet;

use super::elements::{Elements, Lists, coerced, common_array};
use crate::column::Call;
use crate::function::Kind::Any;
use crate::function::{Body, Function, Output};

/// `ARRAY_DISTINCT(array)`: each element once.
///
/// ```sql
/// CAST(ARRAY_DISTINCT(ARRAY[2, 1, 2]) AS STRING) = '[2, 1]'
/// ```
pub(super) const ARRAY_DISTINCT: Function =
    Function::new("array_distinct", &[Any], Output::By(|t| common_array(t, &[0], &[])), |call| {
        let elements = Elements::of(call, &[0])?.comparable()?;
        let mut lists = Lists::new(call.rows);
        for row in 0..call.rows {
            let Some(places) = elements.places(0, row) else {
                lists.push_null();
                continue;
            };
            let mut seen = Keys::default();
            lists.push(places.filter(|p| seen.insert(elements.key(*p))));
        }
        lists.finish(call, &elements.values)
    });

/// `ARRAY_UNION(array, array)`: the elements of both, each once.
///
/// ```sql
/// CAST(ARRAY_UNION(ARRAY[1, 2], ARRAY[2, 3]) AS STRING) = '[1, 2, 3]'
/// ```
pub(super) const ARRAY_UNION: Function = two("array_union", |call| {
    both(call, |e, a, b, lists| {
        let mut seen = Keys::default();
        lists.push(a.chain(b).filter(|p| seen.insert(e.key(*p))));
    })
});

/// `ARRAY_EXCEPT(array, array)`: the elements of the first that are not in the second, each once.
///
/// ```sql
/// CAST(ARRAY_EXCEPT(ARRAY[1, 2, 3], ARRAY[2]) AS STRING) = '[1, 3]'
/// ```
pub(super) const ARRAY_EXCEPT: Function = two("array_except", |call| {
    both(call, |e, a, b, lists| {
        let mut seen: Keys = b.map(|p| e.key(p)).collect();
        lists.push(a.filter(|p| seen.insert(e.key(*p))));
    })
});

/// `ARRAY_INTERSECT(array, array)`: the elements of the first that are in the second too, each
/// once.
///
/// ```sql
/// CAST(ARRAY_INTERSECT(ARRAY[1, 2, 3], ARRAY[3, 2]) AS STRING) = '[2, 3]'
/// ```
pub(super) const ARRAY_INTERSECT: Function = two("array_intersect", |call| {
    both(call, |e, a, b, lists| {
        let mut left: Keys = b.map(|p| e.key(p)).collect();
        lists.push(a.filter(|p| left.remove(e.key(*p))));
    })
});

type Keys<'a> = HashSet<&'a [u8], foldhash::fast::FixedState>;
type Places = std::ops::Range<u32>;

const fn two(name: &'static str, body: Body) -> Function {
    Function::new(name, &[Any, Any], Output::By(|t| common_array(t, &[0, 1], &[])), body)
        .coerced(|name, types| coerced(name, types, 2))
}

fn both(call: &Call, each: impl Fn(&Elements, Places, Places, &mut Lists)) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0, 1])?.comparable()?;
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        match elements.places(0, row).zip(elements.places(1, row)) {
            Some((a, b)) => each(&elements, a, b, &mut lists),
            None => lists.push_null(),
        }
    }
    lists.finish(call, &elements.values)
}
