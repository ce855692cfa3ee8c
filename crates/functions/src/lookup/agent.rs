//! Operating system and browser of a user agent, by the expressions of uap-core.

use std::borrow::Cow;
use std::sync::OnceLock;

use arrow::array::ArrayRef;
use datafusion::common::{DataFusionError, Result};

use super::families::{Expressions, Families};
use super::{UNKNOWN, look_up};
use crate::column::{Call, Text};
use crate::function::Function;
use crate::function::Kind::Text as T;

/// `UA_OS(user_agent)`
///
/// The family of the operating system that a user agent names, as uap-core 0.18.0 tells it;
/// `Unknown` for NULL, the empty text and what no expression fits.
///
/// ```sql
/// UA_OS('Mozilla/5.0 (iPhone; CPU iPhone OS 13_5 like Mac OS X) Version/13.1') = 'iOS'
/// UA_OS(CAST(NULL AS STRING)) = 'Unknown'
/// ```
pub(super) const UA_OS: Function = Function::text("ua_os", &[T], ua_os).never_null();

/// `UA_BROWSER(user_agent)`
///
/// The family of the browser or program that a user agent names, as uap-core 0.18.0 tells it;
/// `Unknown` for NULL, the empty text and what no expression fits.
///
/// ```sql
/// UA_BROWSER('curl/7.68.0') = 'curl'
/// UA_BROWSER('no such thing') = 'Unknown'
/// ```
pub(super) const UA_BROWSER: Function = Function::text("ua_browser", &[T], ua_browser).never_null();

const EXPRESSIONS: &str = include_str!("uap-core/regexes.json");

struct Extractors {
    browsers: Families,
    systems: Families,
}

/// Made when the first user agent comes: that takes some tens of milliseconds.
fn extractors() -> Result<&'static Extractors> {
    static MADE: OnceLock<Result<Extractors, String>> = OnceLock::new();
    let make = || {
        let all: Expressions = serde_json::from_str(EXPRESSIONS).map_err(|e| e.to_string())?;
        let browsers = Families::new(all.user_agent_parsers)?;
        Ok(Extractors { browsers, systems: Families::new(all.os_parsers)? })
    };
    MADE.get_or_init(make).as_ref().map_err(|e| DataFusionError::Internal(e.clone()))
}

fn ua_os(call: &Call) -> Result<ArrayRef> {
    let (all, text) = (extractors()?, call.text(0)?);
    Ok(families(&text, call.rows, |agent| all.systems.find(agent)))
}

fn ua_browser(call: &Call) -> Result<ArrayRef> {
    let (all, text) = (extractors()?, call.text(0)?);
    Ok(families(&text, call.rows, |agent| all.browsers.find(agent)))
}

/// The expressions of uap-core say `Other` of what is nothing in particular.
fn families(text: &Text, rows: usize, find: impl Fn(&str) -> Option<String>) -> ArrayRef {
    let tells = |family: &String| !family.is_empty() && !family.eq_ignore_ascii_case("other");
    look_up(text, rows, |agent| {
        find(agent).filter(tells).map_or(Cow::Borrowed(UNKNOWN), Cow::Owned)
    })
}
