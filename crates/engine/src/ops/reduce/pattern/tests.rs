//! Runs of small patterns over texts: a letter is a row, and a variable wants some letters.
//!
//! What is expected was worked out by hand from the rules; tests/oracle has what Flink answers.

use brooklet_plan::pattern::{Skip, Variable};

use super::automaton::Automaton;
use super::heap::Heap;
use super::runs::{Position, Rules, Run, Runs, Seen};
use super::saved;

fn variable(name: &str, (least, most): (u32, Option<u32>), greedy: bool) -> Variable {
    Variable { name: name.into(), least, most, greedy, condition: None }
}

/// The matches as rows of letters, each variable's apart.
fn matches(variables: &[Variable], wants: &[&str], skip: Skip, text: &str) -> Vec<String> {
    let automaton = Automaton::new(variables);
    let names: Vec<String> = variables.iter().map(|v| v.name.clone()).collect();
    let rules = Rules { automaton: &automaton, skip, within_ms: None, names: &names };
    let mut runs = Runs::new(&automaton, variables.len());
    let mut found = Vec::new();
    for (position, letter) in text.chars().enumerate() {
        let seen = Seen { position: position as Position, time: position as i64 };
        let holds = |_: usize, variable: usize| wants[variable].contains(letter);
        runs.see(seen, &rules, &holds, &mut found).unwrap();
        let again = saved::decode(&saved::encode(&runs), variables.len()).unwrap();
        let all = |r: &Runs| r.partial.iter().chain(r.complete.iter()).cloned().collect::<Vec<_>>();
        assert_eq!(all(&again), all(&runs), "what is saved comes back");
    }
    let shown = |run: &Run| {
        let of = |v: usize| {
            let (from, to) = run.rows(Some(v));
            &text[from as usize..to as usize]
        };
        (0..variables.len()).map(of).collect::<Vec<_>>().join("|")
    };
    found.iter().map(shown).collect()
}

const ONE: (u32, Option<u32>) = (1, Some(1));

#[test]
fn a_greedy_variable_takes_what_its_successor_wants_too() {
    let pattern = |greedy| {
        [variable("A", ONE, true), variable("B", (0, None), greedy), variable("C", ONE, true)]
    };
    let wants = ["a", "bx", "cx"];
    let found = |greedy| matches(&pattern(greedy), &wants, Skip::PastLastRow, "abxc");
    assert_eq!(found(true), ["a|bx|c"]);
    assert_eq!(found(false), ["a|b|x"]);
}

#[test]
fn a_bounded_greedy_variable_keeps_its_successor_off_behind_the_bound() {
    let pattern = [variable("A", (1, Some(2)), true), variable("B", ONE, true)];
    assert_eq!(matches(&pattern, &["a", "ab"], Skip::ToNextRow, "aaaab"), ["aa|b", "a|b"]);
}

#[test]
fn the_number_of_rows_is_between_the_bounds() {
    let pattern =
        [variable("A", ONE, true), variable("B", (2, Some(3)), false), variable("C", ONE, true)];
    let found = |text| matches(&pattern, &["a", "b", "c"], Skip::ToNextRow, text);
    assert_eq!(found("abc abbc abbbc abbbbc"), ["a|bb|c", "a|bbb|c"]);
}

#[test]
fn what_may_be_left_out_completes_the_pattern_before_it() {
    let pattern = [variable("A", ONE, true), variable("B", (0, Some(1)), true)];
    assert_eq!(matches(&pattern, &["a", "b"], Skip::ToNextRow, "abab"), ["a|", "a|"]);
}

#[test]
fn the_next_match_begins_where_it_is_said() {
    let pattern = [variable("A", ONE, true), variable("B", ONE, true), variable("C", ONE, true)];
    let found = |skip| matches(&pattern, &["abc", "abc", "abc"], skip, "abcab").len();
    assert_eq!(found(Skip::PastLastRow), 1);
    assert_eq!(found(Skip::ToNextRow), 3);
    assert_eq!(found(Skip::ToFirst(1)), 3);
    assert_eq!(found(Skip::ToLast(2)), 2);
}

#[test]
fn runs_leave_in_the_order_they_began_in() {
    let mut heap = Heap::default();
    for (number, start) in [5, 3, 8, 3, 1, 9, 3, 2].into_iter().enumerate() {
        let counts = vec![number as u32].into();
        heap.push(Run { state: 1, start: Some(start), start_time: 0, counts });
    }
    heap.push(Run::new(1, 1));
    heap.retain(|run| run.start != Some(8));
    let mut began = Vec::new();
    while let Some(run) = heap.pop() {
        began.push(run.start);
    }
    let expected = [1, 2, 3, 3, 3, 5, 9].map(Some);
    assert_eq!(began[..7], expected);
    assert_eq!(began[7..], [None]);
}
