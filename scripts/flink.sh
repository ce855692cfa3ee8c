#!/usr/bin/env bash
# A real Flink: its jars, and its processes as a standalone session cluster.
#
#   flink.sh install            fetch what is missing (the others do too)
#   flink.sh home               print where Flink's own lib/ and opt/ are; fetches those alone
#   flink.sh jobmanager CONF    run one of its processes in this one's place, with the config.yaml
#   flink.sh taskmanager CONF   in the directory CONF; the JVM's options are those that Flink's own
#   flink.sh gateway CONF       calculation gives for the memory that stands there
#
# Flink comes from PyPI (the jars of apache-flink-libraries), its Kafka connector and SQL gateway
# from Maven Central; downloads are kept in $BROOKLET_CACHE.
set -euo pipefail

FLINK_VERSION=2.3.0
# The newest there is; Flink's connectors have releases of their own.
CONNECTOR_VERSION=5.0.0-2.2
CACHE=${BROOKLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/brooklet-services}
HERE=$(cd "$(dirname "$0")" && pwd)
FLINK=$CACHE/flink-$FLINK_VERSION
MORE=$CACHE/flink-$FLINK_VERSION-connector-$CONNECTOR_VERSION

say() { echo "flink: $*" >&2; }
die() { say "$*"; exit 1; }

# As the distribution's own config.yaml opens them to Flink.
OPENED="java.lang java.lang.reflect java.net java.io java.nio java.text java.time java.util
  java.util.concurrent java.util.concurrent.atomic java.util.concurrent.locks sun.nio.ch"

install_flink() {
  [ -d "$FLINK" ] && return
  local work
  work=$(mktemp -d "$CACHE/flink.XXXXXX")
  say "fetching Flink $FLINK_VERSION"
  python3 -m pip download -q --no-deps --no-build-isolation -d "$work" \
    "apache-flink-libraries==$FLINK_VERSION" >&2 || die "cannot fetch Flink's jars"
  tar -xzf "$work"/apache_flink_libraries-*.tar.gz -C "$work"
  mv "$work"/apache_flink_libraries-*/deps "$FLINK"
  rm -rf "$work"
}

install_connector() {
  [ -d "$MORE" ] && return
  command -v mvn >/dev/null || die "mvn is missing: install Debian's maven"
  local work artifact
  work=$(mktemp -d "$CACHE/flink.XXXXXX")
  for artifact in "flink-sql-connector-kafka:$CONNECTOR_VERSION" "flink-sql-gateway:$FLINK_VERSION"
  do
    say "fetching $artifact"
    mvn -B -q dependency:copy "-Dartifact=org.apache.flink:$artifact" "-DoutputDirectory=$work" \
      >&2 || die "cannot fetch $artifact"
  done
  mv "$work" "$MORE"
}

# install PART...
install() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/flink.lock"
  flock 9
  for part in "$@"; do "install_$part"; done
  exec 9>&-
}

# What Flink's own scripts ask: parameters WHAT CONF gives the JVM's options, then the program's.
parameters() {
  java -cp "$FLINK/bin/bash-java-utils.jar:$FLINK/lib/*" \
    org.apache.flink.runtime.util.bash.BashJavaUtils "$1" --configDir "$2" |
    sed -n 's/^BASH_JAVA_UTILS_EXEC_RESULT://p'
}

# process CONF CLASS JVM_OPTIONS ARGUMENTS: in place of this one.
process() {
  local conf=$1 class=$2 jvm arguments opens=() package
  read -ra jvm <<<"$3"
  read -ra arguments <<<"$4"
  for package in $OPENED; do opens+=("--add-opens=java.base/$package=ALL-UNNAMED"); done
  FLINK_CONF_DIR=$conf exec java "${jvm[@]}" "${opens[@]}" \
    -Dlog4j.configurationFile="$HERE/flink/log4j2.properties" \
    -cp "$FLINK/lib/*:$MORE/*:$FLINK/opt/flink-sql-client-$FLINK_VERSION.jar" \
    "$class" "${arguments[@]}"
}

# cluster CONF WHAT CLASS JVM_OPTIONS ARGUMENTS: with the memory that Flink calculates.
cluster() {
  local lines
  readarray -t lines < <(parameters "$2" "$1")
  [ ${#lines[@]} = 2 ] || die "Flink cannot divide the memory of $1/config.yaml"
  process "$1" "$3" "$4 ${lines[0]}" "--configDir $1 $5 ${lines[1]}"
}

case ${1:-}-$# in
install-1) install flink connector ;;
home-1) install flink; echo "$FLINK" ;;
jobmanager-2)
  cluster "$2" GET_JM_RESOURCE_PARAMS \
    org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint "" \
    "--executionMode cluster"
  ;;
taskmanager-2)
  cluster "$2" GET_TM_RESOURCE_PARAMS \
    org.apache.flink.runtime.taskexecutor.TaskManagerRunner -XX:+UseG1GC ""
  ;;
gateway-2) process "$2" org.apache.flink.table.gateway.SqlGateway -Xmx1g "" ;;
*) sed -n '2,/^set/p' "$0" | sed '$d;s/^# \{0,1\}//' >&2; exit 2 ;;
esac
