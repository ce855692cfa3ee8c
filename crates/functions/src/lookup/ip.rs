//! Country, region and city of an IP address, from a database that the pipeline names.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arrow::array::ArrayRef;
use brooklet_core::Error;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;
use maxminddb::{PathElement, Reader};

use super::bin::Bin;
use super::{UNKNOWN, look_up};
use crate::column::Call;
use crate::function::Function;
use crate::function::Kind::Text as T;

/// `IP_COUNTRY(address)`
///
/// The English name of the country of an IPv4 or IPv6 address. `Unknown` for NULL and the empty
/// text, `INVALID IP ADDRESS` for what is none, `-` for one that belongs to no country.
///
/// ```sql
/// IP_COUNTRY('8.8.8.8') = 'United States of America'
/// IP_COUNTRY('8.8.8') = 'INVALID IP ADDRESS'
/// ```
const IP_COUNTRY: Function =
    Function::text("ip_country", &[T], |c| find(c, Part::Country)).never_null();

/// `IP_REGION(address)`
///
/// The name of the region of an address, otherwise as IP_COUNTRY.
///
/// ```sql
/// IP_REGION('::ffff:8.8.8.8') = 'California'
/// ```
const IP_REGION: Function =
    Function::text("ip_region", &[T], |c| find(c, Part::Region)).never_null();

/// `IP_CITY(address)`
///
/// The name of the city of an address, otherwise as IP_COUNTRY.
///
/// ```sql
/// IP_CITY('203.0.113.7') = 'München'
/// IP_CITY('') = 'Unknown'
/// ```
const IP_CITY: Function = Function::text("ip_city", &[T], |c| find(c, Part::City)).never_null();

/// The setting that names the database.
pub const IP_DATABASE: &str = "brooklet.functions.ip-database";

/// What is wanted of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Country,
    Region,
    City,
}

/// A database of places: IP2Location's BIN or MaxMind's MMDB. It is read into memory at first use.
#[derive(Default)]
pub struct IpDatabase {
    path: Option<PathBuf>,
    opened: OnceLock<Result<Places, String>>,
}

enum Places {
    Bin(Bin),
    Mmdb(Reader<Vec<u8>>),
}

impl std::fmt::Debug for IpDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IpDatabase({:?})", self.path)
    }
}

impl IpDatabase {
    pub fn at(path: PathBuf) -> Self {
        IpDatabase { path: Some(path), opened: OnceLock::new() }
    }

    /// The functions that read it, lower-case names.
    pub fn functions(self: &Arc<Self>) -> Vec<Arc<ScalarUDF>> {
        [IP_COUNTRY, IP_REGION, IP_CITY].map(|f| f.over(Arc::clone(self))).into()
    }

    /// Reads the database, unless that was done: it must answer the functions of these names.
    /// Errors name the setting.
    pub fn check<'a>(
        &self,
        functions: impl IntoIterator<Item = &'a str>,
    ) -> brooklet_core::Result<()> {
        for name in functions {
            let part = match name {
                "ip_country" => Part::Country,
                "ip_region" => Part::Region,
                "ip_city" => Part::City,
                _ => continue,
            };
            if !self.places().map_err(Error::config)?.has(part) {
                let path = self.path.as_deref().unwrap_or_else(|| "".as_ref()).display();
                return Err(Error::config(format!(
                    "SET '{IP_DATABASE}' = '{path}': the database has no answers for {name}: it \
                     needs one with cities"
                )));
            }
        }
        Ok(())
    }

    fn places(&self) -> Result<&Places, String> {
        self.opened.get_or_init(|| self.open()).as_ref().map_err(Clone::clone)
    }

    fn open(&self) -> Result<Places, String> {
        let Some(path) = &self.path else {
            return Err(format!(
                "ip_country, ip_region and ip_city need a database: SET '{IP_DATABASE}' = 'path of \
                 a BIN file of IP2Location or an MMDB file of MaxMind'"
            ));
        };
        let said = |what: String| format!("SET '{IP_DATABASE}' = '{}': {what}", path.display());
        let bytes = std::fs::read(path).map_err(|e| said(format!("cannot be read: {e}")))?;
        if is_mmdb(&bytes) {
            let reader = Reader::from_source(bytes);
            return reader.map(Places::Mmdb).map_err(|e| said(e.to_string()));
        }
        let neither = "is neither a BIN file of IP2Location nor an MMDB file of MaxMind";
        Bin::new(bytes).map(Places::Bin).ok_or_else(|| said(neither.to_string()))
    }
}

/// MMDB files end in metadata behind these bytes.
fn is_mmdb(bytes: &[u8]) -> bool {
    const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
    const FARTHEST: usize = 128 << 10;
    let end = &bytes[bytes.len().saturating_sub(FARTHEST)..];
    end.windows(MARKER.len()).any(|w| w == MARKER)
}

impl Places {
    fn has(&self, part: Part) -> bool {
        match self {
            Places::Bin(bin) => bin.has(part),
            Places::Mmdb(reader) => {
                let kind = &reader.metadata().database_type;
                part == Part::Country || kind.contains("City") || kind.contains("Enterprise")
            }
        }
    }

    fn find(&self, address: &str, part: Part) -> Option<String> {
        let Ok(parsed) = address.parse::<IpAddr>() else {
            return Some("INVALID IP ADDRESS".to_string());
        };
        match self {
            Places::Bin(bin) => bin.find(parsed, part),
            // A database that is damaged inside knows no more than one without the address.
            Places::Mmdb(reader) => {
                let record = reader.lookup(parsed.to_canonical()).ok()?;
                let name = record.decode_path::<String>(path(part)).ok()?;
                Some(name.unwrap_or_else(|| "-".to_string()))
            }
        }
    }
}

/// Where a name stands in a record of an MMDB file.
fn path(part: Part) -> &'static [PathElement<'static>] {
    use PathElement::{Index, Key};
    match part {
        Part::Country => &[Key("country"), Key("names"), Key("en")],
        Part::Region => &[Key("subdivisions"), Index(0), Key("names"), Key("en")],
        Part::City => &[Key("city"), Key("names"), Key("en")],
    }
}

fn find(call: &Call, part: Part) -> Result<ArrayRef> {
    let missing = || DataFusionError::Internal("no database was given".to_string());
    let database = call.database.as_ref().ok_or_else(missing)?;
    let places = database.places().map_err(DataFusionError::Execution)?;
    let text = call.text(0)?;
    Ok(look_up(&text, call.rows, |address| {
        let known = places.find(address, part).filter(|name| !name.is_empty());
        known.map_or(Cow::Borrowed(UNKNOWN), Cow::Owned)
    }))
}
