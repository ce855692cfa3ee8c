//! MATCH_RECOGNIZE: finds a pattern among the rows of each key, one row out for each match.
//!
//! With event time, rows wait until the watermark has reached them and are taken by time; late
//! ones are dropped. [`due`] is that, [`automaton`] the pattern, [`runs`] what has been taken of
//! it, [`formulas`] what conditions and measures compute, [`kept`] the state. The first rows of all
//! keys are shown to their runs together, then the second ones, and so on: conditions that look at
//! other rows of a run are evaluated over all keys at once, those of the row alone over all rows.

mod automaton;
mod due;
mod formulas;
mod heap;
mod kept;
mod runs;
mod saved;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::ReduceKind;
use brooklet_plan::pattern::MatchSpec;

use self::automaton::Automaton;
use self::due::{Due, take};
use self::formulas::{Evaluator, View, truths};
use self::kept::{Kept, Saving};
use self::runs::{Position, Rules, Run, Runs, Seen};
use super::ReduceArgs;
use crate::ops::map::batch;
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct PatternMatch {
    spec: MatchSpec,
    keys: Vec<usize>,
    /// Hidden columns of the input.
    ord: Vec<usize>,
    late: Option<usize>,
    /// Of the output; the matches' order stands behind the measures if it is carried.
    schema: SchemaRef,
    is_ordered: bool,
    names: Vec<String>,
    automaton: Automaton,
    /// One a variable; None: every row.
    conditions: Vec<Option<Condition>>,
    measures: Evaluator,
    kept: Kept,
}

struct Condition {
    evaluator: Evaluator,
    of_one_row: bool,
}

/// A key during a step.
struct Key {
    group: u32,
    runs: Runs,
    base: Position,
    /// By position from `base` on, as indices of the step's rows.
    rows: Vec<u32>,
    /// Where the first of them are kept.
    kept: Vec<u32>,
    /// Rows to be taken, in order.
    due: Vec<u32>,
}

/// A run that has become a match.
struct Found {
    key: usize,
    run: Run,
    time: Millis,
    /// The row that completed it or set it free.
    row: u32,
    /// Among the matches of that row.
    number: i64,
}

/// All rows of a step: those that are kept, then the new ones in the order they are taken.
struct Rows {
    all: RecordBatch,
    first_new: usize,
    times: Vec<Millis>,
}

