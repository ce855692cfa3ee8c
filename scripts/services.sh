#!/usr/bin/env bash
# Kafka, Postgres, an S3 server and a schema registry for tests: real ones, on loopback and free
# ports, without containers. Everything they write is below DIR; nothing is shared with another DIR.
#
#   services.sh install          fetch what is missing (up does it too)
#   services.sh up DIR [NAME...] start all or some, wait until each answers, write DIR/env
#   services.sh env DIR          print the environment, one export a line
#   services.sh stop|start|restart|kill DIR NAME...    one of kafka, postgres, s3, registry, data kept
#   services.sh status DIR       which of them run
#   services.sh down DIR         stop all and delete their data; logs stay in DIR/logs
#
# Kafka and the registry (Apicurio) come from Maven Central, Postgres and Java from the distribution,
# the S3 server (versitygw) from the Go module proxy, packages for functions in Python from PyPI;
# downloads are kept in $BROOKLET_CACHE.
set -euo pipefail

KAFKA_VERSION=4.1.1
VERSITYGW_VERSION=v1.8.0
# The newest that Java 17 runs.
REGISTRY_VERSION=3.0.9
# Another number when install_python installs other packages.
PYTHON_PACKAGES=1
CACHE=${BROOKLET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/brooklet-services}
NAMES="kafka postgres s3 registry"
# Seconds that one service may take to answer on a busy machine.
PATIENCE=120

say() { echo "services: $*" >&2; }
die() { say "$*"; exit 1; }

# ---------------------------------------------------------------- install

# need COMMAND PACKAGE: installs a distribution's package when the command is missing.
need() {
  command -v "$1" >/dev/null && return
  packages "$2" "$1 is missing"
}

# packages NAME WHY: apt-get install, with one look for newer lists.
packages() {
  [ "$(id -u)" = 0 ] || die "$2; install the package $1"
  command -v apt-get >/dev/null || die "$2; install what other systems call Debian's $1"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends)
  say "$2: installing $1"
  "${install[@]}" "$1" >/dev/null 2>&1 ||
    { apt-get update >/dev/null && "${install[@]}" "$1" >/dev/null; } || die "cannot install $1"
}

# Newest installed Postgres; its programs are not on PATH in Debian.
postgres_bin() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -1) || true
  [ -n "$found" ] || found=$(command -v initdb || true)
  [ -n "$found" ] && dirname "$found"
}

install_kafka() {
  local jars=$CACHE/kafka-$KAFKA_VERSION
  [ -d "$jars" ] && return
  need mvn maven
  local work
  work=$(mktemp -d "$CACHE/kafka.XXXXXX")
  sed "s/@VERSION@/$KAFKA_VERSION/" "$(dirname "$0")/kafka.pom.xml" >"$work/pom.xml"
  say "fetching Kafka $KAFKA_VERSION"
  mvn -B -q -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$work/jars" >&2 || die "cannot fetch Kafka's jars"
  mv "$work/jars" "$jars"
  rm -rf "$work"
}

install_registry() {
  local registry=$CACHE/registry-$REGISTRY_VERSION app=apicurio-registry-app
  [ -d "$registry" ] && return
  need mvn maven
  local work
  work=$(mktemp -d "$CACHE/registry.XXXXXX")
  say "fetching Apicurio Registry $REGISTRY_VERSION"
  mvn -B -q dependency:copy "-Dartifact=io.apicurio:$app:$REGISTRY_VERSION:tar.gz:all" \
    "-DoutputDirectory=$work" >&2 || die "cannot fetch the schema registry"
  mkdir "$work/registry"
  tar -xzf "$work/$app-$REGISTRY_VERSION-all.tar.gz" -C "$work/registry"
  mv "$work/registry" "$registry"
  rm -rf "$work"
}

install_versitygw() {
  [ -x "$CACHE/versitygw-$VERSITYGW_VERSION" ] && return
  need go golang-go
  say "building versitygw $VERSITYGW_VERSION"
  # The toolchain that its go.mod asks for comes from the module proxy as well.
  GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false GOBIN="$CACHE/go" \
    go install "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW_VERSION" 2>"$CACHE/go.log" ||
    { cat "$CACHE/go.log" >&2; die "cannot build versitygw"; }
  mv "$CACHE/go/versitygw" "$CACHE/versitygw-$VERSITYGW_VERSION"
}

