//! Random queries: everything a relation can become, drawn by the dice.

use brooklet_testkit::dice::Dice;

use crate::queries::{
    FILTERS, FRAMES, Output, Query, Rel, Window, arrived, base, in_order, late_pattern,
    late_windows,
};
use crate::windows;

const WINDOWS: [Window; 3] = [Window::Tumble, Window::Hop, Window::Cumulate];
const KINDS: [&str; 4] = ["INNER", "LEFT", "RIGHT", "FULL"];

/// A pipeline of one or two outputs. `splits`: with one, arrival is the order of `id`.
pub fn query(dice: &mut Dice, splits: i64) -> Query {
    let count = 1 + dice.below(2) as usize;
    let late = splits == 1 && dice.chance(0.4);
    let outputs = (0..count).map(|_| match late {
        true => late_output(dice),
        false => output(dice, splits),
    });
    Query { late, ..Query::new("random", outputs.collect()) }
}

/// What does not ask for rows to be on time.
fn late_output(dice: &mut Dice) -> Output {
    let table = ["a", "b"][dice.below(2) as usize];
    let filter = FILTERS[dice.below(FILTERS.len() as u64) as usize];
    match dice.below(4) {
        0 => in_order(&base(table).filter(filter)),
        1 => arrived(table, dice.chance(0.5)).rows(),
        2 => late_windows(table, *dice.pick(&WINDOWS), filter),
        _ if dice.chance(0.5) => late_pattern(table, filter),
        _ => late_windows(table, *dice.pick(&WINDOWS), "id IS NOT NULL"),
    }
}

fn output(dice: &mut Dice, splits: i64) -> Output {
    // Drawn from a copy: what other seeds give stays as it was.
    let mut own = dice.clone();
    if own.chance(0.15) {
        return windows::drawn(&mut own);
    }
    if dice.chance(0.05) {
        return Rel::distinct(["a", "b"][dice.below(2) as usize]);
    }
    if splits == 1 && dice.chance(0.3) {
        return match dice.below(3) {
            0 => in_order(&filtered(dice, base("a"), 0.5)),
            1 => arrived("a", false).rows(),
            _ => arrived("b", true).keyed(),
        };
    }
    let rel = relation(dice);
    let windows = rel.rowtime && rel.append_only;
    if windows && rel.unique && dice.chance(0.12) {
        return rel.over_time(dice.pick(&FRAMES));
    }
    if dice.chance(0.08) {
        return rel.over_id();
    }
    if dice.chance(0.05) {
        let word = if dice.chance(0.5) { "EXCEPT" } else { "INTERSECT" };
        return rel.without(word, &simple(dice));
    }
    match dice.below(9) {
        8 if windows && dice.chance(0.5) => rel.windowed_rollup(),
        8 => rel.grouping_sets(),
        0 if windows => rel.sliced(*dice.pick(&WINDOWS)),
        1..3 if windows => rel.windowed(*dice.pick(&WINDOWS)),
        0..4 => rel.keyed(),
        4 => rel.global(),
        5 if rel.unique => rel.top().rows(),
        _ => rel.rows(),
    }
}

/// What a join has on a side, or what stands alone.
fn simple(dice: &mut Dice) -> Rel {
    let rel = base(["a", "b"][dice.below(2) as usize]);
    let rel = if dice.chance(0.25) { rel.mapped() } else { rel };
    filtered(dice, rel, 0.4)
}

fn relation(dice: &mut Dice) -> Rel {
    let rel = match dice.below(13) {
        0 => base("a").union(&base("b").mapped()),
        1 => simple(dice).first(),
        2 | 3 => simple(dice).last(),
        4 => simple(dice).top(),
        5 | 6 => {
            let (left, right) = (side(dice), side(dice));
            let kind = KINDS[dice.below(4) as usize];
            match dice.chance(0.25) {
                true => left.join_either(kind, &right),
                false => left.join(kind, &right),
            }
        }
        7 => simple(dice).interval(KINDS[dice.below(4) as usize], &simple(dice)),
        8 | 9 => {
            let (left, right) = (side(dice), side(dice));
            left.exists(dice.chance(0.5), &right)
        }
        10 => simple(dice).as_of(KINDS[dice.below(2) as usize]),
        11 => {
            let rel = simple(dice);
            let rel = if dice.chance(0.2) { rel.first() } else { rel };
            if dice.chance(0.5) { rel.followed() } else { rel.spanned() }
        }
        _ => simple(dice),
    };
    let rel = match dice.chance(0.15) {
        true => {
            let table = if dice.chance(0.5) { "c" } else { "cc" };
            rel.looked_up(KINDS[dice.below(2) as usize], table)
        }
        false => rel,
    };
    filtered(dice, rel, 0.3)
}

/// One side of a join: half of them take rows back.
fn side(dice: &mut Dice) -> Rel {
    let rel = simple(dice);
    match dice.below(4) {
        0 => rel.last(),
        1 => rel.top(),
        _ => rel,
    }
}

fn filtered(dice: &mut Dice, rel: Rel, chance: f64) -> Rel {
    match dice.chance(chance) {
        true => rel.filter(FILTERS[dice.below(FILTERS.len() as u64) as usize]),
        false => rel,
    }
}
