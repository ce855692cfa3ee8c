//! PATTERN: variables one after the other, each with a quantifier, within the limits that Flink
//! sets.

use datafusion::common::Result;
use sqlparser::ast::{MatchRecognizePattern, MatchRecognizeSymbol, RepetitionQuantifier, Spanned};

use super::PatternVariable;
use crate::query::window_tvf::fault;

/// The variables, without conditions.
pub fn read(pattern: &MatchRecognizePattern) -> Result<Vec<PatternVariable>> {
    let mut found = Vec::new();
    let read = sequence(pattern, &mut found).and_then(|()| check(&found));
    read.map_err(|message| fault(message, pattern.span()))?;
    Ok(found)
}

fn sequence(
    pattern: &MatchRecognizePattern,
    found: &mut Vec<PatternVariable>,
) -> Result<(), String> {
    use MatchRecognizePattern as P;
    match pattern {
        P::Concat(parts) => parts.iter().try_for_each(|part| sequence(part, found)),
        P::Group(inner) => sequence(inner, found),
        P::Symbol(_) => {
            found.push(quantified(pattern, (1, Some(1)), true)?);
            Ok(())
        }
        P::Repetition(inner, quantifier) => {
            let (inner, quantifier, greedy) = match (&**inner, quantifier) {
                (P::Repetition(inner, quantifier), RepetitionQuantifier::AtMostOne) => {
                    (inner, quantifier, false)
                }
                _ => (inner, quantifier, true),
            };
            found.push(quantified(inner, bounds(quantifier)?, greedy)?);
            Ok(())
        }
        P::Alternation(_) => Err(format!("{pattern}: alternatives are not supported in a pattern")),
        P::Permute(_) => Err("PERMUTE is not supported in a pattern".into()),
        P::Exclude(_) => Err(format!("{pattern}: exclusion is not supported in a pattern")),
    }
}

fn bounds(quantifier: &RepetitionQuantifier) -> Result<(u32, Option<u32>), String> {
    Ok(match quantifier {
        RepetitionQuantifier::ZeroOrMore => (0, None),
        RepetitionQuantifier::OneOrMore => (1, None),
        RepetitionQuantifier::AtMostOne => (0, Some(1)),
        RepetitionQuantifier::Exactly(n) => (*n, Some(*n)),
        RepetitionQuantifier::AtLeast(n) => (*n, None),
        RepetitionQuantifier::AtMost(n) => {
            return Err(format!("the quantifier {{,{n}}} is not supported: write {{0,{n}}}"));
        }
        RepetitionQuantifier::Range(least, most) => (*least, Some(*most)),
    })
}

/// How many rows a variable may take: a run keeps one state for each.
const MOST: u32 = 10_000;

fn quantified(
    pattern: &MatchRecognizePattern,
    (least, most): (u32, Option<u32>),
    greedy: bool,
) -> Result<PatternVariable, String> {
    let MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(name)) = pattern else {
        return Err(format!("{pattern}: a quantifier stands behind one variable, not a group"));
    };
    let name = name.value.clone();
    if most.is_some_and(|most| most < least.max(1)) {
        return Err(format!(
            "{name}: the upper bound of a quantifier is at least the lower one and 1"
        ));
    }
    if most.unwrap_or(least) > MOST {
        return Err(format!("{name}: a quantifier counts to {MOST} at most"));
    }
    if (least, most, greedy) == (0, Some(1), false) {
        return Err(format!("{name}??: a reluctant '?' is not supported"));
    }
    Ok(PatternVariable { name, least, most, greedy, condition: None })
}

/// Whether more rows are preferred where fewer would do.
fn is_greedy(v: &PatternVariable) -> bool {
    v.greedy && v.most != Some(v.least) && (v.least, v.most) != (0, Some(1))
}

fn check(variables: &[PatternVariable]) -> Result<(), String> {
    for (at, v) in variables.iter().enumerate() {
        if variables[..at].iter().any(|other| other.name == v.name) {
            return Err(format!("variable {} stands in the pattern twice", v.name));
        }
        let optional = v.least == 0 && matches!(v.most, None | Some(1));
        if optional && at > 0 && is_greedy(&variables[at - 1]) {
            return Err(format!(
                "{}: a variable that may be left out cannot follow a greedy one",
                v.name
            ));
        }
    }
    if variables.iter().all(|v| v.least == 0) {
        return Err("a pattern needs a variable that takes at least one row".into());
    }
    if variables.last().is_some_and(is_greedy) {
        return Err("the last variable of a pattern cannot be greedy: end with a plain variable \
                    or a reluctant quantifier such as +?"
            .into());
    }
    Ok(())
}
