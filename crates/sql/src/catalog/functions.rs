//! Functions of a script: those that CREATE FUNCTION brings from outside, and those over files
//! that settings name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brooklet_core::{Error, Result};
use brooklet_functions::IpDatabase;
use brooklet_plan::Settings;
use datafusion::logical_expr::ScalarUDF;

use super::{name_of, span_of};
use crate::fault::Fault;
use crate::parse::ast::CreateFunction;

/// What lies outside of the SQL text: planning itself opens nothing.
pub trait Outside: Send + Sync {
    /// The Python function `module.function`, under the name that queries call it by. Its errors
    /// say what is wrong with the declaration or with the settings.
    fn python(&self, name: &str, function: &str, settings: &Settings) -> Result<Arc<ScalarUDF>>;
    /// Where a path is that a setting names.
    fn path(&self, text: &str) -> PathBuf;
}

/// No functions, and paths as they are.
pub struct Nothing;

impl Outside for Nothing {
    fn python(&self, name: &str, _: &str, _: &Settings) -> Result<Arc<ScalarUDF>> {
        Err(Error::config(format!("function '{name}' is not built in, and nothing runs Python")))
    }
    fn path(&self, text: &str) -> PathBuf {
        Path::new(text).to_path_buf()
    }
}

/// The functions there are beside those that are part of the program.
#[derive(Debug, Clone, Default)]
pub struct Functions {
    /// By name, in lower case; None: one of the program's own, created so that Flink knows it.
    created: BTreeMap<String, Option<Arc<ScalarUDF>>>,
    places: Arc<IpDatabase>,
    path: Option<PathBuf>,
}

/// Families of functions that the program has and Flink has not: the same names may be taken by
/// functions in Python, so that a file runs on both.
const FAMILIES: [&str; 2] = ["ip_", "ua_"];

impl Functions {
    /// What queries find before the program's own functions.
    pub fn all(&self) -> Vec<Arc<ScalarUDF>> {
        let created = self.created.values().flatten().cloned();
        self.places.functions().into_iter().chain(created).collect()
    }

    /// Those made by CREATE FUNCTION.
    pub fn names(&self) -> Vec<String> {
        self.created.keys().cloned().collect()
    }

    /// Whether the files that some functions read are there: `called` are names of functions, in
    /// lower case, that queries call.
    pub fn check<'a>(&self, called: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let replaced = |name: &str| self.created.get(name).is_some_and(Option::is_some);
        self.places.check(called.into_iter().filter(|name| !replaced(name)))
    }

    pub fn set_places(&mut self, path: Option<PathBuf>) {
        if self.path != path {
            self.places = Arc::new(path.clone().map(IpDatabase::at).unwrap_or_default());
            self.path = path;
        }
    }

    /// CREATE FUNCTION. The program's own functions win, as in Flink, whatever class the text
    /// names; `brooklet.functions.native` = false lets Python ones win over `ip_*` and `ua_*`.
    pub fn create(
        &mut self,
        ddl: &CreateFunction,
        native: &[String],
        settings: &Settings,
        outside: &dyn Outside,
    ) -> Result<(), Fault> {
        let name = name_of(&ddl.name)?;
        let key = name.to_lowercase();
        let language = ddl.language.as_deref().unwrap_or("JAVA");
        let python = language == "PYTHON";
        let replaced = FAMILIES.iter().any(|family| key.starts_with(family))
            && !settings.text("brooklet.functions.native").eq_ignore_ascii_case("true");
        let own = native.iter().any(|n| n.eq_ignore_ascii_case(&name));
        let own = own && !self.created.get(&key).is_some_and(Option::is_some);
        let made = match own && !(python && replaced) {
            true => None,
            false if python => {
                let made = outside.python(&name, &ddl.class, settings);
                Some(made.map_err(|e| Fault::new(e.to_string(), span_of(&ddl.name)))?)
            }
            false => {
                let message = format!(
                    "function '{name}' is not built in, and {language} functions cannot be loaded"
                );
                return Err(Fault::new(message, span_of(&ddl.name))
                    .suggest(&name, native.iter().map(String::as_str)));
            }
        };
        self.created.insert(key, made);
        Ok(())
    }

    /// Whether there was such a function.
    pub fn drop(&mut self, name: &str) -> bool {
        self.created.remove(&name.to_lowercase()).is_some()
    }
}
