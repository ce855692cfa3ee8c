//! Who may depend on whom, read from Cargo's own metadata.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Fault;
use super::limits::{CORE_USES, LAYERS, UNKNOWN_TO};

pub fn check(root: &Path) -> Vec<Fault> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root);
    let out = cargo.output().expect("cargo runs, it started this program");
    assert!(out.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&out.stderr));
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo writes JSON");
    packages(&metadata)
}

/// Faults of all packages of the workspace.
pub fn packages(metadata: &Value) -> Vec<Fault> {
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    let mut faults = Vec::new();
    for package in packages {
        let name = short(package["name"].as_str().expect("packages have names"));
        let dependencies = package["dependencies"].as_array().expect("a list");
        for dependency in dependencies {
            let used = dependency["name"].as_str().expect("dependencies have names");
            let dev = dependency["kind"].as_str() == Some("dev");
            if let Some(message) = refusal(name, used, dev) {
                let folder = if name == "xtask" { "" } else { "crates/" };
                let path = format!("{folder}{name}/Cargo.toml");
                faults.push(Fault { path, line: 0, message });
            }
        }
    }
    faults
}

/// The folder's name of a package of ours.
fn short(package: &str) -> &str {
    match package {
        "brooklet" => "cli",
        other => other.strip_prefix("brooklet-").unwrap_or(other),
    }
}

/// Why package `name` must not use `used`.
fn refusal(name: &str, used: &str, dev: bool) -> Option<String> {
    let ours = used == "brooklet" || used.starts_with("brooklet-");
    if dev {
        return None;
    }
    if ours {
        let used = short(used);
        let Some((_, allowed)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
            return Some(format!("{name} has no place in LAYERS yet"));
        };
        if used == "testkit" && !allowed.contains(&used) {
            return Some("testkit is for dev-dependencies only".into());
        }
        let up = format!("{name} must not depend on {used}: arrows point down only");
        return (!allowed.contains(&used)).then_some(up);
    }
    if name == "core" && !CORE_USES.contains(&used) {
        return Some(format!("core uses Arrow and little else, not {used}"));
    }
    let unknown = UNKNOWN_TO.iter().find(|(layer, list, _)| *layer == name && list.contains(&used));
    unknown.map(|(_, _, reason)| format!("{name} must not depend on {used}: {reason}"))
}
