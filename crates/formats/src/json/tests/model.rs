//! The scanner against serde_json: any bytes, and any JSON whole, cut short or changed.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

fn columns() -> SchemaRef {
    schema(&[
        ("a", SqlType::BigInt),
        ("b", SqlType::STRING),
        ("c", row(&[("a", SqlType::Double), ("b", SqlType::STRING)])),
        ("d", array(SqlType::BigInt)),
        ("e", map(SqlType::STRING)),
        ("bb", SqlType::Boolean),
    ])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-e]{0,2}".prop_map(String::from),
        ".{0,12}".prop_map(String::from),
        "[ -~]{0,40}".prop_map(String::from),
    ]
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        (-9i64..99).prop_map(Value::from),
        // serde_json reads only short fractions exactly.
        any::<i32>().prop_map(|v| Value::from(f64::from(v) / 1000.0)),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|e| Value::Object(e.into_iter().collect())),
        ]
    })
}

/// Objects that often have the columns, in any order.
fn object() -> impl Strategy<Value = Map<String, Value>> {
    let nested = || {
        vec((prop_oneof!["[ab]", "[a-z]{1,9}"], json()), 0..4)
            .prop_map(|e| Value::Object(e.into_iter().collect()))
    };
    let known = prop_oneof![
        (Just("a".to_string()), number()),
        (Just("b".to_string()), json()),
        (Just("c".to_string()), nested()),
        (Just("d".to_string()), vec(number(), 0..5).prop_map(Value::from)),
        (Just("e".to_string()), nested()),
        (Just("bb".to_string()), json()),
        (text(), json()),
    ];
    vec(known, 0..8).prop_map(|entries| entries.into_iter().collect())
}

fn is_container(v: &Value) -> bool {
    v.is_object() || v.is_array()
}

/// What a value gives for STRING; None where the text of a number or of a printed tree would
/// have to be known.
fn as_text(v: Option<&Value>) -> Option<String> {
    match v {
        None | Some(Value::Null) => Some("NULL".to_string()),
        Some(Value::String(s)) => Some(s.clone()),
        Some(Value::Bool(b)) => Some(b.to_string()),
        Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        _ => None,
    }
}

fn as_long(v: Option<&Value>) -> String {
    let long = match v {
        Some(Value::Number(n)) => n.as_i64().or_else(|| {
            let v = n.as_f64().filter(|_| n.is_f64())?;
            (v.abs() <= 9.3e18 && i64::MIN as f64 <= v && v <= i64::MAX as f64).then_some(v as i64)
        }),
        Some(Value::String(s)) => crate::java::parse_i64(crate::java::trim(s)),
        _ => None,
    };
    long.map_or("NULL".to_string(), |v| v.to_string())
}

fn as_bool(v: Option<&Value>) -> String {
    match v {
        None | Some(Value::Null) => "NULL".to_string(),
        Some(v) if is_container(v) => "NULL".to_string(),
        Some(Value::Bool(b)) => b.to_string(),
        Some(Value::String(s)) => crate::java::trim(s).eq_ignore_ascii_case("true").to_string(),
        _ => "false".to_string(),
    }
}

/// Two records around the one under test show that it neither moves nor changes its neighbours.
fn with_neighbours(record: &[u8], pairs: &[(&str, &str)]) -> Decoded {
    let left = br#"{"a":1,"b":"l","c":{"b":"m"},"d":[1,2],"e":{"k":"v"},"bb":true}"#.as_slice();
    let right = br#"{"d":[3],"bb":false,"b":"r"}"#.as_slice();
    let decoded = decode(&columns(), pairs, &[left, record, right]);
    let rows = show(&decoded.rows.rows);
    assert_eq!(rows[0], "1|l|{a: , b: m}|[1, 2]|{k: v}|true");
    assert_eq!(rows[rows.len() - 1], "NULL|r|NULL|[3]|NULL|false");
    decoded
}

