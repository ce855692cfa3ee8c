//! `brooklet explain FILE…`: the streaming plan as a tree, as JSON or as a graph for Graphviz.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use brooklet_core::{Error, Result};
use brooklet_plan::explain::line;
use brooklet_plan::{NodeOp, StreamPlan, explain};

use crate::files::compile_files;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A tree for each sink.
    Text,
    /// An array of nodes; inputs come before their readers.
    Json,
    /// For `dot -Tsvg`.
    Dot,
}

#[derive(clap::Args)]
pub struct Args {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub fn run(args: &Args) -> Result<()> {
    let compiled = compile_files(&args.files)?;
    let queries = compiled.selects.iter().chain(&compiled.explained);
    let plans = std::iter::once(&compiled.plan).chain(queries);
    let text: Vec<String> = plans
        .filter(|p| !p.nodes.is_empty())
        .map(|p| match args.format {
            Format::Text => explain::text(p),
            Format::Json => format!("{:#}\n", json(p)),
            Format::Dot => dot(p),
        })
        .collect();
    std::io::stdout()
        .write_all(text.join("\n").as_bytes())
        .map_err(|e| Error::outside("stdout").caused_by(e))
}

fn json(plan: &StreamPlan) -> Value {
    let node = |(id, node): (usize, &brooklet_plan::Node)| {
        let columns: Vec<&String> = node.schema.fields().iter().map(|f| f.name()).collect();
        let name = |i: &usize| columns.get(*i).copied();
        json!({
            "id": id,
            "kind": node.op.name(),
            "label": node.label,
            "inputs": node.inputs,
            "what": line(plan, node),
            "columns": columns,
            "append_only": node.append_only,
            "key": node.key.as_ref().map(|key| key.iter().map(name).collect::<Vec<_>>()),
            // Text: JSON's numbers lose digits of 64 bits.
            "fingerprint": format!("{:016x}", node.fingerprint),
        })
    };
    plan.nodes.iter().enumerate().map(node).collect()
}

fn dot(plan: &StreamPlan) -> String {
    let mut out = String::from("digraph plan {\n  rankdir=BT; node [shape=box];\n");
    for (id, node) in plan.nodes.iter().enumerate() {
        let title = match &node.op {
            NodeOp::Scan(_) | NodeOp::Sink(_) => format!("{} {}", node.op.name(), node.label),
            _ => node.op.name().to_string(),
        };
        // Text of one node that is longer than this makes the picture unreadable.
        let what: String = line(plan, node).chars().take(120).collect();
        let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let _ =
            writeln!(out, "  n{id} [label=\"{}\", tooltip=\"{}\"];", escape(&title), escape(&what));
        for input in &node.inputs {
            let _ = writeln!(out, "  n{input} -> n{id};");
        }
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::compile_text;

    #[test]
    fn every_node_and_edge_is_told() {
        let text = "CREATE TABLE t (id INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
            CREATE TABLE \"s\" (id INT, n BIGINT) WITH ('connector' = 'blackhole');
            INSERT INTO s SELECT id, COUNT(*) FROM t GROUP BY id;";
        let plan = compile_text(None, &text.replace('"', "`")).unwrap().plan;
        let edges: usize = plan.nodes.iter().map(|n| n.inputs.len()).sum();
        let nodes = json(&plan);
        let nodes = nodes.as_array().unwrap();
        assert_eq!(nodes.len(), plan.nodes.len());
        assert_eq!(nodes[0]["kind"], "Scan");
        let inputs = |n: &Value| n["inputs"].as_array().unwrap().len();
        assert_eq!(nodes.iter().map(inputs).sum::<usize>(), edges);
        let picture = dot(&plan);
        assert_eq!(picture.matches(" -> ").count(), edges);
        assert_eq!(picture.matches("[label=").count(), plan.nodes.len());
    }
}
