#!/usr/bin/env bash
# Every test of the workspace, in one optimised profile with assertions, against services that
# are started for this run alone and stopped whatever happens. Arguments go to cargo test.
set -euo pipefail
cd "$(dirname "$0")/.."

services=$(mktemp -d "${TMPDIR:-/tmp}/brooklet-test.XXXXXX")
finish() {
  local code=$?
  trap - EXIT INT TERM
  scripts/services.sh down "$services" || true
  if [ $code = 0 ]; then
    rm -rf "$services"
  else
    echo "test: failed with code $code; logs of the services are in $services/logs" >&2
  fi
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

# All targets at once: the tests and the binary that they start share their dependencies.
cargo build --workspace --all-targets --profile checked
scripts/services.sh up "$services"
# shellcheck disable=SC1091
. "$services/env"
cargo test --workspace --profile checked --no-fail-fast "$@"
