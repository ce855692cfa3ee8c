#!/usr/bin/env bash
# with_services.sh COMMAND...: runs a command with services that are started for it alone and
# stopped whatever happens; the command finds them by its environment.
set -euo pipefail
cd "$(dirname "$0")/.."

services=$(mktemp -d "${TMPDIR:-/tmp}/brooklet-services.XXXXXX")
finish() {
  local code=$?
  trap - EXIT INT TERM
  scripts/services.sh down "$services" || true
  if [ $code = 0 ]; then
    rm -rf "$services"
  else
    echo "failed with code $code; logs of the services are in $services/logs" >&2
  fi
  exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

scripts/services.sh up "$services"
# shellcheck disable=SC1091
. "$services/env"
"$@"
