//! Each rule on a few lines that break it and a few that do not.

use serde_json::json;

use super::code::{Code, LITERAL};
use super::{File, check, layers, shape};

fn messages(path: &str, text: &str) -> Vec<String> {
    let lib = File::new("crates/engine/src/lib.rs", "//! lib\nmod a;\n");
    let file = File::new(path, text);
    let faults = check(&[lib, file]);
    let here = faults.into_iter().filter(|f| f.path == path);
    here.map(|f| format!("{}: {}", f.line, f.message)).collect()
}

fn in_a(text: &str) -> Vec<String> {
    messages("crates/engine/src/a.rs", text)
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "let a = \"x // y\"; // z\nlet b = r#\"q\"u\"#; /* c\nd */ 'e' '\\'' <'f> b\"g\"";
    let code = Code::new(text);
    let shown: Vec<String> = code.code.iter().map(|l| l.replace(LITERAL, "~")).collect();
    assert_eq!(shown[0].trim_end(), "let a = ~~~~~~~~;");
    assert_eq!(shown[1].trim_end(), "let b = ~~~~~~~~;");
    assert_eq!(shown[2].trim(), "~~~ ~~~~ <'f> b~~~");
    assert!(code.lines.iter().zip(&code.code).all(|(a, b)| a.chars().count() == b.chars().count()));
}

#[test]
fn a_file_says_what_it_is() {
    assert_eq!(in_a("//! A.\n"), Vec::<String>::new());
    assert_eq!(in_a("// A.\n").len(), 1);
}

#[test]
fn functions_are_measured_by_indentation() {
    let body = "        call();\n".repeat(69);
    let text = format!("//! A.\nimpl A {{\n    pub async fn f(\n{body}    }}\n    fn g();\n}}\n");
    let found = shape::functions(&File::new("a.rs", &text));
    let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
    assert_eq!(found, [("f", 3, 71), ("g", 74, 1)]);
    assert_eq!(in_a(&text), ["3: fn f has 71 lines, at most 70"]);
}

#[test]
fn long_lines_are_excused_by_literals_and_addresses() {
    let long = "a".repeat(101);
    assert_eq!(in_a(&format!("//! A.\n// {long}\n")).len(), 1);
    assert_eq!(in_a(&format!("//! A.\n// see https://x/{long}\n")).len(), 0);
    assert_eq!(in_a(&format!("//! A.\nconst A: &str = \"{long}\";\n")).len(), 0);
}

#[test]
fn traits_are_small_and_do_not_panic() {
    let methods = "    fn m(&self);\n".repeat(6);
    let text = format!("//! A.\npub trait T {{\n{methods}}}\n");
    assert_eq!(in_a(&text), ["2: trait T has 6 methods, at most 5"]);
    let text = "//! A.\ntrait T {\n    fn m(&self) {\n        panic!()\n    }\n}\n";
    assert_eq!(in_a(text), ["2: a default of trait T panics"]);
}

#[test]
fn words_are_refused_in_code_but_not_in_tests_or_texts() {
    // A macro inside a function may stay where it is.
    let lines = ["println!(\"a\");", "x.downcast_ref::<A>();", "macro_rules! m {}"];
    for line in lines {
        assert_eq!(in_a(&format!("//! A.\n{line}\n")).len(), 1, "{line}");
        let test = format!("//! A.\n#[cfg(test)]\nmod tests {{\n    {line}\n}}\n");
        assert_eq!(in_a(&test).len(), 0, "{line}");
        assert_eq!(in_a(&format!("//! A.\n// {line}\n")).len(), 0, "{line}");
    }
    assert_eq!(in_a("//! A.\nfn f() {\n    unsafe { g() }\n}\n").len(), 1);
    assert_eq!(in_a(concat!("//! A.\n// FIX", "ME later\n")).len(), 1);
    assert_eq!(in_a(concat!("//! A.\nfn f() { to", "do!() }\n")).len(), 1);
}

#[test]
fn a_file_that_no_mod_names_is_found() {
    assert_eq!(messages("crates/engine/src/b.rs", "//! B.\n").len(), 1);
    assert_eq!(messages("crates/engine/src/a/mod.rs", "//! A.\n").len(), 0);
    assert_eq!(messages("crates/engine/src/a/c.rs", "//! C.\n").len(), 1);
}

#[test]
fn dependencies_point_down() {
    let package = |name: &str, used: &str, kind: Option<&str>| {
        let dependency = json!({"name": used, "kind": kind});
        json!({"packages": [{"name": name, "dependencies": [dependency]}]})
    };
    let refused = |name, used, kind| layers::packages(&package(name, used, kind)).len() == 1;
    assert!(!refused("brooklet-sql", "brooklet-plan", None));
    assert!(refused("brooklet-plan", "brooklet-sql", None));
    assert!(refused("brooklet-engine", "brooklet-connectors", None));
    assert!(refused("brooklet-engine", "brooklet-testkit", None));
    assert!(!refused("brooklet-engine", "brooklet-testkit", Some("dev")));
    assert!(refused("brooklet-core", "datafusion", None));
    assert!(refused("brooklet-sql", "tokio", None));
    assert!(!refused("brooklet", "brooklet-pipeline", None));
}
