//! What is written is read again, by us and by the csv crate.

use super::*;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    ListArray, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// Every value that CSV can tell from NULL when the literal is `\N`.
fn rows() -> impl Strategy<Value = RecordBatch> {
    let text = || of("[a-c\"',;\\\\ \n\r#\té😀-]{0,6}".prop_filter("not NULL", |s| s != "\\N"));
    let ints = vec(of(any::<i32>()), 1..4);
    let cells = (
        (text(), text(), of(any::<i64>()), of(any::<bool>()), of(any::<f64>())),
        (of(-99_999i128..99_999), of(0i32..2_932_896), of(0i64..253_402_300_800_000)),
        (of(vec(any::<u8>(), 0..20)), ints),
    );
    vec(cells, 1..20).prop_map(|rows| {
        let (mut a, mut b, mut c) = (vec![], vec![], vec![]);
        for (x, y, z) in rows {
            a.push(x);
            b.push(y);
            c.push(z);
        }
        let decimals = Decimal128Array::from_iter(b.iter().map(|r| r.0));
        let lists = c.iter().map(|r| Some(r.1.clone()));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter(a.iter().map(|r| r.0.clone()))),
            Arc::new(StringArray::from_iter(a.iter().map(|r| r.1.clone()))),
            Arc::new(Int64Array::from_iter(a.iter().map(|r| r.2))),
            Arc::new(BooleanArray::from_iter(a.iter().map(|r| r.3))),
            Arc::new(Float64Array::from_iter(a.iter().map(|r| r.4))),
            Arc::new(decimals.with_precision_and_scale(7, 3).unwrap()),
            Arc::new(Date32Array::from_iter(b.iter().map(|r| r.1))),
            Arc::new(TimestampMillisecondArray::from_iter(b.iter().map(|r| r.2))),
            Arc::new(BinaryArray::from_iter(c.iter().map(|r| r.0.as_deref()))),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
        ];
        RecordBatch::try_new(model(), columns).unwrap()
    })
}

fn model() -> SchemaRef {
    schema(&[
        SqlType::STRING,
        SqlType::STRING,
        SqlType::BigInt,
        SqlType::Boolean,
        SqlType::Double,
        SqlType::Decimal(7, 3),
        SqlType::Date,
        SqlType::Timestamp(3),
        SqlType::BYTES,
        array(SqlType::Int),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn there_and_back(rows in rows(), escape in any::<bool>(), plain in any::<bool>()) {
        let scientific = if plain { "false" } else { "true" };
        let scientific = ("csv.write-bigdecimal-in-scientific-notation", scientific);
        let mut pairs = vec![("csv.null-literal", "\\N"), scientific];
        if escape {
            pairs.push(("csv.escape-character", "|"));
        }
        let spec = EncodeSpec { schema: model(), options: options(&pairs) };
        let file = super::super::files::write(&spec, &[Delta::inserts(rows.clone())]).unwrap();
        let spec = DecodeSpec::new(model(), options(&pairs));
        let mut framing = super::super::files::open(&spec).unwrap();
        let place = brooklet_core::format::Place { first: true, last: true };
        let framed = framing.frame(file.clone(), place).unwrap();
        let ranges: Vec<_> = framed.records.into_iter().map(|r| (r.range.unwrap(), 0)).collect();
        let batch = RawBatch::from_buffer(framed.bytes, &ranges);
        let decoded = super::super::decode::open(&spec).unwrap().decode(&batch, 0..batch.len());
        prop_assert_eq!(decoded.bad, vec![]);
        // Compared as text: NaN is not equal to itself.
        prop_assert_eq!(show(&decoded.rows.rows), show(&rows));

        let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(&file[..]);
        for (i, record) in reader.records().enumerate() {
            let record = record.unwrap();
            for column in 0..2 {
                let texts = rows.column(column).as_any().downcast_ref::<StringArray>().unwrap();
                let text = if texts.is_null(i) { "\\N" } else { texts.value(i) };
                prop_assert_eq!(&record[column], text);
            }
        }
    }

    #[test]
    fn any_bytes_give_a_row_or_a_reason(
        record in vec(prop_oneof![select(b",\"\\\n".as_slice()), any::<u8>()], 0..60),
        ignore in any::<bool>(),
    ) {
        let ignore = ("csv.ignore-parse-errors", if ignore { "true" } else { "false" });
        let pairs = [ignore, ("csv.escape-character", "\\")];
        let decoded = decode(&model(), &pairs, &[&record]);
        prop_assert_eq!(decoded.rows.len() + decoded.bad.len(), 1);
    }
}
