//! Visits as JSON, of every kind that has come from a shop: repeated, malformed, empty, in other
//! scripts, with types that nobody expects and SQL in them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

use brooklet_testkit::dice::Dice;
use serde_json::{Value, json};

/// What the Python packages IP2Location 8.10.5 (city, region, country of the addresses in
/// `sample_places.bin`) and user-agents 2.2.0 (system, browser) answer.
pub struct Answers {
    pub places: BTreeMap<String, [String; 3]>,
    pub agents: BTreeMap<String, [String; 2]>,
}

pub const ANSWERS: &str = include_str!("../../tests/e2e/data/shop/answers.json");

pub fn answers() -> &'static Answers {
    static READ: OnceLock<Answers> = OnceLock::new();
    READ.get_or_init(|| {
        let all: Value = serde_json::from_str(ANSWERS).expect("answers.json is JSON");
        Answers { places: map(&all["places"]), agents: map(&all["agents"]) }
    })
}

fn map<const N: usize>(object: &Value) -> BTreeMap<String, [String; N]> {
    let object = object.as_object().expect("an object of lists");
    let texts = |list: &Value| -> [String; N] {
        std::array::from_fn(|i| list[i].as_str().expect("a text").to_string())
    };
    object.iter().map(|(key, list)| (key.clone(), texts(list))).collect()
}

const MALFORMED: [&str; 6] = ["", "no json", "[1, 2]", "{\"_id\": \"cut", "null", "{\"_id\": 1,,}"];
const REFERRERS: [&str; 12] = [
    "https://www.example.de/ring?x=1",
    "http://m.facebook.com/",
    "android-app://com.google.android.gm/",
    "https://пример.рф/путь",
    "",
    "//cdn.x.y/z",
    "https:",
    "https:///path",
    "a/b/c",
    "https://host",
    "/",
    "'; DROP TABLE referrer; --//x/",
];
const URLS: [&str; 13] = [
    "https://www.glamira.fr/glamira-pendant-viktor-20039.html?alloy=1",
    "https://www.x.de/ring-sku1234.html",
    "https://www.x.de/ring-skull-sku.htm.html#x",
    "https://x/y.html",
    "https://x/a/b/c.html",
    "https://x/no-page/",
    "",
    "https://x/-sku1.html",
    "https://x/glamira-.html",
    "https://x/glamira-glamira-x.html",
    "https://x/inel-de-logodna-ștefan.html",
    "x.html",
    "https://x/'); DELETE FROM product; --.html",
];
const COLLECTIONS: [&str; 7] = [
    "view_product_detail",
    "select_product_option",
    "product_detail_recommendation_clicked",
    "checkout",
    "add_to_cart_action",
    "корзина",
    "",
];
const STORES: [&str; 9] = ["12", "7", "19", "", "x", "12.9", " 8 ", "99999999999", "-3"];
const PRODUCTS: [&str; 4] = ["", "Robert'); DROP TABLE product;--", "戒指-7", "Unknown "];
const DAYS: [&str; 5] = ["04/06/2020", "", "2020-06-04", "'; DROP TABLE time; --", "2020-06-04T1"];

/// How many earlier visits a repetition is picked from.
const RECENT: usize = 500;

/// `count` values in the order they are produced.
pub fn generate(seed: u64, count: u64) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(seed);
    let mut all: Vec<Vec<u8>> = Vec::new();
    for n in 0..count {
        let recent = &all[all.len().saturating_sub(RECENT)..];
        let value = match dice.below(1_000) {
            0..30 if !recent.is_empty() => dice.pick(recent).clone(),
            30..40 => dice.pick(&MALFORMED).as_bytes().to_vec(),
            kind => visit(n, kind, &mut dice).to_string().into_bytes(),
        };
        // What Postgres refuses stands once, so that refusals can be counted.
        let refused = refused(&value);
        let again = refused && all.iter().rev().take(RECENT + 1).any(|v| *v == value);
        all.push(if again { b"{}".to_vec() } else { value });
    }
    all
}

/// Whether a text holds the character that Postgres has no room for.
pub fn refused(value: &[u8]) -> bool {
    value.windows(6).any(|w| w == b"\\u0000")
}

fn visit(n: u64, kind: u64, dice: &mut Dice) -> Value {
    let answers = answers();
    let places: Vec<&String> = answers.places.keys().collect();
    let agents: Vec<&String> = answers.agents.keys().collect();
    let seconds = 1_591_272_241 + n;
    let id = match kind {
        40..50 => Value::Null,
        // An id that came before, with other fields.
        50..60 => json!(format!("{:024x}", dice.below(n + 1))),
        60..65 => json!(format!("визит-{n}")),
        65..70 => json!(n),
        _ => json!(format!("{n:024x}")),
    };
    let product = match dice.below(20) {
        0 => Value::Null,
        1..4 => json!(dice.pick(&PRODUCTS)),
        _ => json!((20_000 + dice.below(500)).to_string()),
    };
    let collection = match kind {
        70..71 => json!("a\0b"),
        71..90 => Value::Null,
        _ => json!(dice.pick(&COLLECTIONS)),
    };
    let time_stamp = match kind {
        90..95 => json!(*dice.pick(&["", "abc", "99999999999999999999", " 5 "])),
        95..100 => json!(seconds),
        100..105 => Value::Null,
        _ => json!(seconds.to_string()),
    };
    json!({
        "_id": id,
        "time_stamp": time_stamp,
        "local_time": local_time(n, dice),
        "ip": maybe(dice, &places),
        "user_agent": maybe(dice, &agents),
        "store_id": if kind < 120 { json!(5) } else { maybe(dice, &STORES) },
        "referrer_url": maybe(dice, &REFERRERS),
        "current_url": maybe(dice, &URLS),
        "collection": collection,
        "product_id": product,
        "is_paypal": if dice.chance(0.1) { json!("maybe") } else { json!(true) },
        "cart_products": [{"product_id": 1, "option": {"\u{1F48D}": null}}],
    })
}

/// One of `all`; sometimes nothing.
fn maybe<T: AsRef<str>>(dice: &mut Dice, all: &[T]) -> Value {
    match dice.below(20) {
        0 => Value::Null,
        1 => json!(""),
        _ => json!(dice.pick(all).as_ref()),
    }
}

/// Mostly a time of its own, sometimes with an hour of one digit.
fn local_time(n: u64, dice: &mut Dice) -> Value {
    match dice.below(50) {
        0 => return Value::Null,
        1 => return json!(dice.pick(&DAYS)),
        _ => {}
    }
    let second = dice.below(60);
    let (day, hour, minute) = (1 + n / 60 / 24 % 28, n / 60 % 24, n % 60);
    // Sometimes a day that its month has not.
    let day = if dice.chance(0.01) { 31 } else { day };
    let (year, month) = (2019 + n % 3, 1 + n % 12);
    let mut text = format!("{year}-{month:02}-{day:02} ");
    let wide = dice.chance(0.5);
    let _ = if wide { write!(text, "{hour:02}") } else { write!(text, "{hour}") };
    let _ = write!(text, ":{minute:02}:{second:02}");
    json!(text)
}
