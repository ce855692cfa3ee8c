//! Metadata columns of records: where each came from and what it carried beside key and value.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int32Array, Int64Array, MapArray, MapFieldNames,
    StringArray, StructArray, TimestampMillisecondArray,
};
use arrow::compute;
use arrow::datatypes::{DataType, Fields};

use brooklet_core::raw::{HeadersBuilder, RawBatch};
use brooklet_core::source::SplitId;
use brooklet_core::types::UTC;
use brooklet_core::{Error, Result};

/// The column under a connector's key for rows that came from these records of a batch.
pub fn column(key: &str, split: &SplitId, raw: &RawBatch, records: &[u32]) -> Result<ArrayRef> {
    let each = records.iter().map(|record| *record as usize);
    let origins = raw.rarely().origins();
    if !origins.is_empty() && matches!(key, "offset" | "partition" | "topic") {
        return Ok(original(key, &each.map(|r| &origins[r]).collect::<Vec<_>>()));
    }
    Ok(match key {
        "offset" => Arc::new(Int64Array::from_iter_values(each.map(|r| raw.offset(r)))),
        "timestamp" => {
            let times = each.map(|r| raw.timestamp(r));
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone(UTC))
        }
        "timestamp-type" => {
            let types = raw.rarely().timestamp_types(records);
            Arc::new(StringArray::from_iter_values(types.iter().map(|t| t.name())))
        }
        "partition" => Arc::new(Int64Array::from(vec![partition(split); records.len()])),
        "topic" => Arc::new(StringArray::from(vec![topic(split); records.len()])),
        "leader-epoch" => Arc::new(Int32Array::from(raw.rarely().leader_epochs(records))),
        "headers" => headers(raw, records),
        other => return Err(Error::config(format!("metadata column '{other}' is unknown"))),
    })
}

/// Where records were read for the first time.
fn original(key: &str, origins: &[&(SplitId, i64)]) -> ArrayRef {
    match key {
        "offset" => Arc::new(Int64Array::from_iter_values(origins.iter().map(|(_, o)| *o))),
        "partition" => Arc::new(origins.iter().map(|(s, _)| partition(s)).collect::<Int64Array>()),
        _ => Arc::new(StringArray::from_iter_values(origins.iter().map(|(s, _)| topic(s)))),
    }
}

fn partition(split: &SplitId) -> Option<i64> {
    split.0.rsplit('-').next().and_then(|n| n.parse().ok())
}

fn topic(split: &SplitId) -> &str {
    split.0.rsplit_once('-').map_or(&*split.0, |(topic, _)| topic)
}

fn headers(raw: &RawBatch, records: &[u32]) -> ArrayRef {
    let names = MapFieldNames {
        entry: "entries".to_string(),
        key: "key".to_string(),
        value: "value".to_string(),
    };
    let mut builder = HeadersBuilder::new(Some(names), Default::default(), Default::default());
    raw.rarely().headers(records, &mut builder);
    Arc::new(builder.finish())
}

/// The column in the type it is declared with.
pub fn as_declared(column: ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    let (DataType::Map(entries, sorted), Some(map)) = (ty, column.as_map_opt()) else {
        return Ok(compute::cast(&column, ty)?);
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(Error::bug("the entries of a map are pairs"));
    };
    let content = StructArray::try_new(fields.clone(), pairs(map, fields)?, None)?;
    let offsets = map.offsets().clone();
    let map = MapArray::try_new(entries.clone(), offsets, content, None, *sorted)?;
    Ok(Arc::new(map))
}

/// Keys and values as declared; where a value may not be NULL, one that is becomes empty.
fn pairs(map: &MapArray, fields: &Fields) -> Result<Vec<ArrayRef>> {
    let keys = compute::cast(map.keys(), fields[0].data_type())?;
    let values = match fields[1].is_nullable() || map.values().null_count() == 0 {
        true => map.values().clone(),
        false => {
            let values = map.values().as_binary::<i32>().iter();
            Arc::new(BinaryArray::from_iter_values(values.map(Option::unwrap_or_default)))
        }
    };
    Ok(vec![keys, compute::cast(&values, fields[1].data_type())?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use bytes::Bytes;

    fn batch() -> RawBatch {
        RawBatch::from_buffer(Bytes::from_static(b"ab"), &[(0..1, 7), (1..2, 9)])
    }
    fn show(key: &str, ty: DataType) -> String {
        let split = SplitId::new("a-topic-00012");
        let column = column(key, &split, &batch(), &[1, 0, 1]).unwrap();
        let column = as_declared(column, &ty).unwrap();
        assert_eq!(*column.data_type(), ty);
        let shown = arrow::util::display::array_value_to_string;
        (0..3).map(|row| shown(&column, row).unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn records_say_where_they_are_from() {
        assert_eq!(show("offset", DataType::Int64), "9 7 9");
        assert_eq!(show("topic", DataType::Utf8), "a-topic a-topic a-topic");
        assert_eq!(show("partition", DataType::Int32), "12 12 12");
        assert_eq!(show("leader-epoch", DataType::Int32), "  ");
        let none = "NoTimestampType";
        assert_eq!(show("timestamp-type", DataType::Utf8), [none; 3].join(" "));
        let pair = Fields::from(vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", DataType::Binary, false),
        ]);
        let entries = Field::new("entries", DataType::Struct(pair), false);
        assert_eq!(show("headers", DataType::Map(Arc::new(entries), false)), "{} {} {}");
    }

    #[test]
    fn records_given_again_are_from_where_they_were() {
        let origins = vec![(SplitId::new("t-3"), 70), (SplitId::new("u-4"), 90)];
        let batch = batch().given_again(&[5, -1], origins);
        let shown = |key: &str| {
            let column = column(key, &SplitId::replay(), &batch, &[1, 0]).unwrap();
            let text = arrow::util::display::array_value_to_string;
            format!("{} {}", text(&column, 0).unwrap(), text(&column, 1).unwrap())
        };
        assert_eq!(["offset", "partition", "topic"].map(shown), ["90 70", "4 3", "u t"]);
        assert_eq!((batch.timestamp(0), batch.offset(0)), (5, 7));
    }
}