# A Python with the packages that functions of the tests import.
install_python() {
  [ -x "$CACHE/python-$PYTHON_PACKAGES/bin/python" ] && return
  need python3 python3
  local made=$CACHE/python-$PYTHON_PACKAGES
  python3 -m venv "$made.new" 2>/dev/null ||
    { packages python3-venv "venv is missing" && python3 -m venv --clear "$made.new"; }
  say "fetching Python packages"
  "$made.new/bin/pip" install -q IP2Location==8.10.5 user-agents==2.2.0 ua-parser==0.18.0 pandas \
    >&2 || die "cannot fetch Python packages"
  mv "$made.new" "$made"
}

install_all() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock 9
  need java default-jre-headless
  [ -n "$(postgres_bin)" ] || packages postgresql "Postgres is missing"
  install_kafka
  install_registry
  install_versitygw
  install_python
  exec 9>&-
}

# ---------------------------------------------------------------- helpers

# A port that nobody listens on, below the range the kernel hands out to clients.
free_port() {
  local port
  while :; do
    port=$(shuf -i 15000-31000 -n 1)
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# A value drawn once for DIR and kept over restarts: fixed DIR NAME COMMAND...
fixed() {
  local file=$1/state/$2
  [ -s "$file" ] || "${@:3}" >"$file"
  cat "$file"
}

# Started in a session of its own: neither Ctrl-C in a test nor a closed pipe reaches it. A lock
# that the caller holds by an open file would be held as long as the service runs.
spawn() {
  local dir=$1 name=$2
  shift 2
  [ ! -f "$dir/logs/$name.log" ] || mv "$dir/logs/$name.log" "$dir/logs/$name.previous.log"
  (
    for fd in /proc/self/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
    exec setsid "$@" </dev/null >"$dir/logs/$name.log" 2>&1
  ) &
  echo $! >"$dir/state/$name.pid"
}

# The pid of a service if it runs. A number that the kernel gave to another program since then
# does not count: ours has DIR in its command line.
pid_of() {
  local dir=$1 name=$2 pid
  [ -s "$dir/state/$name.pid" ] || return 1
  pid=$(head -1 "$dir/state/$name.pid")
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$dir/" && echo "$pid"
}

# wait_for DIR NAME COMMAND...: until the command succeeds or the service is gone.
wait_for() {
  local dir=$1 name=$2 deadline=$((SECONDS + PATIENCE))
  shift 2
  until "$@" >/dev/null 2>&1; do
    # By its number alone: until it has started, its command line is still this script's.
    if [ $SECONDS -ge $deadline ] || ! [ -e "/proc/$(cat "$dir/state/$name.pid")" ]; then
      tail -20 "$dir/logs/$name.log" >&2
      die "$name does not answer; its log is $dir/logs/$name.log"
    fi
    sleep 0.1
  done
}

# Postgres refuses to run as root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

# ---------------------------------------------------------------- kafka

KAFKA_JAVA=(java -Xms128m -Xmx512m -XX:+UseSerialGC -cp "$CACHE/kafka-$KAFKA_VERSION/*"
  -Dorg.slf4j.simpleLogger.defaultLogLevel=warn
  -Dorg.slf4j.simpleLogger.showDateTime=true
  -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info)

# Old event times must not be deleted by age, one node holds every replica, and a killed broker
# may come back soon. The listener LOGIN speaks TLS and wants a password.
kafka_properties() {
  local dir=$1 port=$2 controller=$3 login=$4 modules=org.apache.kafka.common.security
  local listeners=PLAINTEXT://127.0.0.1:$port,LOGIN://127.0.0.1:$login
  cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=$listeners,CONTROLLER://127.0.0.1:$controller
advertised.listeners=$listeners
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config=$modules.plain.PlainLoginModule required \\
  user_brooklet="$(cat "$dir/state/kafka.password")";
listener.name.login.scram-sha-512.sasl.jaas.config=$modules.scram.ScramLoginModule required;
listener.name.login.ssl.keystore.type=PKCS12
listener.name.login.ssl.keystore.location=$dir/state/kafka.p12
listener.name.login.ssl.keystore.password=$(cat "$dir/state/kafka.password")
log.dirs=$dir/kafka
log.retention.ms=-1
log.message.timestamp.after.max.ms=9223372036854775807
auto.create.topics.enable=false
num.partitions=1
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
EOF
}

# A key for TLS, and its certificate as PEM for clients to trust.
kafka_certificate() {
  local dir=$1 state=$1/state store
  [ ! -s "$state/kafka.pem" ] || return 0
  store=(-alias kafka -keystore "$state/kafka.p12" -storetype PKCS12
    -storepass:file "$state/kafka.password")
  keytool -genkeypair "${store[@]}" -keyalg EC -validity 3650 -dname CN=kafka \
    -ext san=ip:127.0.0.1 >"$dir/logs/kafka.certificate.log" 2>&1 &&
    keytool -exportcert "${store[@]}" -rfc -file "$state/kafka.pem" \
      >>"$dir/logs/kafka.certificate.log" 2>&1 ||
    { cat "$dir/logs/kafka.certificate.log" >&2; exit 1; }
}

cluster_id() { head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c 1-22; }

start_kafka() {
  local dir=$1 port controller login password properties=$1/state/kafka.properties
  port=$(fixed "$dir" kafka.port free_port)
  controller=$(fixed "$dir" kafka.controller free_port)
  login=$(fixed "$dir" kafka.login free_port)
  password=$(fixed "$dir" kafka.password secret)
  kafka_certificate "$dir"
  kafka_properties "$dir" "$port" "$controller" "$login" >"$properties"
  if [ ! -f "$dir/kafka/meta.properties" ]; then
    mkdir -p "$dir/kafka"
    "${KAFKA_JAVA[@]}" kafka.tools.StorageTool format -t "$(cluster_id)" -c "$properties" \
      --add-scram "SCRAM-SHA-512=[name=brooklet,password=$password]" \
      >"$dir/logs/kafka.format.log" 2>&1 || { cat "$dir/logs/kafka.format.log" >&2; exit 1; }
  fi
  spawn "$dir" kafka "${KAFKA_JAVA[@]}" kafka.Kafka "$properties"
  wait_for "$dir" kafka grep -q 'Kafka Server started' "$dir/logs/kafka.log"
}

# ---------------------------------------------------------------- postgres

# The server's key and certificate, and the authority that clients trust.
postgres_certificate() {
  local dir=$1 to=$1/postgres key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  need openssl openssl
  {
    openssl req -x509 "${key[@]}" -keyout "$to/ca.key" -out "$dir/state/postgres.pem" -days 3650 \
      -subj '/CN=authority' &&
      openssl req "${key[@]}" -keyout "$to/server.key" -out "$to/server.csr" -subj '/CN=postgres' &&
      echo 'subjectAltName=IP:127.0.0.1' >"$to/server.ext" &&
      openssl x509 -req -in "$to/server.csr" -CA "$dir/state/postgres.pem" -CAkey "$to/ca.key" \
        -CAcreateserial -CAserial "$to/serial" -extfile "$to/server.ext" -days 3650 \
        -out "$to/server.crt"
  } >"$dir/logs/postgres.certificate.log" 2>&1 ||
    { cat "$dir/logs/postgres.certificate.log" >&2; exit 1; }
  chmod 600 "$to/server.key"
}

init_postgres() {
  local dir=$1 bin=$2
  mkdir -p "$dir/postgres"
  fixed "$dir" postgres.password secret >"$dir/postgres/password"
  postgres_certificate "$dir"
  if [ "$(id -u)" = 0 ]; then
    chmod 755 "$dir"
    chown -R postgres "$dir/postgres"
    as_postgres test -w "$dir/postgres" ||
      die "user postgres cannot reach $dir; choose a directory that others may enter, as in /tmp"
  fi
  as_postgres "$bin/initdb" -D "$dir/postgres/data" -U brooklet -A scram-sha-256 \
    --pwfile="$dir/postgres/password" -E UTF8 --locale=C.UTF-8 --no-sync \
    >"$dir/logs/postgres.init.log" 2>&1 || { cat "$dir/logs/postgres.init.log" >&2; exit 1; }
  rm "$dir/postgres/password"
}

start_postgres() {
  local dir=$1 port bin run=()
  bin=$(postgres_bin)
  port=$(fixed "$dir" postgres.port free_port)
  [ -f "$dir/postgres/data/PG_VERSION" ] || init_postgres "$dir" "$bin"
  [ "$(id -u)" != 0 ] || run=(runuser -u postgres --)
  # No sync: tests end processes, never the machine.
  (cd / && spawn "$dir" postgres "${run[@]}" "$bin/postgres" -D "$dir/postgres/data" \
    -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories= \
    -c fsync=off -c max_connections=200 -c timezone=UTC \
    -c ssl=on -c ssl_cert_file="$dir/postgres/server.crt" -c ssl_key_file="$dir/postgres/server.key")
  wait_for "$dir" postgres grep -q 'ready to accept connections' "$dir/logs/postgres.log"
}

# ---------------------------------------------------------------- s3

# answers_http PORT PATH
answers_http() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
  read -r line <&3
  exec 3>&-
  case $line in *200*) return 0 ;; *) return 1 ;; esac
}

