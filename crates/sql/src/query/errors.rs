//! DataFusion's errors as faults in the SQL text.

use datafusion::common::{DataFusionError, SchemaError};
use sqlparser::tokenizer::{Location, Span};

use crate::fault::Fault;

/// A fault from an error; without a place of its own it points at `default`.
pub fn fault(error: &DataFusionError, default: Span, functions: &[String]) -> Fault {
    let span = error.diagnostic().and_then(|d| d.span).map_or(default, |s| {
        let at = |l: datafusion::common::Location| Location { line: l.line, column: l.column };
        Span::new(at(s.start), at(s.end))
    });
    let root = error.find_root();
    if let DataFusionError::SchemaError(schema, _) = root {
        if let SchemaError::FieldNotFound { field, valid_fields } = &**schema {
            let names: Vec<&str> = valid_fields.iter().map(|c| c.name.as_str()).collect();
            return Fault::new(format!("no column '{}'", field.name), span)
                .suggest(&field.name, names);
        }
        return Fault::new(schema.to_string(), span);
    }
    let message = message(root);
    if let Some(name) = unknown_function(&message) {
        let among = functions.iter().map(String::as_str);
        let upper = name.to_uppercase();
        let mut fault =
            Fault::new(format!("no function {upper}"), span).suggest(&name.to_lowercase(), among);
        fault.suggestion = fault.suggestion.map(|s| s.to_uppercase());
        return fault;
    }
    Fault::new(message, span)
}

fn message(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Plan(text)
        | DataFusionError::NotImplemented(text)
        | DataFusionError::Execution(text)
        | DataFusionError::Configuration(text) => text.clone(),
        DataFusionError::Collection(all) => match all.first() {
            Some(first) => message(first),
            None => "the query cannot be planned".into(),
        },
        other => other.strip_backtrace(),
    }
}

fn unknown_function(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("Invalid function '")?;
    rest.split_once('\'').map(|(name, _)| name)
}
