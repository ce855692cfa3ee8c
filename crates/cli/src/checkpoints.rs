//! `brooklet checkpoints list|show FILE`: what is stored of a pipeline's state.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use brooklet_core::{Epoch, Error, Result};
use brooklet_engine::checkpoint::manifest::Manifest;
use brooklet_engine::checkpoint::snapshot;
use brooklet_engine::checkpoint::store::Store;
use brooklet_pipeline::start::{location, open_store};

use crate::files::compile_files;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One line per snapshot, newest last.
    List { file: PathBuf },
    /// Positions and tables of a snapshot; the newest without an epoch.
    Show { file: PathBuf, epoch: Option<u64> },
}

pub async fn run(args: Args) -> Result<()> {
    let (file, epoch, is_list) = match args.what {
        What::List { file } => (file, None, true),
        What::Show { file, epoch } => (file, epoch, false),
    };
    let compiled = compile_files(&[file])?;
    let location = location(&compiled.settings, &compiled.name, &compiled.base);
    let store = open_store(&location, &brooklet_pipeline::world::real()).await?;
    let instances = store.list("instances/").await?;
    let Some(root) = instances.last().and_then(|n| n.rsplit('/').next()) else {
        return Err(Error::config(format!("there is no state in {location}")));
    };
    let epochs = snapshot::list(store.as_ref(), root).await?;
    let text = match is_list {
        true => list(store.as_ref(), root, &epochs).await?,
        false => {
            let epoch = epoch.map(Epoch).or(epochs.last().copied());
            let epoch =
                epoch.ok_or_else(|| Error::config("there is no snapshot yet".to_string()))?;
            show(&snapshot::read_manifest(store.as_ref(), root, epoch).await?)
        }
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| Error::outside("stdout").caused_by(e))
}

async fn list(store: &dyn Store, root: &str, epochs: &[Epoch]) -> Result<String> {
    let mut text = String::from("epoch\ttaken_at_ms\tbytes\ttables\tshards\tfinished\n");
    for epoch in epochs {
        let line = match snapshot::read_manifest(store, root, *epoch).await {
            Ok(m) => format!(
                "{}\t{}\t{}\t{}\t{}\t{}\n",
                m.epoch,
                m.taken_at,
                m.bytes(),
                m.tables.len(),
                m.shards,
                m.finished
            ),
            Err(e) => format!("{epoch}\t{e}\n"),
        };
        text.push_str(&line);
    }
    Ok(text)
}

fn show(manifest: &Manifest) -> String {
    let mut text = format!("epoch {}, {} bytes\n", manifest.epoch, manifest.bytes());
    for (table, scan) in &manifest.ingest.scans {
        text.push_str(&format!("source {table}: {} records read\n", scan.counts.read));
        for (split, state) in &scan.splits {
            text.push_str(&format!("  {split} at {}\n", state.position));
        }
    }
    for node in &manifest.nodes {
        let of_node = manifest.tables.iter().filter(|(id, _)| id.fingerprint == node.fingerprint);
        let refs = of_node.flat_map(|(_, refs)| refs);
        let bytes: u64 = refs.map(|r| r.length).sum();
        if bytes > 0 {
            text.push_str(&format!("{} {}: {bytes} bytes\n", node.kind, node.label));
        }
    }
    text
}
