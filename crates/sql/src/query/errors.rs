//! DataFusion's errors as faults in the SQL text.

use datafusion::common::{DataFusionError, SchemaError};
use sqlparser::tokenizer::{Location, Span};

use crate::fault::Fault;

/// A fault from an error; without a place of its own it points at `default`.
pub fn fault(error: &DataFusionError, default: Span, functions: &[String]) -> Fault {
    let mut all = faults(error, functions);
    let mut fault = match all.is_empty() {
        true => Fault::new("the query cannot be planned", default),
        false => all.swap_remove(0),
    };
    if fault.span == Span::empty() {
        fault.span = default;
    }
    fault
}

/// All faults that an error speaks of; those without a place have an empty span.
pub fn faults(error: &DataFusionError, functions: &[String]) -> Vec<Fault> {
    let mut found = Vec::new();
    collect(error, Span::empty(), functions, &mut found);
    found
}

/// Whether a fault is of one name, call or operator alone, so that others can be looked for.
pub fn is_local(fault: &Fault) -> bool {
    let text = &fault.message;
    let call = text.starts_with("argument ") || text.contains(" takes ") && text.contains("given");
    let call = call || text.contains(" needs a number, not ");
    call || [NO_COLUMN, NO_FUNCTION, NO_FIELD, "cannot apply"].iter().any(|s| text.starts_with(s))
}

const NO_COLUMN: &str = "no column '";
const NO_FUNCTION: &str = "no function ";

fn collect(error: &DataFusionError, at: Span, functions: &[String], found: &mut Vec<Fault>) {
    match error {
        DataFusionError::Collection(all) => {
            all.iter().for_each(|e| collect(e, at, functions, found));
        }
        DataFusionError::Context(_, inner) => collect(inner, at, functions, found),
        DataFusionError::Shared(inner) => collect(inner, at, functions, found),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let at = diagnostic.span.map_or(at, |s| {
                let place =
                    |l: datafusion::common::Location| Location { line: l.line, column: l.column };
                Span::new(place(s.start), place(s.end))
            });
            collect(inner, at, functions, found);
        }
        DataFusionError::SchemaError(schema, _) => found.push(of_schema(schema, at)),
        other => found.push(of_message(&message(other), at, functions)),
    }
}

fn of_schema(error: &SchemaError, at: Span) -> Fault {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let named = valid_fields.iter().find(|c| c.name == field.name);
            if let (Some(_), Some(right)) = (&field.relation, named) {
                // The name is right, what stands before it is not.
                let right = right.flat_name();
                let fault = Fault::new(format!("{NO_COLUMN}{}'", field.flat_name()), at);
                return Fault { suggestion: Some(right), ..fault };
            }
            let names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
            Fault::new(format!("{NO_COLUMN}{}'", field.name), at).suggest(&field.name, names)
        }
        SchemaError::AmbiguousReference { field } => {
            let name = &field.name;
            Fault::new(format!("column '{name}' is in more than one table: write t.{name}"), at)
        }
        other => Fault::new(other.to_string(), at),
    }
}

fn of_message(message: &str, at: Span, functions: &[String]) -> Fault {
    let Some(name) = unknown_function(message) else { return Fault::new(plain(message), at) };
    let among = functions.iter().map(String::as_str).filter(|f| !f.starts_with('_'));
    let upper = name.to_uppercase();
    let mut fault =
        Fault::new(format!("{NO_FUNCTION}{upper}"), at).suggest(&name.to_lowercase(), among);
    fault.suggestion = fault.suggestion.map(|s| s.to_uppercase());
    fault
}

fn message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Configuration(text) => text.clone(),
        other => other.strip_backtrace(),
    }
}

/// DataFusion's words about arguments and GROUP BY, shortened to what a person has to know.
fn plain(message: &str) -> String {
    if let Some((_, reason)) = message.split_once("coercion failed with: Error during planning: ") {
        let end = reason.find(". No function matches").unwrap_or(reason.len());
        return reason[..end].to_string();
    }
    let group = "must be in GROUP BY or an aggregate function: ";
    if let Some((_, detail)) = message.split_once(group) {
        let column = detail.split('"').nth(1).unwrap_or_default();
        let column = column.rsplit('.').next().unwrap_or_default();
        return format!("column '{column}' must be in GROUP BY or in an aggregate function");
    }
    if let Some(name) = field_of(message) {
        return format!("{NO_FIELD}{name}' in the ROW");
    }
    if let Some((_, returned)) = message.split_once("non-boolean predicate ") {
        let ty = returned.rsplit(' ').next().unwrap_or_default();
        return format!(
            "WHERE, HAVING and ON need a BOOLEAN, not {}",
            ty.replace("Utf8", "STRING")
        );
    }
    message.to_string()
}

const NO_FIELD: &str = "no field '";

fn field_of(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("Field ")?;
    rest.strip_suffix(" not found in struct")
}

/// The field of a fault that says a ROW has none of that name.
pub fn missing_field(fault: &Fault) -> Option<&str> {
    fault.message.strip_prefix(NO_FIELD)?.strip_suffix("' in the ROW")
}

/// The column of a fault that says there is none.
pub fn missing_column(fault: &Fault) -> Option<&str> {
    fault.message.strip_prefix(NO_COLUMN)?.strip_suffix('\'')
}

fn unknown_function(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Invalid function '")?;
    rest.split_once('\'').map(|(name, _)| name)
}