impl PatternMatch {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let ReduceKind::Match(spec) = &args.spec.kind else {
            return Err(Error::bug("a row pattern is made for a match spec"));
        };
        if !args.input.append_only {
            return Err(
                Error::config("MATCH_RECOGNIZE over an updating input").at(args.node.label.clone())
            );
        }
        let (schema, label) = (&args.input.schema, &args.node.label);
        let mut conditions = Vec::with_capacity(spec.variables.len());
        for (number, variable) in spec.variables.iter().enumerate() {
            let condition = variable.condition.as_ref().map(|formulas| {
                let of_one_row = formulas.is_of_one_row(number);
                Ok::<_, Error>(Condition {
                    evaluator: Evaluator::new(formulas, label)?,
                    of_one_row,
                })
            });
            conditions.push(condition.transpose()?);
        }
        Ok(PatternMatch {
            keys: args.spec.keys.clone(),
            ord: args.input.ord.clone(),
            late: args.input.late,
            schema: args.node.schema.clone(),
            is_ordered: !args.node.ord.is_empty(),
            names: spec.variables.iter().map(|v| v.name.clone()).collect(),
            automaton: Automaton::new(&spec.variables),
            conditions,
            measures: Evaluator::new(&spec.measures, label)?,
            kept: Kept::new(schema, &args.spec.keys, &args.dealt_by, args.spec.ttl_ms)?,
            spec: MatchSpec::clone(spec),
        })
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            automaton: &self.automaton,
            skip: self.spec.skip,
            within_ms: self.spec.within_ms,
            names: &self.names,
        }
    }

    /// The keys of new rows and those with a run that has lasted too long.
    fn open(&mut self, due: &Due, now: Millis, limit: Millis) -> Result<(Vec<Key>, Rows)> {
        let columns: Vec<ArrayRef> =
            self.keys.iter().map(|key| due.rows.column(*key).clone()).collect();
        let of_rows = self.kept.runs.find_or_create(&columns, due.times.len())?.groups;
        let all = of_rows.iter().copied().chain(self.kept.overdue(limit));
        let mut numbers: BTreeMap<u32, usize> = all.map(|group| (group, 0)).collect();
        let groups: Vec<u32> = numbers.keys().copied().collect();
        numbers.values_mut().enumerate().for_each(|(number, key)| *key = number);
        let (loaded, old) = self.kept.load(&groups, self.names.len(), now)?;
        let (mut keys, mut row) = (Vec::with_capacity(groups.len()), 0);
        for (group, loaded) in groups.into_iter().zip(loaded) {
            let (runs, base, kept) = match loaded {
                Some(loaded) => (loaded.runs, loaded.base, loaded.rows),
                None => (Runs::new(&self.automaton, self.names.len()), 0, Vec::new()),
            };
            let rows: Vec<u32> = (row..row + kept.len() as u32).collect();
            row += kept.len() as u32;
            keys.push(Key { group, runs, base, rows, kept, due: Vec::new() });
        }
        for (number, group) in of_rows.iter().enumerate() {
            keys[numbers[group]].due.push(row + number as u32);
        }
        let all = compute::concat_batches(self.kept.schema(), [&old, &due.rows])?;
        Ok((keys, Rows { all, first_new: old.num_rows(), times: due.times.clone() }))
    }

    /// Shows each key its rows.
    fn run(
        &self,
        keys: &mut [Key],
        rows: &Rows,
        ctx: &StepCtx,
        limit: Millis,
    ) -> Result<Vec<Found>> {
        let rules = self.rules();
        let plain = self.of_one_row(rows, ctx.now);
        let mut found = Vec::new();
        let mut open: Vec<usize> = (0..keys.len()).filter(|k| !keys[*k].due.is_empty()).collect();
        for round in 0.. {
            open.retain(|key| keys[*key].due.len() > round);
            if open.is_empty() {
                break;
            }
            for key in &open {
                let time = rows.times[keys[*key].due[round] as usize - rows.first_new];
                pass_time(*key, &mut keys[*key], time, &rules, &mut found)?;
            }
            let asked = self.ask((keys, &open, round), rows, &plain, ctx.now)?;
            let mut first = 0;
            for number in &open {
                let key = &mut keys[*number];
                let row = key.due[round];
                let new = row as usize - rows.first_new;
                let holds = |run: usize, variable: usize| match &self.conditions[variable] {
                    None => true,
                    Some(_) => match &plain[variable] {
                        Some(truths) => truths[new],
                        None => asked[variable][first + run],
                    },
                };
                let mut matches = Vec::new();
                let position = key.base + key.rows.len() as Position;
                let seen = Seen { position, time: rows.times[new] };
                let runs = key.runs.partial.len();
                key.runs.see(seen, &rules, &holds, &mut matches)?;
                first += runs;
                key.rows.push(row);
                let matches = matches.into_iter().enumerate().map(|(n, run)| Found {
                    key: *number,
                    run,
                    time: seen.time,
                    row,
                    number: n as i64,
                });
                found.extend(matches);
            }
        }
        for (number, key) in keys.iter_mut().enumerate() {
            pass_time(number, key, limit, &rules, &mut found)?;
        }
        Ok(found)
    }

    /// The conditions that look at one row, over all new rows; None for others, and for those that
    /// fail on some row, which runs may never ask about.
    fn of_one_row(&self, rows: &Rows, now: Millis) -> Vec<Option<Vec<bool>>> {
        let new = rows.all.slice(rows.first_new, rows.times.len());
        let each = self.conditions.iter().map(|condition| {
            let condition = condition.as_ref().filter(|c| c.of_one_row)?;
            let values = condition.evaluator.over_rows(&new, &rows.times, now).ok()?;
            truths(values.first()?).ok()
        });
        each.collect()
    }

    /// The other conditions, for each run of the open keys that asks: by variable, then by run.
    fn ask(
        &self,
        (keys, open, round): (&[Key], &[usize], usize),
        rows: &Rows,
        plain: &[Option<Vec<bool>>],
        now: Millis,
    ) -> Result<Vec<Vec<bool>>> {
        let mut asked = vec![Vec::new(); self.conditions.len()];
        let total: usize = open.iter().map(|key| keys[*key].runs.partial.len()).sum();
        for (variable, condition) in self.conditions.iter().enumerate() {
            let Some(condition) = condition.as_ref().filter(|_| plain[variable].is_none()) else {
                continue;
            };
            let (mut views, mut places, mut first) = (Vec::new(), Vec::new(), 0);
            for key in open.iter().map(|key| &keys[*key]) {
                let row = key.due[round];
                let time = rows.times[row as usize - rows.first_new];
                for (number, run) in key.runs.partial.iter().enumerate() {
                    if self.automaton.state(run.state).asks.contains(&variable) {
                        let (current, base) = (Some((row, variable)), key.base);
                        views.push(View { run, rows: &key.rows, base, current, time });
                        places.push(first + number);
                    }
                }
                first += key.runs.partial.len();
            }
            asked[variable] = vec![false; total];
            if views.is_empty() {
                continue;
            }
            let values = condition.evaluator.over(&rows.all, &views, now)?.remove(0);
            let truths = truths(&values)?;
            places.iter().zip(truths).for_each(|(place, truth)| asked[variable][*place] = truth);
        }
        Ok(asked)
    }

    fn output(&self, keys: &[Key], rows: &Rows, found: &[Found], now: Millis) -> Result<Delta> {
        let views = found.iter().map(|found| {
            let key = &keys[found.key];
            let (base, time) = (key.base, found.time);
            View { run: &found.run, rows: &key.rows, base, current: None, time }
        });
        let views: Vec<View<'_>> = views.collect();
        let at = UInt32Array::from_iter_values(found.iter().map(|found| found.row));
        let column = |c: &usize| Ok::<_, Error>(compute::take(rows.all.column(*c), &at, None)?);
        let mut columns: Vec<ArrayRef> = self.keys.iter().map(column).collect::<Result<_>>()?;
        columns.extend(self.measures.over(&rows.all, &views, now)?);
        if self.is_ordered {
            columns.push(Arc::new(Int64Array::from_iter_values(found.iter().map(|f| f.time))));
            for ord in &self.ord {
                columns.push(column(ord)?);
            }
            columns.push(Arc::new(Int64Array::from_iter_values(found.iter().map(|f| f.number))));
        }
        Ok(Delta::inserts(batch(&self.schema, columns, found.len())?))
    }

    /// Keeps what runs still need.
    fn close(&mut self, keys: &[Key], rows: &Rows, now: Millis) -> Result<()> {
        let (mut added, mut positions) = (Vec::new(), Vec::new());
        for key in keys {
            let next = key.base + key.rows.len() as Position;
            let Some(first) = key.runs.first_needed() else {
                self.kept.drop_rows(&key.kept);
                self.kept.forget(key.group);
                continue;
            };
            let gone = (first - key.base) as usize;
            self.kept.drop_rows(&key.kept[..gone.min(key.kept.len())]);
            for at in gone.max(key.kept.len())..key.rows.len() {
                added.push(key.rows[at]);
                positions.push(key.base as i64 + at as i64);
            }
            let deadline = key.runs.deadline(self.spec.within_ms);
            let (group, runs) = (key.group, &key.runs);
            self.kept.save(Saving { group, runs, base: first, next, deadline }, now);
        }
        match added.is_empty() {
            true => Ok(()),
            false => self.kept.add_rows(&take(&rows.all, &added)?, positions),
        }
    }
}

