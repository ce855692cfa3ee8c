//! One error type; its kind says what the reader of the message has to do.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What must be done about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Fix the SQL text; the message shows line, column and a caret.
    Sql,
    /// Fix the option, the command line or the environment.
    Config,
    /// A record is at fault; the table's policy decides, the message names the option.
    Data,
    /// A service did not answer or refused: retried with backoff where that can help.
    Outside,
    /// Another process owns the pipeline. Stop and do not restart.
    Fenced,
    /// What is stored does not match what was written. Stop and keep everything.
    Corrupt,
    /// The memory budget is exhausted; the pipeline stopped at a committed epoch.
    Limit,
    /// A mistake in brooklet itself.
    Bug,
}

/// An error with its kind, a sentence for the user, where it happened and what caused it.
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    /// Pipeline, node, split and offset, as far as known.
    pub place: Option<String>,
    /// False when trying again cannot help (a wrong password, a missing table).
    pub retry: bool,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = kind == ErrorKind::Outside;
        Error { kind, message: message.into(), place: None, retry, source: None }
    }
    pub fn sql(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Sql, message)
    }
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }
    pub fn outside(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Outside, message)
    }
    /// A service's refusal that no retry can change.
    pub fn refused(message: impl Into<String>) -> Self {
        Error { retry: false, ..Self::new(ErrorKind::Outside, message) }
    }
    pub fn fenced(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fenced, message)
    }
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Bug, message)
    }
    /// Adds where it happened, unless the error says so already; an inner place is kept in front.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        let place = place.into();
        let known = |text: &String| text.contains(&place);
        if known(&self.message) || self.place.as_ref().is_some_and(known) {
            return self;
        }
        self.place = Some(match self.place.take() {
            Some(inner) => format!("{inner}, {place}"),
            None => place,
        });
        self
    }
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
    /// The process exit code: 1 the pipeline failed, 2 the file or command line is wrong,
    /// 3 a bug of ours, 4 fenced.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Sql | ErrorKind::Config => 2,
            ErrorKind::Data | ErrorKind::Outside | ErrorKind::Corrupt | ErrorKind::Limit => 1,
            ErrorKind::Bug => 3,
            ErrorKind::Fenced => 4,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            let text = source.to_string();
            if !self.message.contains(&text) {
                write!(f, ": {text}")?;
            }
        }
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Error::data(e.to_string())
    }
}
