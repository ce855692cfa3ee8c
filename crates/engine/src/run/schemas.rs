//! Asks registries for the schemas that an input's records name, before they are decoded.

use std::collections::BTreeSet;

use brooklet_core::Result;
use brooklet_core::schemas::{Found, Part, Schemas, WriterSchema};
use brooklet_core::source::{Input, Payload};

/// So many unknown schemas of one scan are asked for in one epoch. Topics have a few; numbers that
/// are no schemas at all must not hold the pipeline up for long.
const MAX_ASKED: usize = 1_000;

/// The registries of one scan's records, by the part that names the schemas.
#[derive(Default)]
pub struct Registries(pub Vec<(Part, Box<dyn Schemas>)>);

impl Registries {
    /// An error when one of them does not answer.
    pub async fn reach(&self) -> Result<()> {
        for (_, registry) in &self.0 {
            registry.reach().await?;
        }
        Ok(())
    }

    /// What the registries say about schemas that the input names beside the known ones.
    pub async fn learn(&self, input: &Input, known: &[WriterSchema]) -> Result<Vec<WriterSchema>> {
        let mut learnt = Vec::new();
        for (part, registry) in &self.0 {
            let mut ids = named(registry.as_ref(), *part, input);
            for known in known.iter().filter(|known| known.part == *part) {
                ids.remove(&known.id);
            }
            for (asked, id) in ids.into_iter().enumerate() {
                let found = match asked < MAX_ASKED {
                    true => registry.fetch(id).await?,
                    false => Found::Missing(beyond(id).into()),
                };
                learnt.push(WriterSchema { id, part: *part, found });
            }
        }
        Ok(learnt)
    }
}

fn beyond(id: u32) -> String {
    format!(
        "schema {id} was not asked for: the records of one epoch name more than {MAX_ASKED} \
         unknown schemas"
    )
}

fn named(registry: &dyn Schemas, part: Part, input: &Input) -> BTreeSet<u32> {
    let mut ids = BTreeSet::new();
    for split in &input.splits {
        if let Payload::Raw(raw) = &split.payload {
            match part {
                Part::Value => registry.named(raw, &mut ids),
                Part::Key => raw.keys(0..raw.len(), |keys| registry.named(keys, &mut ids)),
            }
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use brooklet_core::Error;
    use brooklet_core::raw::RawBatch;
    use brooklet_core::source::{SplitId, SplitInput, SplitRange};
    use bytes::Bytes;

    use super::*;

    /// Records are the number of their schema, in two bytes. Schema 9 cannot be asked for.
    #[derive(Default)]
    struct TwoBytes {
        asked: Arc<Mutex<Vec<u32>>>,
    }

    #[async_trait]
    impl Schemas for TwoBytes {
        async fn reach(&self) -> Result<()> {
            Ok(())
        }
        fn named(&self, batch: &RawBatch, to: &mut BTreeSet<u32>) {
            let values = (0..batch.len()).filter_map(|i| batch.value(i));
            to.extend(values.map(|value| u32::from(u16::from_be_bytes([value[0], value[1]]))));
        }
        async fn fetch(&self, id: u32) -> Result<Found> {
            self.asked.lock().unwrap().push(id);
            match id {
                9 => Err(Error::outside("no answer")),
                id => Ok(Found::Schema(format!("schema {id}").into())),
            }
        }
    }

    fn records(ids: &[u16]) -> RawBatch {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_be_bytes()).collect();
        let ranges: Vec<_> = (0..ids.len()).map(|i| (2 * i..2 * i + 2, i as i64)).collect();
        RawBatch::from_buffer(Bytes::from(bytes), &ranges)
    }

    fn input(batches: Vec<RawBatch>) -> Input {
        let split = |raw: RawBatch| SplitInput {
            range: SplitRange { split: SplitId::new("s"), from: 0, to: raw.len() as i64 },
            payload: Payload::Raw(raw),
            caught_up: true,
        };
        Input { splits: batches.into_iter().map(split).collect(), ended: false }
    }

    fn learn(input: &Input, known: &[WriterSchema]) -> (Result<Vec<WriterSchema>>, Vec<u32>) {
        let registry = TwoBytes::default();
        let asked = registry.asked.clone();
        let registries = Registries(vec![(Part::Value, Box::new(registry))]);
        let learnt = futures::executor::block_on(registries.learn(input, known));
        let asked = asked.lock().unwrap().clone();
        (learnt, asked)
    }

    #[test]
    fn each_unknown_schema_of_all_splits_is_asked_for_once() {
        let known =
            WriterSchema { id: 3, part: Part::Value, found: Found::Schema("from before".into()) };
        let (learnt, asked) = learn(&input(vec![records(&[5, 3, 5]), records(&[4, 5])]), &[known]);
        assert_eq!(asked, [4, 5]);
        let ids: Vec<u32> = learnt.unwrap().iter().map(|s| s.id).collect();
        assert_eq!(ids, [4, 5]);
    }

    #[test]
    fn a_schema_of_keys_is_not_one_of_values() {
        let known =
            WriterSchema { id: 1, part: Part::Value, found: Found::Schema("of values".into()) };
        let keys = Bytes::from_static(&[0, 1, 0, 2]);
        let raw = records(&[1, 1]).with_keys(keys, &[Some(0..2), Some(2..4)]);
        let both: Vec<(Part, Box<dyn Schemas>)> = vec![
            (Part::Key, Box::new(TwoBytes::default())),
            (Part::Value, Box::new(TwoBytes::default())),
        ];
        let learnt =
            futures::executor::block_on(Registries(both).learn(&input(vec![raw]), &[known]));
        let named: Vec<_> = learnt.unwrap().iter().map(|s| (s.part, s.id)).collect();
        assert_eq!(named, [(Part::Key, 1), (Part::Key, 2)]);
    }

    #[test]
    fn numbers_that_are_no_schemas_are_not_asked_for_without_end() {
        let ids: Vec<u16> = (1_000..3_000).collect();
        let (learnt, asked) = learn(&input(vec![records(&ids)]), &[]);
        assert_eq!(asked.len(), MAX_ASKED);
        let missing =
            learnt.unwrap().into_iter().filter(|s| matches!(s.found, Found::Missing(_))).count();
        assert_eq!(missing, ids.len() - MAX_ASKED);
    }

    #[test]
    fn without_an_answer_nothing_is_learnt() {
        let (learnt, _) = learn(&input(vec![records(&[8, 9])]), &[]);
        assert!(learnt.unwrap_err().retry);
    }
}
