//! Places and user agents against the answers of the Python libraries.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use super::bin::Bin;
use super::ip::{IpDatabase, Part};

fn call(udf: &ScalarUDF, texts: &[Option<&str>]) -> Result<Vec<String>, String> {
    let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let field = Arc::new(Field::new("x", DataType::Utf8, true));
    let result = udf.invoke_with_args(ScalarFunctionArgs {
        args: vec![ColumnarValue::Array(column)],
        arg_fields: vec![field.clone()],
        number_rows: texts.len(),
        return_field: field,
        config_options: Arc::default(),
    });
    let result = result.map_err(|e| e.to_string())?.into_array(texts.len()).unwrap();
    assert_eq!(result.null_count(), 0);
    Ok(result.as_string::<i32>().iter().flatten().map(str::to_string).collect())
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/data").join(name)
}

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect()).collect()
}

#[test]
fn user_agents_as_in_python() {
    let known = rows(include_str!("../tests/agents.txt"));
    assert!(known.len() > 300);
    let agents: Vec<Option<&str>> = known.iter().map(|row| Some(row[0])).collect();
    for (function, column) in [(super::agent::UA_OS, 1), (super::agent::UA_BROWSER, 2)] {
        let found = call(&function.udf(), &agents).unwrap();
        let wrong = known.iter().zip(&found).filter(|(row, found)| row[column] != *found);
        let wrong: Vec<String> = wrong.map(|(row, f)| format!("{row:?}: {f}")).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let odd = [None, Some(""), Some("Other"), Some("\0\u{1F600}ü("), Some(&"(;".repeat(9_999))];
        assert_eq!(call(&function.udf(), &odd).unwrap(), ["Unknown"; 5]);
    }
}

#[test]
fn places_as_in_python() {
    let database = Arc::new(IpDatabase::at(file("places.bin")));
    let known = rows(include_str!("../tests/places.txt"));
    assert!(known.len() > 60);
    let addresses: Vec<Option<&str>> = known.iter().map(|row| Some(row[0])).collect();
    for (column, function) in database.functions().iter().enumerate() {
        let found = call(function, &addresses).unwrap();
        let wrong = known.iter().zip(&found).filter(|(row, found)| row[column + 1] != *found);
        let wrong: Vec<String> = wrong.map(|(row, f)| format!("{row:?}: {f}")).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(call(function, &[None, Some("")]).unwrap(), ["Unknown"; 2]);
    }
    assert!(database.check(["ip_city", "ip_country", "md5"]).is_ok());
}

/// With an index that sends every address to all rows the answers are the same; one that sends
/// them beyond the end finds nothing and harms nobody.
#[test]
fn an_index_of_addresses_is_followed() {
    let bytes = std::fs::read(file("places.bin")).unwrap();
    let indexed = |low: u32, high: u32| {
        let mut bytes = bytes.clone();
        let at = bytes.len() as u32 + 1;
        bytes[21..25].copy_from_slice(&at.to_le_bytes());
        bytes[25..29].copy_from_slice(&at.to_le_bytes());
        let entry = [low.to_le_bytes(), high.to_le_bytes()].concat();
        bytes.extend(entry.repeat(1 << 16));
        Bin::new(bytes).unwrap()
    };
    let plain = Bin::new(bytes.clone()).unwrap();
    for row in rows(include_str!("../tests/places.txt")) {
        let Ok(address) = row[0].parse() else { continue };
        let wanted = plain.find(address, Part::City);
        let rows = if matches!(address, std::net::IpAddr::V4(_)) { 10 } else { 5 };
        assert_eq!(indexed(0, rows).find(address, Part::City), wanted, "{address}");
        assert_eq!(indexed(u32::MAX - 1, u32::MAX).find(address, Part::City), None);
    }
}

/// What is cut off or overwritten anywhere may answer wrongly, but never panics.
#[test]
fn damaged_files_do_not_panic() {
    let bytes = std::fs::read(file("places.bin")).unwrap();
    let address = "203.0.113.7".parse().unwrap();
    for at in 0..bytes.len() {
        let cut = Bin::new(bytes[..at].to_vec());
        cut.map(|bin| bin.find(address, Part::City));
        for value in [0, 255] {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            if let Some(bin) = Bin::new(bytes) {
                bin.find(address, Part::Country);
                bin.find("2001:4860::".parse().unwrap(), Part::Region);
            }
        }
    }
}

/// The file was made with 8.8.8.0/24 in Mountain View, 2001:4860::/32 in the United States without
/// a city, 62.245.128.0/17 in Munich with two subdivisions.
#[test]
fn places_of_maxmind() {
    let database = Arc::new(IpDatabase::at(file("places.mmdb")));
    let texts = ["8.8.8.8", "::ffff:8.8.8.8", "2001:4860::1", "62.245.200.1", "10.0.0.1", "x"];
    let texts: Vec<Option<&str>> = texts.into_iter().map(Some).chain([None]).collect();
    let found: Vec<Vec<String>> =
        database.functions().iter().map(|f| call(f, &texts).unwrap()).collect();
    let (us, invalid) = ("United States", "INVALID IP ADDRESS");
    assert_eq!(found[0], [us, us, us, "Germany", "-", invalid, "Unknown"]);
    assert_eq!(found[1], ["California", "California", "-", "Bavaria", "-", invalid, "Unknown"]);
    let city = "Mountain View";
    assert_eq!(found[2], [city, city, "-", "München", "-", invalid, "Unknown"]);
}

#[test]
fn what_is_no_database_is_said_with_the_setting() {
    let message = |database: IpDatabase| database.check(["ip_city"]).unwrap_err().to_string();
    let none = message(IpDatabase::default());
    assert!(none.contains("SET 'brooklet.functions.ip-database'"), "{none}");
    let missing = message(IpDatabase::at("/no/such/file.BIN".into()));
    assert!(missing.contains("'/no/such/file.BIN': cannot be read"), "{missing}");
    let text = message(IpDatabase::at(file("../agents.txt")));
    assert!(text.contains("neither a BIN file"), "{text}");
    let mut countries = std::fs::read(file("places.bin")).unwrap();
    countries[0] = 1;
    let path = std::env::temp_dir().join(format!("countries-{}.bin", std::process::id()));
    std::fs::write(&path, countries).unwrap();
    let database = IpDatabase::at(path.clone());
    assert!(database.check(["ip_country"]).is_ok());
    let error = database.check(["ip_city"]).unwrap_err().to_string();
    std::fs::remove_file(path).unwrap();
    assert!(error.contains("no answers for ip_city"), "{error}");
}
