//! What the hints of a statement mean: tables with other options, and what SELECT may say.
//!
//! `t /*+ OPTIONS('key' = 'value') */` reads or writes a table of its own that is like `t`: its
//! name is `t$1`, the next one's `t$2`.

use brooklet_core::options::parse_duration;
use sqlparser::ast::{Expr, Ident, ObjectName, Query, Select, TableAlias, TableFactor};
use sqlparser::tokenizer::Span;

use crate::catalog::{Catalog, Registry, name_of};
use crate::fault::Fault;
use crate::parse::ast::{Change, StatementKind, WithOption};
use crate::parse::hints::{Arguments, Hint, MISPLACED, is_hint, of_select, of_table, take};
use crate::query::state_ttl::{self, STATE_TTL};
use crate::query::walk::{Changed, walk_mut};

/// Hints behind SELECT whose names are all that is asked of them: they say how to join.
const STRATEGIES: [&str; 5] =
    ["BROADCAST", "SHUFFLE_HASH", "SHUFFLE_MERGE", "NEST_LOOP", "MULTI_JOIN"];

const OPTIONS: &str = "OPTIONS";
const LOOKUP: &str = "LOOKUP";

/// The keys of LOOKUP, and those among them that ask again when nothing was found.
const LOOKUP_KEYS: [&str; 10] = [
    "table",
    "async",
    "output-mode",
    "capacity",
    "timeout",
    "shuffle",
    "retry-predicate",
    "retry-strategy",
    "fixed-delay",
    "max-attempts",
];
const RETRIES: [&str; 4] = ["retry-predicate", "retry-strategy", "fixed-delay", "max-attempts"];

/// The statement with tables in the place of hinted ones; what is wrong comes as faults.
pub fn resolved(
    kind: &StatementKind,
    catalog: &mut Catalog,
    registry: Registry,
    allowed: bool,
) -> Result<StatementKind, Vec<Fault>> {
    let mut kind = kind.clone();
    let mut it = Resolver { catalog, registry, allowed, faults: Vec::new() };
    it.statement(&mut kind);
    if it.faults.is_empty() { Ok(kind) } else { Err(it.faults) }
}

struct Resolver<'a> {
    catalog: &'a mut Catalog,
    registry: Registry,
    /// `table.dynamic-table-options.enabled`.
    allowed: bool,
    faults: Vec<Fault>,
}

impl Resolver<'_> {
    fn statement(&mut self, kind: &mut StatementKind) {
        match kind {
            StatementKind::Query(query) => self.query(query),
            StatementKind::CreateView(view) => self.query(&mut view.query),
            StatementKind::Alter(alter) => {
                if let Change::As(query) = &mut alter.change {
                    self.query(query);
                }
            }
            StatementKind::Insert(insert) => {
                self.query(&mut insert.query);
                self.table(&mut insert.table);
            }
            StatementKind::StatementSet(all) => {
                all.iter_mut().for_each(|inner| self.statement(&mut inner.kind));
            }
            StatementKind::Explain(explain) => self.statement(&mut explain.inner.kind),
            _ => {}
        }
    }

    fn query(&mut self, query: &mut Query) {
        walk_mut(query, &mut |changed| match changed {
            Changed::Select(select) => {
                for from in &mut select.from {
                    self.factor(&mut from.relation);
                    from.joins.iter_mut().for_each(|join| self.factor(&mut join.relation));
                }
                self.select(select);
            }
            Changed::Expr(Expr::CompoundIdentifier(parts)) => {
                for hint in parts.iter().filter(|part| is_hint(part)) {
                    self.faults.push(Fault::new(MISPLACED, hint.span));
                }
            }
            _ => {}
        });
    }

    fn factor(&mut self, factor: &mut TableFactor) {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let Some(own) = self.table(name) else { return };
                // Columns are still called after the table.
                let none = TableAlias { explicit: true, name: own, columns: vec![], at: None };
                alias.get_or_insert(none);
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.factor(&mut table_with_joins.relation);
                table_with_joins.joins.iter_mut().for_each(|join| self.factor(&mut join.relation));
            }
            TableFactor::MatchRecognize { table, .. } => self.factor(table),
            _ => {}
        }
    }

    /// Puts the table that is meant in place of the hinted name; gives the name without hint.
    fn table(&mut self, name: &mut ObjectName) -> Option<Ident> {
        let hint = take(name)?;
        let own = name.0.last()?.as_ident()?.clone();
        match self.meant(name, &hint) {
            Ok(meant) => *name = ObjectName::from(vec![Ident { value: meant, ..own.clone() }]),
            Err(faults) => self.faults.extend(faults),
        }
        Some(own)
    }

    /// The name of the table with the hint's options.
    fn meant(&mut self, name: &ObjectName, hint: &Ident) -> Result<String, Vec<Fault>> {
        let mut given: Vec<WithOption> = Vec::new();
        for hint in of_table(hint)? {
            match hint.arguments {
                Arguments::Pairs(pairs) if hint.name == OPTIONS && !pairs.is_empty() => {
                    given.extend(pairs);
                }
                _ if hint.name == OPTIONS => {
                    let message = "OPTIONS takes pairs: OPTIONS('key' = 'value')";
                    return Err(Fault::new(message, hint.span).into());
                }
                _ if known().any(|name| name == hint.name) => {}
                _ => return Err(unknown(&hint).into()),
            }
        }
        let found = name_of(name)?;
        if self.catalog.table(&found).is_none() {
            let message = format!("'{found}' is no table: OPTIONS stands behind a table's name");
            return match self.catalog.view(&found).is_some() {
                true => Err(Fault::new(message, hint.span).into()),
                false => Err(self.catalog.unknown("table", name).into()),
            };
        }
        if given.is_empty() {
            return Ok(found);
        }
        if !self.allowed {
            let message = "OPTIONS needs SET 'table.dynamic-table-options.enabled' = 'true'";
            return Err(Fault::new(message, hint.span).into());
        }
        self.catalog.with_options(&found, given, self.registry)
    }

    fn select(&mut self, select: &mut Select) {
        let hints = match of_select(select) {
            Ok(hints) => hints,
            Err(fault) => return self.faults.push(fault),
        };
        for hint in &hints {
            if let Err(fault) = check(hint, select) {
                self.faults.push(fault);
            }
        }
    }
}

