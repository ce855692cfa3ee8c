//! What is written is read again, by us and by the apache-avro crate.

use super::*;
use apache_avro::reader::datum::GenericDatumReader;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int8Array,
    Int32Array, Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int32Type};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

fn model() -> SchemaRef {
    schema(&[
        ("text", SqlType::STRING),
        ("long!", SqlType::BigInt),
        ("byte", SqlType::TinyInt),
        ("bool", SqlType::Boolean),
        ("double", SqlType::Double),
        ("decimal", SqlType::Decimal(38, 6)),
        ("date", SqlType::Date),
        ("at", SqlType::Timestamp(6)),
        ("bytes", SqlType::BYTES),
        ("list", array(SqlType::Int)),
        ("row", row(&[("a", SqlType::Int), ("b!", SqlType::STRING)])),
    ])
}

fn rows() -> impl Strategy<Value = RecordBatch> {
    let limit = 10i128.pow(38) - 1;
    let scalars = (
        of(".{0,8}"),
        any::<i64>(),
        of(any::<i8>()),
        of(any::<bool>()),
        of(any::<f64>()),
        of(prop_oneof![-limit..limit, -300i128..300]),
    );
    let others = (
        of(any::<i32>()),
        of(any::<i64>()),
        of(vec(any::<u8>(), 0..20)),
        of(vec(of(any::<i32>()), 0..5)),
        of((of(any::<i32>()), ".{0,3}")),
    );
    vec((scalars, others), 0..20).prop_map(|rows| {
        let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let schema = model();
        let decimals = Decimal128Array::from_iter(a.iter().map(|r| r.5));
        let lists = b.iter().map(|r| r.3.clone());
        let DataType::Struct(fields) = schema.field(10).data_type().clone() else { panic!() };
        let inner: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter(b.iter().map(|r| r.4.as_ref().and_then(|x| x.0)))),
            Arc::new(StringArray::from_iter_values(
                b.iter().map(|r| r.4.as_ref().map_or("", |x| x.1.as_str())),
            )),
        ];
        let nulls = b.iter().map(|r| r.4.is_some()).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter(a.iter().map(|r| r.0.clone()))),
            Arc::new(Int64Array::from_iter_values(a.iter().map(|r| r.1))),
            Arc::new(Int8Array::from_iter(a.iter().map(|r| r.2))),
            Arc::new(BooleanArray::from_iter(a.iter().map(|r| r.3))),
            Arc::new(Float64Array::from_iter(a.iter().map(|r| r.4))),
            Arc::new(decimals.with_precision_and_scale(38, 6).unwrap()),
            Arc::new(Date32Array::from_iter(b.iter().map(|r| r.0))),
            Arc::new(TimestampMicrosecondArray::from_iter(b.iter().map(|r| r.1))),
            Arc::new(BinaryArray::from_iter(b.iter().map(|r| r.2.as_deref()))),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
            Arc::new(StructArray::new(fields, inner, Some(nulls))),
        ];
        RecordBatch::try_new(schema, columns).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn there_and_back(rows in rows()) {
        let spec = EncodeSpec { schema: model(), options: options(&[LOCAL]) };
        let mut encoder = super::super::encode::open(&spec).unwrap();
        let records = encoder.encode(&Delta::inserts(rows.clone())).unwrap();
        let each: Vec<&[u8]> = records.iter().collect();
        let decoded = decode(&DecodeSpec::new(model(), options(&[LOCAL])), &each);
        prop_assert_eq!(decoded.bad, vec![]);
        // Bit by bit: NaN is not equal to itself, but its encoding is.
        let again = encoder.encode(&decoded.rows).unwrap();
        prop_assert_eq!(&again.bytes, &records.bytes);
        for (column, name) in rows.columns().iter().zip(rows.schema().fields()) {
            if name.name() != "double" {
                let i = rows.schema().index_of(name.name()).unwrap();
                prop_assert_eq!(column, decoded.rows.column(i));
            }
        }
        let text = super::super::derive::schema(model().fields(), false).unwrap();
        let avro = apache_avro::Schema::parse_str(&text).unwrap();
        let reader = GenericDatumReader::builder(&avro).build().unwrap();
        for mut record in each {
            prop_assert!(reader.read_value(&mut record).is_ok());
            prop_assert!(record.is_empty());
        }
    }

    #[test]
    fn any_bytes_give_a_row_or_a_reason(record in vec(any::<u8>(), 0..60)) {
        let decoded = decode(&DecodeSpec::new(model(), options(&[LOCAL])), &[&record]);
        prop_assert_eq!(decoded.rows.len() + decoded.bad.len(), 1);
    }
}