start_s3() {
  local dir=$1 port
  port=$(fixed "$dir" s3.port free_port)
  mkdir -p "$dir/s3"
  ROOT_ACCESS_KEY_ID=$(fixed "$dir" s3.access secret) \
    ROOT_SECRET_ACCESS_KEY=$(fixed "$dir" s3.secret secret) \
    spawn "$dir" s3 "$CACHE/versitygw-$VERSITYGW_VERSION" \
    --port "127.0.0.1:$port" --health /health --quiet posix "$dir/s3/"
  wait_for "$dir" s3 answers_http "$port" /health
}

# ---------------------------------------------------------------- registry

# What clients of Confluent's registry speak, below the registry's own interface.
REGISTRY_PATH=/apis/ccompat/v7

# Kept in a file of H2, which a kill must not leave behind what it has answered.
start_registry() {
  local dir=$1 port
  port=$(fixed "$dir" registry.port free_port)
  mkdir -p "$dir/registry"
  spawn "$dir" registry java -Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$port" -Dapicurio.storage.sql.kind=h2 \
    "-Dapicurio.datasource.url=jdbc:h2:file:$dir/registry/db;WRITE_DELAY=0" \
    -jar "$CACHE/registry-$REGISTRY_VERSION/apicurio-registry-app-$REGISTRY_VERSION-runner.jar"
  wait_for "$dir" registry answers_http "$port" "$REGISTRY_PATH/subjects"
}

