//! Names of WITH that are given twice: the last one counts, and that of an inner query hides that
//! of the query around it. DataFusion knows one of each name, so the others get new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, ObjectName, Query, TableAlias, TableFactor};

use super::walk::{Changed, Seen, walk, walk_mut};

/// What names mean: those that stand for others.
type Names = BTreeMap<String, String>;

/// Gives each query of WITH a name of its own.
pub fn tell_apart(query: &mut Query) {
    let (mut all, mut twice) = (BTreeSet::new(), false);
    walk(query, &mut |seen| {
        if let Seen::Query(Query { with: Some(with), .. }) = seen {
            for named in &with.cte_tables {
                twice |= !all.insert(named.alias.name.value.clone());
            }
        }
        ControlFlow::Continue(())
    });
    if twice {
        renamed(query, &Names::new(), &mut 0);
    }
}

fn renamed(query: &mut Query, outer: &Names, made: &mut usize) {
    let mut names = outer.clone();
    let mut with = query.with.take();
    for named in with.iter_mut().flat_map(|with| &mut with.cte_tables) {
        renamed(&mut named.query, &names, made);
        let name = &mut named.alias.name.value;
        let given = name.clone();
        if names.contains_key(&given) {
            *made += 1;
            *name = format!("{given}\u{1}{made}");
        }
        names.insert(given, name.clone());
    }
    let mut depth = 0;
    walk_mut(query, &mut |changed| match changed {
        Changed::Query(inner) => {
            depth += 1;
            // What stands deeper is met from there.
            if depth == 2 {
                renamed(inner, &names, made);
            }
        }
        Changed::QueryEnd => depth -= 1,
        Changed::TableFactor(factor) if depth == 1 => rename(factor, &names),
        _ => {}
    });
    query.with = with;
}

/// The table under its new name, which goes on being called as before.
fn rename(factor: &mut TableFactor, names: &Names) {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return };
    let [part] = name.0.as_slice() else { return };
    let Some(given) = part.as_ident().cloned() else { return };
    let Some(new) = names.get(&given.value).filter(|new| **new != given.value) else { return };
    let new = Ident { value: new.clone(), quote_style: Some('`'), ..given.clone() };
    *name = ObjectName::from(vec![new]);
    if alias.is_none() {
        *alias = Some(TableAlias { explicit: true, name: given, columns: vec![], at: None });
    }
}
