//! The examples of the documentation, and what real Flink answered, run on every function.

use eval::{Mode, evaluate};

mod eval;
mod panics;

const SOURCES: [&str; 34] = [
    include_str!("text/basic.rs"),
    include_str!("text/regexp.rs"),
    include_str!("text/split.rs"),
    include_str!("text/encode.rs"),
    include_str!("text/url.rs"),
    include_str!("text/inet.rs"),
    include_str!("text/printf.rs"),
    include_str!("text/similar.rs"),
    include_str!("time/convert.rs"),
    include_str!("time/fields.rs"),
    include_str!("time/shift.rs"),
    include_str!("time/interval.rs"),
    include_str!("number/double.rs"),
    include_str!("number/rounding.rs"),
    include_str!("conditional.rs"),
    include_str!("chance.rs"),
    include_str!("hash.rs"),
    include_str!("collection/mod.rs"),
    include_str!("collection/access.rs"),
    include_str!("collection/arrays.rs"),
    include_str!("collection/build.rs"),
    include_str!("collection/join.rs"),
    include_str!("collection/maps.rs"),
    include_str!("collection/search.rs"),
    include_str!("collection/sets.rs"),
    include_str!("collection/sort.rs"),
    include_str!("json/mod.rs"),
    include_str!("json/make.rs"),
    include_str!("json/query.rs"),
    include_str!("json/quote.rs"),
    include_str!("json/string.rs"),
    include_str!("lookup/agent.rs"),
    include_str!("type_of.rs"),
    include_str!("cast/mod.rs"),
];

/// The `/// ```sql` blocks of a file, a line each.
fn examples(source: &str) -> Vec<&str> {
    let mut inside = false;
    let mut found = vec![];
    for line in source.lines() {
        match line.trim().strip_prefix("///").map(str::trim) {
            Some("```sql") => inside = true,
            Some("```") => inside = false,
            Some(line) if inside => found.push(line),
            _ => {}
        }
    }
    found
}

#[test]
fn every_example_in_the_documentation_is_true() {
    let mut wrong = vec![];
    for example in SOURCES.into_iter().flat_map(examples) {
        for mode in [Mode::Constants, Mode::Columns] {
            match evaluate(example, mode) {
                Ok(answer) if answer.value.as_deref() == Some("TRUE") => {}
                Ok(answer) => wrong.push(format!("{example}: {:?} {mode:?}", answer.value)),
                Err(e) => wrong.push(format!("{example}: {e} {mode:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_has_an_example() {
    let text: Vec<String> =
        SOURCES.into_iter().flat_map(examples).map(|e| e.to_lowercase()).collect();
    let spoken = |udf: &datafusion::logical_expr::ScalarUDF| {
        let names = std::iter::once(udf.name()).chain(udf.aliases().iter().map(|a| a.as_str()));
        names.into_iter().any(|n| text.iter().any(|e| e.contains(&format!("{n}("))))
    };
    let silent: Vec<String> =
        crate::all().iter().filter(|f| !spoken(f)).map(|f| f.name().to_string()).collect();
    assert!(silent.is_empty(), "no example of {}", silent.join(", "));
}

#[test]
fn names_are_lower_case_and_unique() {
    let mut names: Vec<String> = crate::all()
        .iter()
        .flat_map(|f| std::iter::once(f.name().to_string()).chain(f.aliases().to_vec()))
        .collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(all, names.len());
    assert!(names.iter().all(|n| *n == n.to_lowercase()));
}

/// Lines of an expression, Flink's type of it and Flink's answer, `-` for NULL and `!` for an
/// error, with tabs between.
#[test]
fn flink_answers_the_same() {
    check(include_str!("tests/flink.txt"));
}

#[test]
fn java_answers_the_same() {
    check(include_str!("tests/java.txt"));
}

/// What brooklet's notes on Flink's behaviour say, each seen on Flink.
#[test]
fn casts_as_noted() {
    check(include_str!("tests/casts.txt"));
}

fn check(answers: &str) {
    let mut wrong = vec![];
    let lines = answers.lines();
    for line in lines.filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let mut parts = line.split('\t');
        let expression = parts.next().unwrap();
        let (ty, want) = (parts.next().unwrap(), parts.next().unwrap());
        for mode in [Mode::Constants, Mode::Columns] {
            match evaluate(expression, mode) {
                Err(_) if want == "!" => {}
                Err(e) => wrong.push(format!("{expression}: {e}")),
                Ok(_) if want == "!" => wrong.push(format!("{expression}: no error")),
                Ok(answer) => {
                    let got = answer.value.unwrap_or("-".to_string());
                    if got != want {
                        wrong.push(format!("{expression}: {got}, not {want} {mode:?}"));
                    }
                    if answer.ty != ty {
                        wrong.push(format!("{expression}: {}, not {ty}", answer.ty));
                    }
                }
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_timestamp_of_the_devices_pipeline() {
    let parsed = |text: &str| {
        let sql = format!(
            "TRY_CAST(REPLACE(REGEXP_EXTRACT('{text}', \
             '^(\\d{{4}}-\\d{{2}}-\\d{{2}}T\\d{{2}}:\\d{{2}}:\\d{{2}}(\\.\\d+)?)\
             (Z|[+-]\\d{{2}}:?\\d{{2}})?$', 1), 'T', ' ') AS TIMESTAMP(3))"
        );
        evaluate(&sql, Mode::Columns).unwrap().value
    };
    assert_eq!(parsed("2024-01-15T10:30:00Z").as_deref(), Some("2024-01-15 10:30:00.000"));
    assert_eq!(parsed("2024-01-15T10:30:00.5+02:00").as_deref(), Some("2024-01-15 10:30:00.500"));
    assert_eq!(parsed("2024-01-15 10:30:00"), None);
    let offset = "CAST(REGEXP_EXTRACT('x+02:30', '([+-]\\d{2}):?(\\d{2})$', 1) AS INT)";
    assert_eq!(evaluate(offset, Mode::Columns).unwrap().value.as_deref(), Some("2"));
}

#[test]
fn casts_equal_in_type_and_kind_are_one_function() {
    use brooklet_core::types::SqlType;
    let of = |ty: SqlType, try_cast| crate::cast_udf(ty, try_cast);
    assert_eq!(of(SqlType::Int, true), of(SqlType::Int, true));
    assert_ne!(of(SqlType::Int, true), of(SqlType::Int, false));
    assert_ne!(of(SqlType::Timestamp(2), true), of(SqlType::Timestamp(3), true));
}