# ---------------------------------------------------------------- commands

# stop DIR NAME SIGNAL: waits for the end, and insists after 20 s.
stop() {
  local dir=$1 name=$2 signal=$3 pid children
  pid=$(pid_of "$dir" "$name") || return 0
  # runuser stays as parent of Postgres and passes SIGTERM on, but not other signals.
  children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
  case $name-$(cat "/proc/$pid/comm") in
    postgres-runuser) [ -z "$children" ] || pid=${children%% *} ;;
  esac
  kill -"$signal" "$pid" 2>/dev/null || true
  local deadline=$((SECONDS + 20))
  while pid_of "$dir" "$name" >/dev/null; do
    if [ $SECONDS -ge $deadline ]; then
      kill -KILL "$pid" 2>/dev/null || true
      deadline=$((SECONDS + 20))
    fi
    sleep 0.05
  done
  rm -f "$dir/state/$name.pid"
}

stop_gently() {
  # Postgres: SIGINT ends sessions at once ("fast"), SIGTERM would wait for them.
  case $2 in postgres) stop "$1" "$2" INT ;; *) stop "$1" "$2" TERM ;; esac
}

env_kafka() {
  cat <<EOF
export BROOKLET_TEST_KAFKA=127.0.0.1:$(cat "$1/state/kafka.port")
export BROOKLET_TEST_KAFKA_LOGIN=127.0.0.1:$(cat "$1/state/kafka.login")
export BROOKLET_TEST_KAFKA_PASSWORD=$(cat "$1/state/kafka.password")
export BROOKLET_TEST_KAFKA_CA='$1/state/kafka.pem'
EOF
}

