//! Any function, aggregate or cast with any arguments.

use std::sync::LazyLock;

use brooklet_sql::catalog::Catalog;
use brooklet_sql::query::Provider;

use super::types::Ty;
use super::{Grammar, literals, types};

/// Every function that there is.
static FUNCTIONS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let catalog = Catalog::default();
    Provider::new(&catalog).functions().into_iter().filter(|f| !f.contains(' ')).collect()
});

/// Forms with words between the arguments.
const FORMS: &[&str] = &[
    "CAST({?} AS {t})",
    "TRY_CAST({?} AS {t})",
    "CAST({l} AS {t})",
    "TRY_CAST({l} AS {t})",
    "CAST(CAST({?} AS {t}) AS {t})",
    "EXTRACT({u} FROM {?})",
    "FLOOR({?} TO {u})",
    "CEIL({?} TO {u})",
    "TIMESTAMPADD({u}, {?}, {?})",
    "TIMESTAMPDIFF({u}, {?}, {?})",
    "TRIM(TRAILING {?} FROM {?})",
    "OVERLAY({?} PLACING {?} FROM {?})",
    "POSITION({?} IN {?})",
    "SUBSTRING({?} FROM {?} FOR {?})",
    "JSON_VALUE({?}, {l} RETURNING {t} NULL ON EMPTY ERROR ON ERROR)",
    "JSON_QUERY({?}, {l} RETURNING ARRAY<STRING> WITH ARRAY WRAPPER)",
    "JSON_OBJECT({?} VALUE {?})",
    "JSON_OBJECT({l} VALUE {?} NULL ON NULL, {l} VALUE JSON({?}))",
    "{?} IS JSON {?}",
    "{?} + {v}",
    "{v} * {?}",
    "{?} - {?}",
    "{?} / {?}",
    "{?} || {?}",
    "{?}[{?}]",
    "{?}.p",
    "{?} LIKE {?} ESCAPE {l}",
    "{?} SIMILAR TO {?}",
    "{?} BETWEEN {?} AND {?}",
    "{?} IN ({?}, {?})",
    "({?}, {?}) = ({?}, {?})",
    "({?}, {?}) OVERLAPS ({?}, {?})",
    "ROW({?}, {?}) = ROW({?}, {?})",
    "ROW({?}, {?}).f0",
    "ARRAY[{?}, {?}]",
    "MAP[{?}, {?}]",
    "CAST(ROW({?}, {?}) AS ROW<a {t}, b {t} NOT NULL>)",
    "CAST(ARRAY[{?}] AS ARRAY<{t}>)",
    "CASE {?} WHEN {?} THEN {?} ELSE {?} END",
    "{?} AT TIME ZONE {l}",
    "LAG({?}, {?}, {?}) OVER (PARTITION BY {?} ORDER BY {M})",
    "SUM({?}) OVER (ORDER BY {?} ROWS BETWEEN {I} PRECEDING AND CURRENT ROW)",
    "NTH_VALUE({?}, {I}) OVER (ORDER BY ts)",
    "LISTAGG({?}, {l})",
    "LISTAGG(DISTINCT {?}) FILTER (WHERE {?})",
    "PERCENTILE({?}, {?})",
    "JSON_OBJECTAGG(KEY {?} VALUE {?} ABSENT ON NULL)",
    "JSON_ARRAYAGG({?} NULL ON NULL)",
    "GROUPING({?})",
    "{l} COLLATE {?}",
];

impl Grammar<'_> {
    pub(super) fn call(&mut self) -> String {
        if self.chance(0.3) {
            let (form, ty) = (self.pick(FORMS), self.any_type());
            return self.filled(form, ty, 1);
        }
        let name = self.dice.pick(&FUNCTIONS).to_uppercase();
        let kinds = [types::TYPES.len() as u64, 5];
        let few = self.chance(0.5);
        let arguments: Vec<String> = (0..self.dice.below(5))
            .map(|_| {
                // Functions want texts and numbers more than anything else.
                let ty = types::TYPES[self.dice.below(kinds[usize::from(few)]) as usize].0;
                match self.dice.below(8) {
                    0 => literals::any(self.dice),
                    1..4 => literals::of(self.dice, if few { Ty::Text } else { ty }),
                    _ => self.expr(ty, 1),
                }
            })
            .collect();
        let distinct = if self.chance(0.02) { "DISTINCT " } else { "" };
        format!("{name}({distinct}{})", arguments.join(", "))
    }
}
