#!/usr/bin/env bash
# Installs what the build needs and is missing, builds a release, runs `brooklet demo`. Arguments
# go to the demo: `scripts/demo.sh --events 100000`.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "demo: $*" >&2; exit 1; }

command -v cargo >/dev/null || die "cargo is missing: install Rust, for example from https://rustup.rs"

# For librdkafka, which is built from its C source.
missing=()
header() { echo "#include <$1>" | cc -E - >/dev/null 2>&1 || missing+=("$2"); }
command -v cc >/dev/null && command -v c++ >/dev/null && command -v make >/dev/null ||
  missing+=(build-essential)
command -v pkg-config >/dev/null || missing+=(pkg-config)
header openssl/ssl.h libssl-dev
header zlib.h zlib1g-dev
if [ ${#missing[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
    die "install what Debian calls ${missing[*]}, then run this again"
  echo "demo: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
    { apt-get update >/dev/null &&
      apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null; } ||
    die "cannot install ${missing[*]}"
fi

# The whole workspace, as `make bench` builds it: another selection would build much anew.
echo "demo: building; the first time takes a while" >&2
cargo build --workspace --bins --release
exec "${CARGO_TARGET_DIR:-target}/release/brooklet" demo "$@"