/// Whether serde_json takes the first value of `bytes`, with Flink's leniencies: control
/// characters in strings, lone surrogates, and exponents of any size.
fn model_accepts(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut softened = String::new();
    let mut in_string = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => in_string = !in_string,
            '\\' if in_string => {
                softened.push(c);
                match chars.next() {
                    Some('u') => {
                        let hex: Vec<char> =
                            std::iter::from_fn(|| chars.next_if(char::is_ascii_hexdigit))
                                .take(4)
                                .collect();
                        let code = if hex.len() == 4 { "u0041" } else { "u" };
                        softened.push_str(code);
                    }
                    Some(next) => softened.push(next),
                    None => {}
                }
                continue;
            }
            c if in_string && c < ' ' => {
                softened.push('_');
                continue;
            }
            'e' | 'E' if !in_string => {
                softened.push(c);
                softened.extend(chars.next_if(|c| matches!(c, '+' | '-')));
                if chars.next_if(char::is_ascii_digit).is_some() {
                    softened.push('1');
                }
                while chars.next_if(char::is_ascii_digit).is_some() {}
                continue;
            }
            _ => {}
        }
        softened.push(c);
    }
    let first = serde_json::Deserializer::from_str(&softened).into_iter::<Value>().next();
    matches!(first, Some(Ok(Value::Object(_))))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_never_panic(record in vec(any::<u8>(), 0..200)) {
        with_neighbours(&record, &[]);
        with_neighbours(&record, IGNORE);
    }

    #[test]
    fn any_json_text_never_panics(
        record in r#"([\[\]{},:"\\ 0-9.eE+-]|true|false|null|"a":|"b":|"c":|\{"e":){0,30}"#,
    ) {
        with_neighbours(record.as_bytes(), &[]);
        with_neighbours(record.as_bytes(), IGNORE);
    }

    #[test]
    fn values_are_those_of_the_model(record in object(), pretty in any::<bool>()) {
        let text = match pretty {
            true => serde_json::to_string_pretty(&record),
            false => serde_json::to_string(&record),
        };
        let text = text.unwrap();
        let decoded = with_neighbours(text.as_bytes(), IGNORE);
        prop_assert_eq!(decoded.rows.len(), 3, "{}", text);
        let rows = decoded.rows.rows.slice(1, 1);
        let cells: Vec<String> = rows.columns().iter().map(|c| match c.is_null(0) {
            true => "NULL".to_string(),
            false => array_value_to_string(c, 0).unwrap(),
        }).collect();
        prop_assert_eq!(&cells[0], &as_long(record.get("a")));
        if let Some(b) = as_text(record.get("b")) {
            prop_assert_eq!(&cells[1], &b);
        } else if let Some(tree) = record.get("b").filter(|v| is_container(v)) {
            let printed: Value = serde_json::from_str(&cells[1]).unwrap();
            prop_assert_eq!(&printed, tree);
        }
        prop_assert_eq!(&cells[5], &as_bool(record.get("bb")));
        let list = record.get("d").and_then(Value::as_array).map(|items| {
            let item = |v| as_long(Some(v)).replace("NULL", "");
            let each: Vec<String> = items.iter().map(item).collect();
            format!("[{}]", each.join(", "))
        });
        prop_assert_eq!(&cells[3], &list.unwrap_or("NULL".to_string()));
        prop_assert_eq!(cells[2] == "NULL", !record.get("c").is_some_and(Value::is_object));
    }

    #[test]
    fn changed_texts_are_taken_exactly_when_the_model_takes_them(
        record in object(),
        at in any::<prop::sample::Index>(),
        change in prop_oneof![
            Just(None),
            prop::sample::select(br#"{}[],:"\ -+.eE0123456789ntfu"#.to_vec()).prop_map(Some),
            any::<u8>().prop_map(Some),
        ],
        insert in any::<bool>(),
    ) {
        let mut text = serde_json::to_vec(&record).unwrap();
        let at = at.index(text.len());
        match change {
            None => text.truncate(at),
            Some(byte) if insert => text.insert(at, byte),
            Some(byte) => text[at] = byte,
        }
        if text.first() == Some(&b'{') && text.get(1) != Some(&0) {
            let decoded = with_neighbours(&text, IGNORE);
            let shown = String::from_utf8_lossy(&text).into_owned();
            prop_assert_eq!(decoded.rows.len() == 3, model_accepts(&text), "{}", shown);
        }
    }
}
