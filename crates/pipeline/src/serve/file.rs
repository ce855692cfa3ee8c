//! A file of `serve/`: in its first line a path, in its other comments what it is for, then one
//! SELECT.
//!
//! ```sql
//! -- GET /users/{username}
//! -- The user's row.
//! SELECT username, email FROM users_now WHERE username = :username
//! ```

use std::collections::{BTreeMap, BTreeSet};

use brooklet_core::Result;
use brooklet_sql::fault::{Fault, Faults};
use brooklet_sql::parse::ast::{Query, StatementKind};
use brooklet_sql::parse::parse;
use brooklet_sql::placeholders::{Source, substitute};
use brooklet_sql::served::{self, Served};

use super::answer::Refusal;
use crate::compile::{Compiled, SqlFile};

/// Paths that a process answers by itself.
pub const RESERVED: [&str; 5] = ["/", "/health", "/ready", "/metrics", "/openapi.json"];

/// A path and the query behind it.
pub struct Endpoint {
    /// `/users/{username}`
    pub path: String,
    /// The comment below the path.
    pub doc: String,
    pub file: String,
    pub served: Served,
    /// The query, placeholders filled in.
    pub(super) text: String,
}

/// A piece of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment<'a> {
    Word(&'a str),
    Parameter(&'a str),
}

/// `/a/{b}` in pieces.
pub fn segments(path: &str) -> impl Iterator<Item = Segment<'_>> {
    path.split('/').skip(1).map(|piece| match piece.strip_prefix('{') {
        Some(name) => Segment::Parameter(name.trim_end_matches('}')),
        None => Segment::Word(piece),
    })
}

impl Endpoint {
    /// Names of the parameters that stand in the path.
    pub fn in_path(&self) -> impl Iterator<Item = &str> {
        segments(&self.path).filter_map(|segment| match segment {
            Segment::Parameter(name) => Some(name),
            Segment::Word(_) => None,
        })
    }

    /// The path names a thing: no rows mean that it is not there.
    pub(super) fn names_something(&self) -> bool {
        self.in_path().next().is_some()
    }

    /// Whether these are values of the parameters.
    pub(super) fn check(&self, values: &BTreeMap<String, String>) -> Result<(), Refusal> {
        let bad = |message: String| Err(Refusal::BadParameter(message));
        let known = &self.served.parameters;
        if let Some(name) = values.keys().find(|name| known.iter().all(|p| p.name != **name)) {
            return bad(format!("there is no parameter '{name}'"));
        }
        for parameter in known {
            let name = &parameter.name;
            match values.get(name) {
                None if parameter.optional => {}
                None => return bad(format!("parameter '{name}' is missing")),
                Some(text) => {
                    if let Err(message) = parameter.check(text) {
                        return bad(format!("parameter '{name}': {message}"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// All endpoints, or all faults.
pub fn endpoints(
    compiled: &Compiled,
    files: &[SqlFile],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Endpoint>> {
    let (mut found, mut faults): (Vec<Endpoint>, Vec<Fault>) = (Vec::new(), Vec::new());
    for file in files {
        let source = match substitute(&file.text, &file.name, env) {
            Ok(source) => source,
            Err(wrong) => {
                faults.extend(wrong.0);
                continue;
            }
        };
        let read = endpoint(compiled, &source).and_then(|new| {
            let same = found.iter().find(|e| shape(&e.path) == shape(&new.path));
            match same {
                None => Ok(new),
                Some(e) => {
                    let message = format!("{} answers {} already", e.file, e.path);
                    Err(Fault::of_first_line(message, &source.text).into())
                }
            }
        });
        match read {
            Ok(endpoint) => found.push(endpoint),
            Err(wrong) => faults.extend(wrong.in_source(&source).0),
        }
    }
    if !faults.is_empty() {
        return Err(Faults(faults).into());
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn endpoint(compiled: &Compiled, source: &Source) -> Result<Endpoint, Faults> {
    let Head { path, doc } = head(&source.text)?;
    let query = query(&source.text)?;
    let served = served::bind(&compiled.catalog, &query, &|table| refusal(compiled, table))?;
    let endpoint =
        Endpoint { path, doc, file: source.file.clone(), text: source.text.clone(), served };
    let used = |name: &str| endpoint.served.parameters.iter().any(|p| p.name == name);
    if let Some(name) = endpoint.in_path().find(|name| !used(name)) {
        let message = format!("the query does not use {{{name}}}: write :{name}");
        return Err(Fault::of_first_line(message, &source.text).into());
    }
    Ok(endpoint)
}

/// Why a table cannot be read, if so.
fn refusal(compiled: &Compiled, name: &str) -> Option<String> {
    let mut tables = compiled.plan.sinks().flat_map(|(_, sink)| &sink.tables);
    if tables.any(|t| t.kept && t.table.name == name) {
        return None;
    }
    let table = compiled.catalog.table(name)?;
    let connector = table.def.connector();
    Some(match connector == brooklet_connectors::brooklet_table::CONNECTOR.name {
        true => format!("no INSERT writes to table '{name}'"),
        false => format!(
            "table '{name}' has connector '{connector}': only tables with 'connector' = \
             'brooklet-table' can be served"
        ),
    })
}

/// The path without the names of its parameters: equal ones would answer the same requests.
fn shape(path: &str) -> Vec<Segment<'_>> {
    let nameless = |segment| match segment {
        Segment::Parameter(_) => Segment::Parameter(""),
        word => word,
    };
    segments(path).map(nameless).collect()
}

struct Head {
    path: String,
    doc: String,
}

const FORM: &str = "the first line must say what is answered: -- GET /path/{parameter}";

fn head(text: &str) -> Result<Head, Fault> {
    let wrong = |message: &str| Fault::of_first_line(message, text);
    let mut comments = text.lines().map_while(|line| line.trim().strip_prefix("--"));
    let first = comments.next().ok_or_else(|| wrong(FORM))?;
    let path = first.trim().strip_prefix("GET ").ok_or_else(|| wrong(FORM))?.trim();
    check_path(path).map_err(|message| wrong(&message))?;
    let doc: Vec<&str> = comments.map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(Head { path: path.to_string(), doc: doc.join(" ") })
}

fn check_path(path: &str) -> Result<(), String> {
    if RESERVED.contains(&path) {
        return Err(format!("{path} is answered by brooklet itself"));
    }
    if !path.starts_with('/') {
        return Err(FORM.into());
    }
    let mut names = BTreeSet::new();
    for piece in path.split('/').skip(1) {
        let name = piece.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
        let word = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match name {
            Some(name) if name.is_empty() || !name.chars().all(letter) => {
                return Err(format!("'{piece}' is no {{parameter}}: letters, digits and _"));
            }
            Some(name) if !names.insert(name) => {
                return Err(format!("{{{name}}} stands twice in the path"));
            }
            Some(_) => {}
            None if piece.is_empty() || !piece.chars().all(word) => {
                return Err(format!(
                    "'{piece}' cannot stand in a path: between slashes, write letters, digits \
                     and -._~, or one {{parameter}}"
                ));
            }
            None => {}
        }
    }
    Ok(())
}

fn query(text: &str) -> Result<Query, Faults> {
    let mut statements = parse(text)?;
    let only = "the file must hold one SELECT and nothing else";
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => match statement.kind {
            StatementKind::Query(query) => Ok(*query),
            _ => Err(Fault::new(only, statement.span).into()),
        },
        (Some(statement), false) => Err(Fault::new(only, statement.span).into()),
        (None, _) => Err(Fault::of_first_line(only, text).into()),
    }
}