/// Ends what lasts too long at `now`; what that sets free comes behind its own last row.
fn pass_time(
    number: usize,
    key: &mut Key,
    now: Millis,
    rules: &Rules<'_>,
    found: &mut Vec<Found>,
) -> Result<()> {
    let mut free = Vec::new();
    key.runs.pass_time(now, rules, &mut free)?;
    let free = free.into_iter().enumerate().map(|(n, (time, run))| {
        let last = run.rows(None).1 - 1 - key.base;
        let row = key.rows[last as usize];
        Found { key: number, run, time, row, number: n as i64 }
    });
    found.extend(free);
    Ok(())
}

impl Operator for PatternMatch {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        self.kept.sweep(ctx.now)?;
        let limit = if self.spec.time.is_some() { ctx.watermark } else { ctx.now };
        let due = self.due(ctx, inputs, &mut out)?;
        let (mut keys, rows) = self.open(&due, ctx.now, limit)?;
        if keys.is_empty() {
            return Ok(out);
        }
        let found = self.run(&mut keys, &rows, ctx, limit)?;
        if !found.is_empty() {
            out.counts.rows_out = found.len() as u64;
            out.rows.push(self.output(&keys, &rows, &found, ctx.now)?);
        }
        self.close(&keys, &rows, ctx.now)?;
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.kept.tables()
    }
    fn loaded(&mut self) -> Result<()> {
        self.kept.loaded()
    }
}

#[cfg(test)]
mod tests;
