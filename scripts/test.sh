#!/usr/bin/env bash
# Every test of the workspace, in one optimised profile with assertions, against services that
# are started for this run alone. Arguments go to cargo test.
set -euo pipefail
cd "$(dirname "$0")/.."

# All targets at once: the tests and the binary that they start share their dependencies.
cargo build --workspace --all-targets --profile checked
exec scripts/with_services.sh cargo test --workspace --profile checked --no-fail-fast "$@"
