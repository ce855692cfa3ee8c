//! The automaton of a pattern: where a run stands, which variable takes the next row there, and
//! where it goes.
//!
//! After Agrawal et al., "Efficient Pattern Matching over Event Streams" (SASE, SIGMOD 2008), as
//! Flink's CEP library builds it for patterns without gaps: a state has at most one edge that
//! takes a row and at most one that passes on without. A greedy variable keeps its successor from
//! taking what it could take itself, which is written on the successor's edges; so a successor of
//! a bounded greedy variable never takes such a row, even when the bound is reached.

use brooklet_plan::pattern::Variable;

/// The state in which a pattern is complete.
pub const FINAL: usize = 0;

#[derive(Debug, Clone)]
pub struct State {
    /// The variable whose condition is asked.
    pub variable: usize,
    take: Option<Edge>,
    pass: Option<Edge>,
    /// Variables whose conditions must be known for a row.
    pub asks: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Edge {
    to: usize,
    /// Greedy variables that must not want the row.
    unless: Vec<usize>,
}

impl Edge {
    fn to(to: usize) -> Option<Edge> {
        Some(Edge { to, unless: Vec::new() })
    }
    fn is_open(&self, holds: &dyn Fn(usize) -> bool) -> bool {
        !self.unless.iter().any(|v| holds(*v))
    }
}

#[derive(Debug)]
pub struct Automaton {
    states: Vec<State>,
    pub start: usize,
}

/// A row taken by `variable`; the run is in state `to` then, and complete if `completes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    pub variable: usize,
    pub to: usize,
    pub completes: bool,
}

impl Automaton {
    pub fn new(variables: &[Variable]) -> Self {
        let end = State { variable: usize::MAX, take: None, pass: None, asks: Vec::new() };
        let mut it = Automaton { states: vec![end], start: FINAL };
        for (number, variable) in variables.iter().enumerate().rev() {
            it.start = it.before(number, variable, it.start);
        }
        for state in 0..it.states.len() {
            it.states[state].asks = it.asked(state);
        }
        it
    }

    pub fn state(&self, state: usize) -> &State {
        &self.states[state]
    }

    /// What can happen to a run in this state that sees a row, in the order of the states passed.
    /// `holds` says whether the row meets a variable's condition in this run.
    pub fn step(&self, state: usize, holds: &dyn Fn(usize) -> bool, each: &mut dyn FnMut(Taken)) {
        let mut at = Some(state);
        while let Some(here) = at {
            let state = &self.states[here];
            if let Some(take) = &state.take
                && holds(state.variable)
                && take.is_open(holds)
            {
                let completes = take.to != FINAL && self.passes_to_end(take.to, holds);
                each(Taken { variable: state.variable, to: take.to, completes });
            }
            at = state.pass.as_ref().filter(|pass| pass.is_open(holds)).map(|pass| pass.to);
        }
    }

    /// Whether the end can be reached without another row, as the row just taken allows.
    fn passes_to_end(&self, from: usize, holds: &dyn Fn(usize) -> bool) -> bool {
        let mut at = from;
        while let Some(pass) = &self.states[at].pass {
            if !pass.is_open(holds) {
                return false;
            }
            if pass.to == FINAL {
                return true;
            }
            at = pass.to;
        }
        false
    }

    /// The states of a variable in front of `next`; returns the first.
    fn before(&mut self, number: usize, variable: &Variable, next: usize) -> usize {
        let (least, optional) = (variable.least.max(1), variable.least == 0);
        match variable.most {
            Some(1) => self.once(number, next, optional.then_some(next)),
            Some(most) => {
                if variable.greedy && least != most {
                    self.give_way(next, number);
                }
                let mut sink = next;
                for _ in least..most {
                    sink = self.once(number, sink, Some(next));
                }
                self.times(number, sink, next, (least, optional))
            }
            None => {
                let looping = self.once(number, self.states.len(), Some(next));
                if variable.greedy {
                    self.give_way(next, number);
                }
                self.times(number, looping, next, (least, optional))
            }
        }
    }

    /// The states of the rows a variable must take.
    fn times(
        &mut self,
        number: usize,
        sink: usize,
        next: usize,
        (least, optional): (u32, bool),
    ) -> usize {
        let mut sink = sink;
        for _ in 1..least {
            sink = self.once(number, sink, None);
        }
        self.once(number, sink, optional.then_some(next))
    }

    fn once(&mut self, variable: usize, take: usize, pass: Option<usize>) -> usize {
        let (take, pass) = (Edge::to(take), pass.and_then(Edge::to));
        self.states.push(State { variable, take, pass, asks: Vec::new() });
        self.states.len() - 1
    }

    fn give_way(&mut self, state: usize, to: usize) {
        let state = &mut self.states[state];
        state.take.iter_mut().chain(&mut state.pass).for_each(|edge| edge.unless.push(to));
    }

    fn asked(&self, from: usize) -> Vec<usize> {
        let mut asked = Vec::new();
        let mut at = Some(from);
        while let Some(here) = at {
            let state = &self.states[here];
            if let Some(take) = &state.take {
                asked.push(state.variable);
                asked.extend(&take.unless);
                let mut passed = self.states[take.to].pass.as_ref();
                while let Some(pass) = passed {
                    asked.extend(&pass.unless);
                    passed = self.states[pass.to].pass.as_ref();
                }
            }
            asked.extend(state.pass.iter().flat_map(|pass| &pass.unless));
            at = state.pass.as_ref().map(|pass| pass.to);
        }
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}
