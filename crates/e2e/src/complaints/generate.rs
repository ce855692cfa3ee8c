//! Complaints as they come, each with what it says: Avro records whose cleaned row is known because
//! the raw text was made from it.

use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::Record;

/// A row of `reclamacoes_cleaned`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    pub ano: Option<i32>,
    pub trimestre: String,
    pub categoria: String,
    pub tipo: String,
    pub cnpj: Option<String>,
    pub instituicao: String,
    /// In hundredths.
    pub indice: Option<i64>,
    /// Regulated and upheld, regulated others, not regulated, clients of both kinds, of CCS, of
    /// SCR, complaints in all.
    pub numbers: [Option<i32>; 7],
}

/// A record, and what it becomes if it can be decoded.
pub struct Complaint {
    pub value: Vec<u8>,
    pub cleaned: Option<Cleaned>,
}

/// Names without a legal form; what is not known to the reference tables joins nothing.
const NAMES: [&str; 14] = [
    "BRADESCO",
    "ITAÚ",
    "BANCO DO BRASIL",
    "CAIXA ECONÔMICA FEDERAL",
    "INTER",
    "C6 BANK",
    "AGIBANK",
    "PAN",
    "SAFRA",
    "SEM PAR 🏦",
    "ROBERT'); DROP TABLE TRUSTED.BANCOS;--",
    "\"ASPAS\" \\ BARRA",
    "株式会社",
    "BANCO XYZ",
];
const CNPJS: [&str; 14] = [
    "60746948", "60701190", "00000000", "00360305", "00416968", "31872495", "10664513", "59285411",
    "58160789", "99999999", "00000001", "12345678", "07654321", "88888888",
];
/// Legal forms that are cut off, and one that stays.
const FORMS: [(&str, &str); 11] = [
    ("", ""),
    (" (conglomerado)", ""),
    (" S.A.", ""),
    (" S.A. - PRUDENCIAL", ""),
    (" s. a.", ""),
    (" SA - CFI", ""),
    (" LTDA.", ""),
    (" - CFI", ""),
    (" - PRUDENCIAL", ""),
    (" - CFI - PRUDENCIAL", ""),
    (" S/A", " S/A"),
];
const CATEGORIES: [&str; 3] =
    ["Demais Bancos e Financeiras", "Top 10 - Bancos e Financeiras", "Bancos | 'x'"];
const KINDS: [&str; 2] = ["Banco/financeira", "Conglomerado"];

/// `count` records from a seed: some come twice, one in a hundred cannot be decoded.
pub fn complaints(count: u64, seed: u64) -> Vec<Complaint> {
    let mut dice = Dice::new(seed);
    let mut all: Vec<Complaint> = Vec::new();
    while (all.len() as u64) < count {
        let complaint = match dice.below(100) {
            0 => broken(&mut dice),
            1 | 2 if !all.is_empty() => {
                let again = &all[dice.below(all.len() as u64) as usize];
                Complaint { value: again.value.clone(), cleaned: again.cleaned.clone() }
            }
            _ => whole(&mut dice),
        };
        all.push(complaint);
    }
    all
}

pub fn record(value: &[u8]) -> Record {
    Record { value: Some(value.to_vec()), ..Record::default() }
}

