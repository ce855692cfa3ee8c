//! PATTERN: variables one after the other, each with a quantifier, within the limits that Flink
//! sets.

use datafusion::common::Result;
use sqlparser::ast::{MatchRecognizePattern, MatchRecognizeSymbol, RepetitionQuantifier};
use sqlparser::tokenizer::Span;

use super::PatternVariable;
use crate::query::window_tvf::fault;

/// The variables, without conditions.
pub fn read(pattern: &MatchRecognizePattern) -> Result<Vec<PatternVariable>> {
    let mut found = Vec::new();
    let read = sequence(pattern, &mut found).and_then(|()| check(&found));
    read.map_err(|(message, span)| fault(message, span))?;
    Ok(found.into_iter().map(|(variable, _)| variable).collect())
}

/// What is wrong, and where it stands.
type Wrong = (String, Span);

/// Where the variables of a part stand.
fn place(pattern: &MatchRecognizePattern) -> Span {
    use MatchRecognizePattern as P;
    let symbol = |symbol: &MatchRecognizeSymbol| match symbol {
        MatchRecognizeSymbol::Named(name) => name.span,
        _ => Span::empty(),
    };
    match pattern {
        P::Symbol(one) | P::Exclude(one) => symbol(one),
        P::Permute(all) => Span::union_iter(all.iter().map(symbol)),
        P::Concat(parts) | P::Alternation(parts) => Span::union_iter(parts.iter().map(place)),
        P::Group(inner) | P::Repetition(inner, _) => place(inner),
    }
}

fn sequence(
    pattern: &MatchRecognizePattern,
    found: &mut Vec<(PatternVariable, Span)>,
) -> Result<(), Wrong> {
    use MatchRecognizePattern as P;
    let at = place(pattern);
    match pattern {
        P::Concat(parts) => parts.iter().try_for_each(|part| sequence(part, found)),
        P::Group(inner) => sequence(inner, found),
        P::Symbol(_) => {
            found.push((quantified(pattern, (1, Some(1)), true)?, at));
            Ok(())
        }
        P::Repetition(inner, quantifier) => {
            let (inner, quantifier, greedy) = match (&**inner, quantifier) {
                (P::Repetition(inner, quantifier), RepetitionQuantifier::AtMostOne) => {
                    (inner, quantifier, false)
                }
                _ => (inner, quantifier, true),
            };
            let bounds = bounds(quantifier).map_err(|message| (message, at))?;
            found.push((quantified(inner, bounds, greedy)?, at));
            Ok(())
        }
        P::Alternation(_) => Err((format!("{pattern}: a pattern has no alternatives"), at)),
        P::Permute(_) => Err(("PERMUTE is not supported in a pattern".into(), at)),
        P::Exclude(_) => Err((format!("{pattern}: exclusion is not supported in a pattern"), at)),
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
) -> Result<PatternVariable, Wrong> {
    let wrong = |message: String| Err((message, place(pattern)));
    let MatchRecognizePattern::Symbol(MatchRecognizeSymbol::Named(name)) = pattern else {
        return wrong(format!("{pattern}: a quantifier stands behind one variable, not a group"));
    };
    let name = name.value.clone();
    if most.is_some_and(|most| most < least.max(1)) {
        let message = "the upper bound of a quantifier is at least the lower one and 1";
        return wrong(format!("{name}: {message}"));
    }
    if most.unwrap_or(least) > MOST {
        return wrong(format!("{name}: a quantifier counts to {MOST} at most"));
    }
    if (least, most, greedy) == (0, Some(1), false) {
        return wrong(format!("{name}??: a reluctant '?' is not supported"));
    }
    Ok(PatternVariable { name, least, most, greedy, condition: None })
}

/// Whether more rows are preferred where fewer would do.
fn is_greedy(v: &PatternVariable) -> bool {
    v.greedy && v.most != Some(v.least) && (v.least, v.most) != (0, Some(1))
}

fn check(variables: &[(PatternVariable, Span)]) -> Result<(), Wrong> {
    for (at, (v, span)) in variables.iter().enumerate() {
        if variables[..at].iter().any(|(other, _)| other.name == v.name) {
            return Err((format!("variable {} stands in the pattern twice", v.name), *span));
        }
        let optional = v.least == 0 && matches!(v.most, None | Some(1));
        if optional && at > 0 && is_greedy(&variables[at - 1].0) {
            let message = "a variable that may be left out cannot follow a greedy one";
            return Err((format!("{}: {message}", v.name), *span));
        }
    }
    let Some((last, span)) = variables.last() else { return Ok(()) };
    if variables.iter().all(|(v, _)| v.least == 0) {
        return Err(("a pattern needs a variable that takes at least one row".into(), *span));
    }
    if is_greedy(last) {
        let message = "the last variable of a pattern cannot be greedy: end with a plain variable \
                       or a reluctant quantifier such as +?";
        return Err((message.into(), *span));
    }
    Ok(())
}