env_postgres() {
  local login=brooklet:$(cat "$1/state/postgres.password")
  echo "export BROOKLET_TEST_POSTGRES_CA='$1/state/postgres.pem'"
  echo "export BROOKLET_TEST_POSTGRES=postgres://$login@127.0.0.1:$(cat "$1/state/postgres.port")/postgres"
}

env_s3() {
  cat <<EOF
export BROOKLET_TEST_S3=http://127.0.0.1:$(cat "$1/state/s3.port")
export AWS_ENDPOINT=http://127.0.0.1:$(cat "$1/state/s3.port")
export AWS_ACCESS_KEY_ID=$(cat "$1/state/s3.access")
export AWS_SECRET_ACCESS_KEY=$(cat "$1/state/s3.secret")
export AWS_REGION=us-east-1
export AWS_ALLOW_HTTP=true
EOF
}

env_registry() {
  echo "export BROOKLET_TEST_REGISTRY=http://127.0.0.1:$(cat "$1/state/registry.port")$REGISTRY_PATH"
}

# write_env DIR NAME...
write_env() {
  local dir=$1 name
  shift
  (
    umask 077
    {
      echo "export BROOKLET_TEST_SERVICES='$dir'"
      for name in "$@"; do "env_$name" "$dir"; done
      echo "export BROOKLET_TEST_PYTHON='$CACHE/python-$PYTHON_PACKAGES/bin/python'"
    } >"$dir/env.new"
  )
  mv "$dir/env.new" "$dir/env"
}

start() {
  if pid_of "$1" "$2" >/dev/null; then return; fi
  "start_$2" "$1"
}

# up DIR NAME...
up() {
  local dir=$1 name pids=() failed=
  shift
  install_all
  for name in "$@"; do
    start "$dir" "$name" &
    pids+=($!)
  done
  for name in "${pids[@]}"; do wait "$name" || failed=1; done
  if [ -n "$failed" ]; then
    down "$dir"
    die "not all services started; logs are in $dir/logs"
  fi
  write_env "$dir" "$@"
}

down() {
  local dir=$1 name
  for name in $NAMES; do stop_gently "$dir" "$name" & done
  wait
  rm -rf "$dir/kafka" "$dir/postgres" "$dir/s3" "$dir/registry" "$dir/state" "$dir/env"
}

command=${1:-}
case $command in
  install) install_all; exit ;;
  up | down | env | status | stop | start | restart | kill) ;;
  *) sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
[ -n "${2:-}" ] || die "$command needs a directory"
[ "$command" != up ] || mkdir -p "$2"
[ -d "$2" ] || die "$2 is not a directory"
dir=$(cd "$2" && pwd)
[ "$command" != up ] || (umask 077 && mkdir -p "$dir/state") && mkdir -p "$dir/logs"
shift 2
for name in "$@"; do
  case " $NAMES " in *" $name "*) ;; *) die "no service is called $name: $NAMES" ;; esac
done
case $command in
  up)
    # shellcheck disable=SC2086
    if [ $# -gt 0 ]; then up "$dir" "$@"; else up "$dir" $NAMES; fi
    ;;
  down) down "$dir" ;;
  env) cat "$dir/env" ;;
  status)
    for name in $NAMES; do
      if pid_of "$dir" "$name" >/dev/null; then echo "$name runs"; else echo "$name is down"; fi
    done
    ;;
  *)
    [ $# -gt 0 ] || die "$command needs a service: $NAMES"
    for name in "$@"; do
      case $command in
        start) start "$dir" "$name" ;;
        stop) stop_gently "$dir" "$name" ;;
        restart) stop_gently "$dir" "$name"; start "$dir" "$name" ;;
        kill) stop "$dir" "$name" KILL ;;
      esac
    done
    ;;
esac