fn whole(dice: &mut Dice) -> Complaint {
    let (ano_text, ano) = *dice.pick(&[
        ("2021", Some(2021)),
        ("2022", Some(2022)),
        (" 2022 ", Some(2022)),
        ("20x1", None),
    ]);
    let trimestre = format!("{}º", dice.between(1, 4));
    let categoria = *dice.pick(&CATEGORIES);
    let tipo = *dice.pick(&KINDS);
    let bank = dice.below(NAMES.len() as u64) as usize;
    let (cnpj_text, cnpj) = cnpj(dice, bank);
    let (name_text, instituicao) = name(dice, bank);
    let (indice_text, indice) = index(dice);
    let mut texts = Vec::new();
    let mut numbers = [None; 7];
    for (place, number) in numbers.iter_mut().enumerate() {
        let nullable = matches!(place, 1 | 2 | 4 | 5);
        let (text, value) = whole_number(dice, nullable);
        texts.push(text);
        *number = value;
    }
    let mut value = Vec::new();
    text(&mut value, ano_text);
    text(&mut value, &trimestre);
    text(&mut value, categoria);
    text(&mut value, tipo);
    optional(&mut value, cnpj_text.as_deref());
    text(&mut value, &name_text);
    text(&mut value, &indice_text);
    // In the order of the schema: the total comes before the clients.
    for (place, nullable) in
        [(0, false), (1, true), (2, true), (6, false), (3, false), (4, true), (5, true)]
    {
        match nullable {
            true => optional(&mut value, texts[place].as_deref()),
            false => text(&mut value, texts[place].as_deref().unwrap_or_default()),
        }
    }
    let cleaned = Cleaned {
        ano,
        trimestre,
        categoria: categoria.into(),
        tipo: tipo.into(),
        cnpj,
        instituicao,
        indice,
        numbers,
    };
    Complaint { value, cleaned: Some(cleaned) }
}

/// With leading zeros lost, blanks around it, digits too many, or missing.
fn cnpj(dice: &mut Dice, bank: usize) -> (Option<String>, Option<String>) {
    let own = CNPJS[bank];
    let whole = Some(own.to_string());
    match dice.below(8) {
        0 => (None, None),
        1 => (Some(String::new()), None),
        2 => (Some("   ".into()), None),
        3 => (Some(format!(" {own} ")), whole),
        4 => {
            let short = own.trim_start_matches('0');
            (Some(if short.is_empty() { "0".into() } else { short.into() }), whole)
        }
        5 => (Some(format!("{own}0001")), whole),
        _ => (whole.clone(), whole),
    }
}

fn name(dice: &mut Dice, bank: usize) -> (String, String) {
    match dice.below(200) {
        0 => return ("   ".into(), String::new()),
        // Two letters that look like a legal form.
        1 => return ("CASA".into(), "CA".into()),
        _ => {}
    }
    let (form, stays) = *dice.pick(&FORMS);
    let raw = format!("{}{form}", NAMES[bank]);
    let raw = if dice.chance(0.3) { raw.to_lowercase() } else { raw };
    let raw = if dice.chance(0.2) { format!("  {raw} ") } else { raw };
    (raw, format!("{}{stays}", NAMES[bank]))
}

/// As Brazil writes numbers.
fn index(dice: &mut Dice) -> (String, Option<i64>) {
    match dice.below(8) {
        0 => (String::new(), None),
        1 => ("n/d".into(), None),
        2 => ("0,005".into(), Some(1)),
        3 => ("39,4".into(), Some(3_940)),
        _ => {
            let cents = dice.between(0, 999_999);
            let (whole, rest) = (cents / 100, cents % 100);
            let grouped = match whole {
                0..=999 => whole.to_string(),
                _ => format!("{}.{:03}", whole / 1_000, whole % 1_000),
            };
            (format!("{grouped},{rest:02}"), Some(cents))
        }
    }
}

fn whole_number(dice: &mut Dice, nullable: bool) -> (Option<String>, Option<i32>) {
    let number = dice.between(0, 1_000_000) as i32;
    match dice.below(10) {
        0 => (Some(String::new()), None),
        1 => (Some("abc".into()), None),
        2 => (Some(format!(" {number} ")), Some(number)),
        // A cast to INT cuts off.
        3 => (Some(format!("{number}.9")), Some(number)),
        4 if nullable => (None, None),
        _ => (Some(number.to_string()), Some(number)),
    }
}

/// Cut off, without a single field, with a branch that the union lacks.
fn broken(dice: &mut Dice) -> Complaint {
    let mut value = whole(dice).value;
    match dice.below(3) {
        0 => value.truncate(10),
        1 => value.clear(),
        _ => {
            value.clear();
            ["2021", "1º", "c", "t"].iter().for_each(|field| text(&mut value, field));
            value.extend([20, 2, b'x']);
        }
    }
    Complaint { value, cleaned: None }
}

fn text(out: &mut Vec<u8>, value: &str) {
    let mut length = (value.len() as u64) << 1;
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(value.as_bytes());
}

fn optional(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(2);
            text(out, value);
        }
    }
}
