//! Runs of a pattern over the rows of one key, and when a run that is complete becomes a match.
//!
//! A match waits while a run that began before it is still going: that one may end as a match and
//! make it be skipped. So matches come in the order of their first rows.

use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::pattern::Skip;

use super::automaton::{Automaton, FINAL};
use super::heap::Heap;

/// Rows are counted per key, as they are taken.
pub type Position = u64;

/// Consecutive rows dealt to the variables in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub state: usize,
    /// The first row; None: no row yet.
    pub start: Option<Position>,
    pub start_time: Millis,
    /// How many rows each variable has taken.
    pub counts: Box<[u32]>,
}

impl Run {
    pub fn new(state: usize, variables: usize) -> Self {
        Run { state, start: None, start_time: 0, counts: vec![0; variables].into() }
    }

    /// For the order of runs: one without rows comes last.
    pub fn began(&self) -> Position {
        self.start.unwrap_or(Position::MAX)
    }

    /// Rows of a variable, or of all, as (first, behind the last).
    pub fn rows(&self, variable: Option<usize>) -> (Position, Position) {
        let start = self.start.unwrap_or(0);
        let sum = |counts: &[u32]| counts.iter().map(|n| Position::from(*n)).sum::<Position>();
        match variable {
            None => (start, start + sum(&self.counts)),
            // A name that SUBSET gives has no rows.
            Some(v) if v >= self.counts.len() => (start, start),
            Some(v) => (start + sum(&self.counts[..v]), start + sum(&self.counts[..=v])),
        }
    }
}

/// What goes on in one key.
#[derive(Debug, Clone)]
pub struct Runs {
    pub partial: Heap,
    /// Complete, behind runs that began before them.
    pub complete: Heap,
}

/// What all keys have in common.
pub struct Rules<'a> {
    pub automaton: &'a Automaton,
    pub skip: Skip,
    pub within_ms: Option<Millis>,
    /// For messages.
    pub names: &'a [String],
}

/// The row that runs see.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub position: Position,
    pub time: Millis,
}

impl Runs {
    /// One run that waits for its first row.
    pub fn new(automaton: &Automaton, variables: usize) -> Self {
        let mut partial = Heap::default();
        partial.push(Run::new(automaton.start, variables));
        Runs { partial, complete: Heap::default() }
    }

    /// Whether any row must be kept, and the first one.
    pub fn first_needed(&self) -> Option<Position> {
        self.partial.iter().chain(self.complete.iter()).filter_map(|run| run.start).min()
    }

    /// When the oldest run that is still going will have lasted too long.
    pub fn deadline(&self, within_ms: Option<Millis>) -> Option<Millis> {
        let oldest = self.partial.iter().filter(|r| r.start.is_some()).map(|r| r.start_time).min();
        Some(oldest?.saturating_add(within_ms?))
    }

    /// Shows a row to every run. `holds(run, variable)` numbers the runs as they stand in
    /// `partial`. Matches go to `found`.
    pub fn see(
        &mut self,
        row: Seen,
        rules: &Rules<'_>,
        holds: &dyn Fn(usize, usize) -> bool,
        found: &mut Vec<Run>,
    ) -> Result<()> {
        let (mut partial, mut complete) = (Heap::default(), Heap::default());
        for (number, run) in self.partial.iter().enumerate() {
            let holds = |variable: usize| holds(number, variable);
            rules.automaton.step(run.state, &holds, &mut |taken| {
                let mut next = run.clone();
                if next.start.is_none() {
                    (next.start, next.start_time) = (Some(row.position), row.time);
                }
                next.counts[taken.variable] += 1;
                next.state = taken.to;
                if taken.to == FINAL {
                    complete.push(next);
                    return;
                }
                if taken.completes {
                    complete.push(Run { state: FINAL, ..next.clone() });
                }
                partial.push(next);
            });
            if run.start.is_none() {
                partial.push(run.clone());
            }
        }
        self.partial = partial;
        complete.iter().for_each(|run| self.complete.push(run.clone()));
        self.release(rules, found)
    }

    /// Ends the runs that have lasted too long at `now`, the oldest first. What they held back
    /// goes to `found` with the moment that set it free.
    pub fn pass_time(
        &mut self,
        now: Millis,
        rules: &Rules<'_>,
        found: &mut Vec<(Millis, Run)>,
    ) -> Result<()> {
        let Some(within) = rules.within_ms else { return Ok(()) };
        while let Some(deadline) = self.deadline(rules.within_ms).filter(|d| *d <= now) {
            let mut kept = Heap::default();
            for run in self.partial.iter() {
                let over = run.start.is_some() && run.start_time.saturating_add(within) <= deadline;
                if !over {
                    kept.push(run.clone());
                }
            }
            self.partial = kept;
            let mut free = Vec::new();
            self.release(rules, &mut free)?;
            found.extend(free.into_iter().map(|run| (deadline, run)));
        }
        Ok(())
    }

    /// Gives the complete runs that no earlier one holds back, and ends what they skip.
    fn release(&mut self, rules: &Rules<'_>, found: &mut Vec<Run>) -> Result<()> {
        while let Some(first) = self.complete.peek() {
            if self.partial.peek().is_some_and(|run| run.began() < first.began()) {
                return Ok(());
            }
            let Some(run) = self.complete.pop() else { return Ok(()) };
            let limit = limit(&run, rules)?;
            self.partial.retain(|r| r.start.is_none_or(|start| start >= limit));
            self.complete.retain(|r| r.start.is_none_or(|start| start >= limit));
            found.push(run);
        }
        Ok(())
    }
}

/// The first row that another match may begin with.
fn limit(run: &Run, rules: &Rules<'_>) -> Result<Position> {
    let (first, end) = run.rows(None);
    let (variable, at_last) = match rules.skip {
        Skip::PastLastRow => return Ok(end),
        Skip::ToNextRow => return Ok(first + 1),
        Skip::ToFirst(variable) => (variable, false),
        Skip::ToLast(variable) => (variable, true),
    };
    let name = &rules.names[variable];
    let (from, behind) = run.rows(Some(variable));
    if from == behind {
        return Err(Error::data(format!(
            "AFTER MATCH SKIP TO {name}: a match has no row for {name}; skip to a variable that \
             takes one in every match"
        )));
    }
    let target = if at_last { behind - 1 } else { from };
    if target == first {
        return Err(Error::data(format!(
            "AFTER MATCH SKIP TO {name}: that is the first row of the match, which would be found \
             again for ever; skip to a later row"
        )));
    }
    Ok(target)
}
