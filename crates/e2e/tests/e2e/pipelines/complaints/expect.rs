//! What the pipeline must write, recomputed in one go: cells as Postgres shows them.

use std::collections::{BTreeMap, BTreeSet};

use md5::{Digest, Md5};

use brooklet_e2e::complaints::generate::Cleaned;

pub type Cells = Vec<Option<String>>;

/// Rows of `trusted.bancos`: segment, CNPJ, name; of `trusted.empregados` as the table has them,
/// the same three at the end.
pub struct Reference {
    pub banks: Vec<Cells>,
    pub employers: Vec<Cells>,
}

const URL: usize = 10;
const EMPLOYER_COLUMNS: usize = 20;

/// Rows of `reclamacoes_cleaned`.
pub fn cleaned(rows: &[Cleaned]) -> Vec<Cells> {
    let each = |row: &Cleaned| {
        let mut cells = key(row);
        cells.push(row.indice.map(|cents| fixed(cents.into(), 2)));
        cells.extend(row.numbers.iter().map(shown));
        cells
    };
    rows.iter().map(each).collect()
}

/// Rows of `reclamacoes_joined`.
pub fn joined(rows: &[Cleaned], reference: &Reference) -> BTreeSet<Cells> {
    let mut groups: BTreeMap<Cells, Vec<&Cleaned>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    let known = employers(reference);
    let mut all = BTreeSet::new();
    for (key, rows) in groups {
        let (cnpj, name) = (&key[4], &key[5]);
        let sums = sums(&rows);
        for employer in &known {
            let [segment, own_cnpj, own_name] = &employer.bank;
            if !equal(cnpj, own_cnpj) && !equal(name, own_name) {
                continue;
            }
            let mut cells = vec![Some(row_id(&key, &employer.columns[URL], segment, own_name))];
            cells.extend(key.iter().cloned());
            cells.extend(sums.iter().cloned());
            cells.extend(employer.columns.iter().cloned());
            cells.extend([segment.clone(), own_name.clone()]);
            all.insert(cells);
        }
    }
    all
}

fn key(row: &Cleaned) -> Cells {
    vec![
        shown(&row.ano),
        Some(row.trimestre.clone()),
        Some(row.categoria.clone()),
        Some(row.tipo.clone()),
        row.cnpj.clone(),
        Some(row.instituicao.clone()),
    ]
}

fn sums(rows: &[&Cleaned]) -> Cells {
    let indices: Vec<i128> = rows.iter().filter_map(|r| r.indice.map(i128::from)).collect();
    let average = (!indices.is_empty()).then(|| {
        // Hundredths to millionths, rounded half up; nothing is negative.
        let (sum, count) = (indices.iter().sum::<i128>() * 10_000, indices.len() as i128);
        fixed((2 * sum + count) / (2 * count), 6)
    });
    let mut cells = vec![average];
    for place in 0..7 {
        let values: Vec<i64> =
            rows.iter().filter_map(|r| r.numbers[place].map(i64::from)).collect();
        cells.push((!values.is_empty()).then(|| values.iter().sum::<i64>().to_string()));
    }
    cells
}

/// An employer with the segment, CNPJ and name that it has from its bank.
struct Employer {
    columns: Cells,
    bank: [Option<String>; 3],
}

fn employers(reference: &Reference) -> Vec<Employer> {
    let mut all = Vec::new();
    for row in &reference.employers {
        let (columns, own) = row.split_at(EMPLOYER_COLUMNS);
        let banks = reference.banks.iter();
        let banks: Vec<&Cells> =
            banks.filter(|b| equal(&own[1], &b[1]) || equal(&own[2], &b[2])).collect();
        let with = |bank: Option<&Cells>| {
            let part = |i: usize| bank.and_then(|b| b[i].clone()).or_else(|| own[i].clone());
            Employer { columns: columns.to_vec(), bank: [part(0), part(1), part(2)] }
        };
        match banks.is_empty() {
            true => all.push(with(None)),
            false => all.extend(banks.into_iter().map(|bank| with(Some(bank)))),
        }
    }
    all
}

/// NULL equals nothing.
fn equal(a: &Option<String>, b: &Option<String>) -> bool {
    a.is_some() && a == b
}

fn row_id(
    key: &Cells,
    url: &Option<String>,
    segment: &Option<String>,
    name: &Option<String>,
) -> String {
    let parts = key.iter().chain([url, segment, name]);
    let parts: Vec<&str> = parts.map(|part| part.as_deref().unwrap_or("~")).collect();
    let digest = Md5::digest(parts.join("|").as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn fixed(value: i128, scale: u32) -> String {
    let unit = 10i128.pow(scale);
    format!("{}.{:0width$}", value / unit, value % unit, width = scale as usize)
}

fn shown(number: &Option<i32>) -> Option<String> {
    number.map(|n| n.to_string())
}
