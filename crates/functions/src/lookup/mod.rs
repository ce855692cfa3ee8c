//! Functions that look texts up in what others collected: addresses in a database of places, user
//! agents among the expressions of browsers.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::column::Text;
use crate::function::Function;

mod agent;
mod bin;
mod families;
pub(crate) mod ip;
#[cfg(test)]
mod tests;

/// Those that need nothing beside the program.
pub(crate) const ALL: &[Function] = &[agent::UA_OS, agent::UA_BROWSER];

/// What the functions say of a text that is missing or tells nothing.
const UNKNOWN: &str = "Unknown";

/// A text column: what is found for each row's text, looked up once for equal texts. Without text
/// it is [`UNKNOWN`].
fn look_up<'a>(text: &'a Text, rows: usize, find: impl Fn(&'a str) -> Cow<'a, str>) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(rows, rows * 12);
    let mut known: HashMap<&str, Cow<'a, str>, FixedState> = HashMap::default();
    for row in 0..rows {
        match text.get(row).filter(|t| !t.is_empty()) {
            Some(text) => builder.append_value(known.entry(text).or_insert_with(|| find(text))),
            None => builder.append_value(UNKNOWN),
        }
    }
    Arc::new(builder.finish())
}
