//! What travels along while one record is read: the options, and on failure where and why.

use super::options::ReadOptions;
use super::scan::Fault;

pub(super) struct Context {
    pub options: ReadOptions,
    /// What is wrong with the record's structure.
    pub fault: Fault,
    /// Instead of `fault.what`: why a well-formed value does not fit its type.
    detail: Option<String>,
    /// Names from the inside out.
    path: Vec<String>,
    /// For the text of strings with escapes.
    pub scratch: Vec<u8>,
    /// Objects and arrays in STRING columns keep decimals exact when the table has a DECIMAL.
    pub exact_numbers: bool,
}

impl Context {
    pub fn new(options: ReadOptions, exact_numbers: bool) -> Self {
        Context {
            options,
            fault: Fault::default(),
            detail: None,
            path: Vec::new(),
            scratch: Vec::new(),
            exact_numbers,
        }
    }

    /// A value that is JSON but not what the column needs.
    #[cold]
    pub fn wrong<T>(&mut self, at: usize, why: impl Into<String>) -> Option<T> {
        self.fault.at = at;
        self.detail = Some(why.into());
        None
    }

    /// The failure happened inside the field of that name.
    #[cold]
    pub fn below<T>(&mut self, name: &str) -> Option<T> {
        self.path.push(name.to_string());
        None
    }

    /// The failure happened in that element.
    #[cold]
    pub fn below_element<T>(&mut self, index: usize) -> Option<T> {
        self.path.push(format!("[{index}]"));
        None
    }

    /// The record's structure is broken: that outranks what was found before.
    pub fn broken(&mut self, fault: Fault) {
        self.fault = fault;
        self.detail = None;
    }

    /// Forgets a failure that is being ignored.
    pub fn forget(&mut self) {
        self.fault = Fault::default();
        self.detail = None;
        self.path.clear();
    }

    /// The sentence for a person; the context is clean afterwards.
    #[cold]
    pub fn reason(&mut self) -> String {
        let mut path = String::new();
        for part in self.path.iter().rev() {
            if !path.is_empty() && !part.starts_with('[') {
                path.push('.');
            }
            path.push_str(part);
        }
        let what = self.detail.take().unwrap_or_else(|| self.fault.what.to_string());
        let at = self.fault.at;
        self.forget();
        if path.is_empty() {
            format!("{what} (byte {at})")
        } else {
            format!("field '{path}': {what} (byte {at})")
        }
    }
}
