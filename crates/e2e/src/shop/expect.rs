//! The star schema of some visits, recomputed one after the other: the first row of a key stays.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use md5::{Digest, Md5};
use serde_json::{Map, Value};

use super::visits::{answers, refused};
use super::{Star, TABLES, sorted};

/// What must become of the values.
pub struct Outcome {
    pub star: Star,
    pub read: u64,
    /// No JSON object.
    pub malformed: u64,
    /// Facts that Postgres refuses.
    pub refused: u64,
}

type Row = Vec<Option<String>>;

pub fn star(values: &[Vec<u8>]) -> Outcome {
    let mut tables: BTreeMap<&'static str, BTreeMap<String, Row>> =
        TABLES.iter().map(|table| (*table, BTreeMap::new())).collect();
    let (mut malformed, mut facts_refused) = (0, 0);
    for value in values {
        let Ok(Value::Object(visit)) = serde_json::from_slice(value) else {
            malformed += 1;
            continue;
        };
        for (table, row) in rows(&visit) {
            if table == "fact_event" && refused(value) {
                facts_refused += 1;
                continue;
            }
            let key = row[0].clone().expect("keys are not NULL");
            tables.get_mut(table).expect("all tables are there").entry(key).or_insert(row);
        }
    }
    let rows = |all: BTreeMap<String, Row>| sorted(all.into_values().collect());
    let star = tables.into_iter().map(|(table, all)| (table, rows(all))).collect();
    Outcome { star, read: values.len() as u64, malformed, refused: facts_refused }
}

/// The rows that one visit gives.
fn rows(visit: &Map<String, Value>) -> Vec<(&'static str, Row)> {
    let field = |name: &str| match visit.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let filled = |name: &str| field(name).filter(|text| !text.is_empty());
    let unknown = || "Unknown".to_string();
    let time_id = filled("local_time").unwrap_or_else(unknown);
    let store = field("store_id").and_then(|text| store(&text));
    let [city, region, country] = match filled("ip") {
        Some(ip) => answers().places[&ip].clone(),
        None => [unknown(), unknown(), unknown()],
    };
    let [os, browser] = match filled("user_agent") {
        Some(agent) => answers().agents[&agent].clone(),
        None => [unknown(), unknown()],
    };
    let referrer = field("referrer_url").and_then(|url| referrer(&url));
    let location_id = md5(&format!("{city}_{region}_{country}"));
    let referrer_id = md5(&referrer.clone().unwrap_or_else(unknown));
    let (os_id, browser_id) = (md5(&os), md5(&browser));
    let collection = field("collection");
    let text = |value: &str| Some(value.to_string());

    let mut rows = vec![
        ("referrer", vec![text(&referrer_id), referrer]),
        ("location", vec![text(&location_id), Some(city), Some(region), Some(country)]),
        ("time", time(&time_id, field("time_stamp"))),
        ("os", vec![text(&os_id), Some(os)]),
        ("browser", vec![text(&browser_id), Some(browser)]),
    ];
    if let Some(store) = &store {
        rows.push(("store", vec![text(store), Some(format!("store_{store}"))]));
    }
    if let Some(product) = filled("product_id") {
        let url = field("current_url").unwrap_or_default();
        let shown = collection.as_deref().is_some_and(|c| SHOWING.contains(&c));
        let name = if shown { product_name(&url) } else { None };
        rows.push(("product", vec![Some(product), Some(name.unwrap_or_else(unknown))]));
    }
    if let Some(id) = field("_id") {
        let product = filled("product_id").unwrap_or_else(unknown);
        let (location, referrer) = (Some(location_id), Some(referrer_id));
        let (browser, os) = (Some(browser_id), Some(os_id));
        let keys = [Some(time_id), Some(product), store, location, referrer, browser, os];
        let fact = [Some(id)].into_iter().chain(keys).chain([collection]);
        rows.push(("fact_event", fact.collect()));
    }
    rows
}

const SHOWING: [&str; 6] = [
    "view_product_detail",
    "select_product_option",
    "select_product_option_quality",
    "product_detail_recommendation_visible",
    "product_detail_recommendation_noticed",
    "product_detail_recommendation_clicked",
];

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Flink's cast to INT: blanks around and what follows a point do not count.
fn store(text: &str) -> Option<String> {
    let whole = text.trim().split('.').next()?;
    whole.parse::<i32>().ok().map(|number| number.to_string())
}

fn referrer(url: &str) -> Option<String> {
    let parts: Vec<&str> = url.split('/').collect();
    let (protocol, host) = (parts[0], *parts.get(2)?);
    (!protocol.is_empty() && !host.is_empty()).then(|| format!("{protocol}//{host}"))
}

/// What stands behind three slashes and `glamira-`, up to `-sku…` or `.html`.
fn product_name(url: &str) -> Option<String> {
    let page = url.splitn(4, '/').nth(3)?;
    let page = page.strip_prefix("glamira-").unwrap_or(page);
    let ends = |(at, _): &(usize, char)| {
        let rest = &page[*at..];
        rest.starts_with(".html") || rest.starts_with("-sku") && rest.contains(".html")
    };
    let (end, _) = page.char_indices().find(ends)?;
    Some(page[..end].to_string()).filter(|name| !name.is_empty())
}

fn time(time_id: &str, time_stamp: Option<String>) -> Row {
    let seconds = time_stamp.and_then(|text| text.trim().parse::<i64>().ok());
    let at = seconds.and_then(|s| DateTime::from_timestamp(s, 0));
    let at = at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string());
    let local = local_time(time_id);
    let number = |get: fn(NaiveDateTime) -> u32| local.map(|l| get(l).to_string());
    let weekday = local.map(|l| l.format("%A").to_string());
    let weekend = weekday.as_deref().is_some_and(|day| day == "Saturday" || day == "Sunday");
    vec![
        Some(time_id.to_string()),
        at,
        local.map(|l| l.year().to_string()),
        number(|l| l.month().div_ceil(3)),
        number(|l| l.month()),
        number(|l| l.iso_week().week()),
        number(|l| l.day()),
        number(|l| l.hour()),
        weekday,
        Some(if weekend { "t" } else { "f" }.to_string()),
    ]
}

/// As Flink's TO_TIMESTAMP with `yyyy-MM-dd H:mm:ss`: a day up to 31 that its month has not is the
/// month's last one, and a date alone, which the pattern does not fit, is its midnight.
fn local_time(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let (month, day) = date.rsplit_once('-')?;
    let day: u32 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let last = if text == date { day } else { day.min(28) };
    let fits = |day: u32| NaiveDate::parse_from_str(&format!("{month}-{day}"), "%Y-%m-%d").ok();
    let date = (last..=day).rev().find_map(fits)?;
    Some(date.and_time(NaiveTime::parse_from_str(time, "%H:%M:%S").ok()?))
}