/// What stands in FROM, under its alias or its name; only the lookups, or all of it.
fn names(select: &Select, lookups: bool) -> Vec<String> {
    let joined = select.from.iter().flat_map(|f| f.joins.iter().map(|join| &join.relation));
    let factors = select.from.iter().map(|f| &f.relation).chain(joined);
    let looked_up = |f: &&TableFactor| matches!(f, TableFactor::Table { version: Some(_), .. });
    let factors = factors.filter(|f| !lookups || looked_up(f));
    factors.filter_map(|f| state_ttl::name(f).map(|name| name.value.clone())).collect()
}

/// The names of hints that may stand behind SELECT.
fn known() -> impl Iterator<Item = &'static str> {
    STRATEGIES.into_iter().chain([STATE_TTL, LOOKUP])
}

fn unknown(hint: &Hint) -> Fault {
    let fault = Fault::new(format!("there is no hint {}", hint.name), hint.span);
    fault.suggest(&hint.name, known().chain([OPTIONS]))
}

/// That FROM has what a hint names.
fn in_from(hint: &Hint, name: &str, at: Span, among: &[String]) -> Result<(), Fault> {
    if among.iter().any(|known| known == name) {
        return Ok(());
    }
    let what = if hint.name == LOOKUP { "looks up no" } else { "has no" };
    let fault = Fault::new(format!("{}: FROM {what} '{name}'", hint.name), at);
    Err(fault.suggest(name, among.iter().map(String::as_str)))
}

/// A hint behind SELECT.
fn check(hint: &Hint, select: &Select) -> Result<(), Fault> {
    let wrong = |message: String, at: Span| Err(Fault::new(message, at));
    match hint.name.as_str() {
        STATE_TTL => {
            let pairs = match &hint.arguments {
                Arguments::Pairs(pairs) if !pairs.is_empty() => pairs,
                _ => {
                    let message = "STATE_TTL takes pairs: STATE_TTL('table' = '1 d')";
                    return wrong(message.into(), hint.span);
                }
            };
            for pair in pairs {
                in_from(hint, &pair.key, pair.key_span, &names(select, false))?;
                if parse_duration(&pair.value).is_none() {
                    let message = format!("'{}' is no duration such as '1 d'", pair.value);
                    return wrong(message, pair.value_span);
                }
            }
            Ok(())
        }
        LOOKUP => lookup(hint, &names(select, true)),
        name if STRATEGIES.contains(&name) => match &hint.arguments {
            Arguments::Words(words) => {
                let tables = names(select, false);
                words.iter().try_for_each(|word| in_from(hint, &word.value, word.span, &tables))
            }
            _ => wrong(format!("{name} names tables: {name}(t)"), hint.span),
        },
        OPTIONS => wrong("OPTIONS stands behind the name of a table".into(), hint.span),
        _ => Err(unknown(hint)),
    }
}

/// How a lookup join asks: answers of one epoch come together, so that only keys that ask again
/// would mean something.
fn lookup(hint: &Hint, tables: &[String]) -> Result<(), Fault> {
    let Arguments::Pairs(pairs) = &hint.arguments else {
        return Err(Fault::new("LOOKUP takes pairs: LOOKUP('table' = 't')", hint.span));
    };
    for pair in pairs {
        if !LOOKUP_KEYS.contains(&pair.key.as_str()) {
            let fault = Fault::new(format!("LOOKUP has no option '{}'", pair.key), pair.key_span);
            return Err(fault.suggest(&pair.key, LOOKUP_KEYS));
        }
        if RETRIES.contains(&pair.key.as_str()) {
            let message = "a lookup is not asked again for a row that found nothing: the rows of \
                           an epoch are answered together";
            return Err(Fault::new(message, pair.key_span));
        }
    }
    match pairs.iter().find(|pair| pair.key == "table") {
        Some(pair) => in_from(hint, &pair.value, pair.value_span, tables),
        None => Err(Fault::new("LOOKUP names its table: LOOKUP('table' = 't')", hint.span)),
    }
}
