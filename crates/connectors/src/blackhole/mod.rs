//! `'connector' = 'blackhole'`: takes every change and keeps nothing, for measuring.

use async_trait::async_trait;
use brooklet_core::connector::{Accepts, Boxed, Connector, Guarantee, SinkSide, SinkSpec};
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Epoch, Instance, Result, Sink};

pub const CONNECTOR: Connector = Connector {
    name: "blackhole",
    options: &[],
    metadata: &[],
    needs_format: false,
    check: brooklet_core::connector::unchecked,
    source: None,
    sink: Some(SinkSide {
        open,
        domain: |table| format!("blackhole {}", table.name),
        guarantee: Guarantee::AtLeastOnce,
        stages: false,
        keeps: false,
        replaces: false,
        accepts: |_| Accepts::Changes,
    }),
    lookup: None,
};

struct Blackhole;

fn open(_: SinkSpec) -> Boxed<Box<dyn Sink>> {
    Box::pin(async { Ok(Box::new(Blackhole) as Box<dyn Sink>) })
}

#[async_trait]
impl Sink for Blackhole {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(None)
    }
    async fn commit(&mut self, _: &[EpochOutput]) -> Result<()> {
        Ok(())
    }
}
