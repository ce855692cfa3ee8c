#!/usr/bin/env bash
# Asks a real Flink: the expectations of tests/oracle come from here, never from a person.
#
#   oracle.sh install           fetch Flink and compile the program that asks it (the others do too)
#   oracle.sh ask FILE.sql...   print what Flink answers, one JSON object a line
#   oracle.sh write FILE.sql... write the answers beside the files, as FILE.jsonl
#   oracle.sh jars              print the class path
#
# Flink comes from flink.sh; it wants a JDK. What is compiled is kept in $BROOKLET_CACHE.
set -euo pipefail

CACHE=${BROOKLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/brooklet-services}
HERE=$(cd "$(dirname "$0")" && pwd)
DATA=$HERE/../tests/oracle/data

say() { echo "oracle: $*" >&2; }
die() { say "$*"; exit 1; }

class_path() {
  echo "$FLINK/lib/*:$FLINK/opt/*"
}

# The program, compiled once for each text of it.
compiled() {
  local sum
  sum=$(sha256sum "$HERE/oracle/Oracle.java" | cut -c1-16)
  local classes=$CACHE/oracle-$sum
  if [ ! -d "$classes" ]; then
    local work
    work=$(mktemp -d "$CACHE/oracle.XXXXXX")
    javac -cp "$(class_path)" -d "$work" "$HERE/oracle/Oracle.java" >&2 || die "javac failed"
    mv "$work" "$classes"
  fi
  echo "$classes"
}

install() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/oracle.lock"
  flock 9
  command -v javac >/dev/null || die "a JDK is missing: install Debian's default-jdk-headless"
  FLINK=$("$HERE/flink.sh" home)
  CLASSES=$(compiled)
  exec 9>&-
}

run() {
  java -Xmx1500m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
    --add-opens=java.base/java.time=ALL-UNNAMED \
    -Dlog4j2.level=OFF -Dlog4j.configurationFile="$HERE/oracle/log4j2.properties" \
    -cp "$CLASSES:$(class_path)" Oracle "$@"
}

case ${1:-} in
install) install ;;
jars) install; class_path ;;
ask) shift; install; run "$DATA" "$@" ;;
write) shift; install; run --write "$DATA" "$@" ;;
*) sed -n '2,/^set/p' "$0" | sed '$d;s/^# \{0,1\}//' >&2; exit 2 ;;
esac
