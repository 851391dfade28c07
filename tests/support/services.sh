#!/usr/bin/env bash
# Private PostgreSQL and Apache Kafka for the demo and the tests: free ports on 127.0.0.1, everything
# in one folder, gone when stopped. Several folders can run side by side.
#
#   services.sh start|stop|status [DIR]            DIR is build/services unless named
#   services.sh run [DIR] -- COMMAND...            start, run the command with DIR.env set, stop
#   services.sh ACTION-postgres [DIR]              ACTION: stop start kill pause resume
#   services.sh ACTION-kafka    [DIR]
#
# start   starts what is not running, waits until both answer, and writes DIR.env (KEY=VALUE lines:
#         UNIQD_BROKERS, UNIQD_POSTGRES, UNIQD_KAFKA_KIND=kafka|mock, UNIQD_SERVICES, UNIQD_SERVICES_DIR).
# stop    ends both and removes their data and DIR.env; the logs stay in DIR.
# run     leaves alone what ran before, and leaves all running with KEEP=1; where UNIQD_BROKERS and
#         UNIQD_POSTGRES are set already, it just runs the command. Its exit code is the command's.
# stop-X  ends one server cleanly; kill-X ends it at once (SIGKILL); start-X starts it again with the
#         same port and data; pause-X and resume-X freeze and thaw it.
# Every action may be repeated without harm.
#
# Kafka's jars are fetched once, by Maven, to ${XDG_CACHE_HOME:-~/.cache}/uniqd. Where they cannot be
# had, or with UNIQD_FORCE_MOCK=1, build/mock_broker (in memory, no restart) takes Kafka's place; with
# CI=true that is a failure instead.
#
# Exit codes: 0 done, 1 failed (the reason is on stderr), 2 usage, 3 the mock broker cannot do this.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
ready_within_s=90

say() { echo "services: $*" >&2; }
die() { say "$*"; exit 1; }

# ---------------------------------------------------------------------------------- state on disk

remember() {
  printf '%s=%q\n' pg_port "$pg_port" pg_password "$pg_password" pg_home "$pg_home" \
    kafka_kind "$kafka_kind" kafka_port "$kafka_port" controller_port "$controller_port" \
    >"$dir/state.new"
  mv "$dir/state.new" "$dir/state"
}

recall() {
  pg_port='' pg_password='' pg_home='' kafka_kind='' kafka_port='' controller_port=''
  # shellcheck source=/dev/null
  if [ -f "$dir/state" ]; then . "$dir/state"; fi
}

known() { [ -f "$dir/state" ] || die "nothing was started in $dir; run: $0 start $dir"; }

# Below the range from which the system hands out ports, so that it is still free after a restart.
free_port() {
  local port
  while true; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# True while process $1 runs a command line that contains $2; a recycled process id does not count.
runs() {
  [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF -- "$2"
}

wait_until_gone() {
  local pid=$1 what=$2 deadline=$((SECONDS + 30))
  while runs "$pid" "$what"; do
    if [ $SECONDS -ge $deadline ]; then
      say "process $pid does not end; killing it"
      kill -KILL "$pid" 2>/dev/null || true
      deadline=$((SECONDS + 30))
    fi
    sleep 0.1
  done
}

# ------------------------------------------------------------------------------------- PostgreSQL

pg_bin() {
  local bin
  bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  [ -n "$bin" ] || die "no PostgreSQL server under /usr/lib/postgresql; run: make packages"
  echo "$bin"
}

# PostgreSQL refuses to run as root.
as_pg() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else (cd / && "$@"); fi
}

pg_pid() { head -n 1 "$pg_home/data/postmaster.pid" 2>/dev/null || true; }
pg_runs() { [ -n "$pg_home" ] && runs "$(pg_pid)" "$pg_home/data"; }
pg_uri() { echo "postgresql://uniqd:$pg_password@127.0.0.1:$pg_port/uniqd"; }

# Data and socket are in a short folder in /tmp: user postgres may be unable to enter ours, and the
# path of a socket may have about 100 characters only.
pg_create() {
  pg_home=$(mktemp -d /tmp/uniqd-pg.XXXXXX)
  ln -sfn "$pg_home" "$dir/postgres"
  pg_port=$(free_port)
  pg_password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  remember
  chmod 755 "$pg_home"
  echo "$pg_password" >"$pg_home/password"
  if [ "$(id -u)" = 0 ]; then chown -R postgres: "$pg_home"; fi
  as_pg "$(pg_bin)/initdb" -D "$pg_home/data" -U uniqd --pwfile="$pg_home/password" \
    --auth=scram-sha-256 -E UTF8 --locale=C.UTF-8 >>"$dir/postgres.log" 2>&1 ||
    die "initdb failed; see $dir/postgres.log"
  rm -f "$pg_home/password"
  cat >>"$pg_home/data/postgresql.conf" <<EOF
listen_addresses = '127.0.0.1'
port = $pg_port
unix_socket_directories = '$pg_home'
max_connections = 200
shared_buffers = 256MB
max_wal_size = 4GB
log_line_prefix = '%m [%p] '
EOF
}

start_postgres() {
  if pg_runs; then return; fi
  if [ ! -f "$pg_home/data/PG_VERSION" ]; then pg_create; fi
  local try
  # After a kill the old backends may hold the shared memory for a moment longer.
  for try in 1 2 3 4 5; do
    as_pg "$(pg_bin)/pg_ctl" -D "$pg_home/data" -w -t $ready_within_s start \
      >>"$dir/postgres.log" 2>&1 </dev/null 9>&- && break
    [ "$try" -lt 5 ] || die "PostgreSQL does not start; see $dir/postgres.log"
    sleep 1
  done
  if ! psql "$(pg_uri)" -c '' >/dev/null 2>&1; then
    psql "$(pg_uri | sed 's|/uniqd$|/postgres|')" -qc 'CREATE DATABASE uniqd' >>"$dir/postgres.log" 2>&1 ||
      die "PostgreSQL does not answer on port $pg_port; see $dir/postgres.log"
  fi
}

stop_postgres() {
  if ! pg_runs; then return; fi
  signal_postgres CONT
  as_pg "$(pg_bin)/pg_ctl" -D "$pg_home/data" -m fast -w -t 30 stop >>"$dir/postgres.log" 2>&1 ||
    kill_postgres
}

# To the server and all its children, which are not in its process group.
signal_postgres() {
  if ! pg_runs; then return; fi
  local pid children
  pid=$(pg_pid)
  children=$(ps -o pid= --ppid "$pid" || true)
  # shellcheck disable=SC2086
  kill "-$1" "$pid" $children 2>/dev/null || true
}

kill_postgres() {
  if ! pg_runs; then return; fi
  local pid child children
  pid=$(pg_pid)
  children=$(ps -o pid= --ppid "$pid" || true)
  signal_postgres KILL
  wait_until_gone "$pid" "$pg_home/data"
  for child in $children; do wait_until_gone "$child" postgres; done
  # All are gone for certain; a pid that init has not collected yet must not hold up the next start.
  rm -f "$pg_home/data/postmaster.pid" "$pg_home"/.s.PGSQL.*
}

# ------------------------------------------------------------------------------------------ Kafka

kafka_version() { sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml"; }
kafka_jars() { echo "${XDG_CACHE_HOME:-$HOME/.cache}/uniqd/kafka-$(kafka_version)"; }
kafka_pid() { cat "$dir/kafka.pid" 2>/dev/null || true; }
kafka_mark() { if [ "$kafka_kind" = mock ]; then echo mock_broker; else echo "$dir/kafka.properties"; fi; }
kafka_runs() { [ -n "$kafka_kind" ] && runs "$(kafka_pid)" "$(kafka_mark)"; }
java_bin() { ls -d /usr/lib/jvm/java-17-openjdk-*/bin/java 2>/dev/null | head -n 1 || true; }

# Leaves the cache alone unless all of Kafka arrived.
fetch_kafka() {
  local jars part
  jars=$(kafka_jars)
  if [ -d "$jars" ]; then return; fi
  say "fetching Apache Kafka $(kafka_version) to $jars (once)"
  mkdir -p "$(dirname "$jars")"
  part=$(mktemp -d "$jars.XXXXXX")
  if timeout 900 mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$part" >"$dir/maven.log" 2>&1 </dev/null 9>&-; then
    # Another start may have been faster; then its folder is as good as ours.
    mv -T "$part" "$jars" 2>/dev/null || rm -rf "$part"
  else
    rm -rf "$part"
    return 1
  fi
}

choose_kafka() {
  if [ -n "$kafka_kind" ]; then return; fi
  if [ -n "${UNIQD_FORCE_MOCK:-}" ]; then
    kafka_kind=mock
  elif fetch_kafka; then
    kafka_kind=kafka
  elif [ "${CI:-}" = true ]; then
    die "Apache Kafka could not be fetched; see $dir/maven.log"
  else
    say "Apache Kafka could not be fetched (see $dir/maven.log); the mock broker of librdkafka takes its" \
      "place: in memory, no transactions, no restart. What needs a real Kafka will not run."
    kafka_kind=mock
  fi
  remember
}

kafka_create() {
  kafka_port=$(free_port)
  controller_port=$(free_port)
  remember
  cat >"$dir/kafka.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller_port
listeners=PLAINTEXT://127.0.0.1:$kafka_port,CONTROLLER://127.0.0.1:$controller_port
advertised.listeners=PLAINTEXT://127.0.0.1:$kafka_port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/kafka-data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=2
num.io.threads=2
EOF
  kafka_java kafka.tools.StorageTool format --ignore-formatted -c "$dir/kafka.properties" \
    -t "$(kafka_java kafka.tools.StorageTool random-uuid 2>/dev/null)" >>"$dir/kafka.log" 2>&1 ||
    die "Kafka's storage could not be formatted; see $dir/kafka.log"
}

kafka_java() {
  local java
  java=$(java_bin)
  [ -n "$java" ] || die "no Java 17 under /usr/lib/jvm; run: make packages"
  "$java" -cp "$(kafka_jars)/*" -Dorg.slf4j.simpleLogger.showDateTime=true \
    -Dorg.slf4j.simpleLogger.dateTimeFormat='yyyy-MM-dd HH:mm:ss.SSS' "$@"
}

start_kafka() {
  if kafka_runs; then return; fi
  choose_kafka
  if [ "$kafka_kind" = mock ]; then start_mock; else start_real_kafka; fi
  local deadline=$((SECONDS + ready_within_s))
  until kcat -b "127.0.0.1:$kafka_port" -m 2 -L 2>/dev/null | grep -q ' 1 brokers:'; do
    kafka_runs || die "Kafka ended while starting; see $dir/kafka.log"
    [ $SECONDS -lt $deadline ] || die "Kafka does not answer on port $kafka_port; see $dir/kafka.log"
    sleep 0.2
  done
}

start_real_kafka() {
  fetch_kafka || die "Apache Kafka could not be fetched; see $dir/maven.log"
  if [ ! -f "$dir/kafka-data/meta.properties" ]; then kafka_create; fi
  local java
  java=$(java_bin)
  setsid "$java" -Xms256m -Xmx512m -XX:+UseSerialGC -cp "$(kafka_jars)/*" \
    -Dorg.slf4j.simpleLogger.showDateTime=true \
    -Dorg.slf4j.simpleLogger.dateTimeFormat='yyyy-MM-dd HH:mm:ss.SSS' \
    kafka.Kafka "$dir/kafka.properties" >>"$dir/kafka.log" 2>&1 </dev/null 9>&- &
  echo $! >"$dir/kafka.pid"
}

# A line "NAME PARTITIONS" written to mock.topics creates a topic: the mock knows no CreateTopics.
start_mock() {
  local mock=${UNIQD_MOCK_BROKER:-$root/build/mock_broker} deadline=$((SECONDS + 10))
  [ -x "$mock" ] || die "$mock is missing; run: make build"
  if [ -f "$dir/kafka.pid" ]; then cannot_restart; fi
  rm -f "$dir/mock.topics" && mkfifo "$dir/mock.topics"
  # Opened for reading and writing, so that it never ends.
  setsid "$mock" ce-users user-commands >"$dir/mock.address" 2>>"$dir/kafka.log" \
    <>"$dir/mock.topics" 9>&- &
  echo $! >"$dir/kafka.pid"
  until grep -qs ':' "$dir/mock.address"; do
    [ $SECONDS -lt $deadline ] || die "the mock broker does not start; see $dir/kafka.log"
    sleep 0.1
  done
  kafka_port=$(sed -n '1s/.*://p' "$dir/mock.address")
  remember
}

cannot_restart() {
  say "the mock broker keeps its topics in memory and cannot be started again; it takes a real Kafka"
  exit 3
}

# On a busy machine the threads of a stopped process go on for some milliseconds.
wait_until_frozen() {
  local deadline=$((SECONDS + 5))
  while cat "/proc/$1/task"/*/stat 2>/dev/null | sed 's/.*) //' | grep -q '^[RSD]'; do
    [ $SECONDS -lt $deadline ] || die "process $1 does not stop"
    sleep 0.01
  done
}

# It may end by itself between the look and the signal.
signal_kafka() { if kafka_runs; then kill "-$1" "$(kafka_pid)" 2>/dev/null || true; fi; }

end_kafka() {
  local pid
  pid=$(kafka_pid)
  signal_kafka "$1"
  if [ "$1" = TERM ]; then signal_kafka CONT; fi
  wait_until_gone "$pid" "$(kafka_mark)"
}

restartable() { if [ "$kafka_kind" = mock ]; then cannot_restart; fi; }

# ---------------------------------------------------------------------------------------- actions

write_env() {
  (umask 077 && cat >"$dir.env.new" <<EOF
UNIQD_BROKERS=127.0.0.1:$kafka_port
UNIQD_POSTGRES=$(pg_uri)
UNIQD_KAFKA_KIND=$kafka_kind
UNIQD_SERVICES=$here/services.sh
UNIQD_SERVICES_DIR=$dir
UNIQD_POSTGRES_PID=$(pg_pid)
UNIQD_KAFKA_PID=$(kafka_pid)
EOF
  )
  mv "$dir.env.new" "$dir.env"
}

start_all() {
  start_postgres
  start_kafka
  write_env
  say "PostgreSQL on 127.0.0.1:$pg_port, Kafka ($kafka_kind) on 127.0.0.1:$kafka_port; see $dir.env"
}

stop_all() {
  if [ ! -f "$dir/state" ]; then return; fi
  end_kafka TERM
  stop_postgres
  case $pg_home in /tmp/uniqd-pg.*) rm -rf "$pg_home" ;; esac
  rm -rf "$dir/kafka-data" "$dir/postgres" "$dir.env" "$dir"/kafka.p* "$dir"/mock.* "$dir/state"
}

# One action at a time in one folder; descriptor 9 is closed in every server.
lock() { exec 9>"$dir/lock" && flock 9 && recall; }
unlock() { exec 9>&-; }

run() {
  if [ -n "${UNIQD_BROKERS:-}" ] && [ -n "${UNIQD_POSTGRES:-}" ]; then exec "$@"; fi
  local ours=yes result=0
  if pg_runs && kafka_runs; then ours=no; fi
  # In a process group of its own, so that all of it can be ended.
  child=''
  trap 'end_run 130' INT
  trap 'end_run 143' TERM HUP
  trap 'if [ -n "$child" ]; then kill -TERM -- "-$child" 2>/dev/null || true; fi; end_services' EXIT
  keep=${KEEP:-}
  if [ $ours = no ]; then keep=theirs; fi
  start_all
  unlock
  set -m
  (
    while IFS= read -r variable; do export "${variable?}"; done <"$dir.env"
    exec "$@"
  ) </dev/null &
  child=$!
  set +m
  wait "$child" || result=$?
  child=''
  return $result
}

end_run() {
  trap '' INT TERM HUP
  if [ -n "$child" ]; then
    kill -TERM -- "-$child" 2>/dev/null || true
    wait "$child" || true
    child=''
  fi
  exit "$1"
}

end_services() {
  case $keep in
    theirs) ;;
    '') lock && stop_all ;;
    *) how_to_look ;;
  esac
}

how_to_look() {
  cat >&2 <<EOF
services: still running, as KEEP asked. To look around:
  set -a; . $dir.env; set +a
  psql "\$UNIQD_POSTGRES"                                   the read model
  kcat -b "\$UNIQD_BROKERS" -L                              the topics
  kcat -b "\$UNIQD_BROKERS" -C -e -t TOPIC                  what is in one of them
  make services-stop                                        when done
EOF
}

status() {
  local up='running' down='not running'
  echo "postgres: $(if pg_runs; then echo "$up, $(pg_uri | sed 's/:[^:@]*@/:***@/')"; else echo "$down"; fi)"
  echo "kafka: $(if kafka_runs; then echo "$up ($kafka_kind), 127.0.0.1:$kafka_port"; else echo "$down"; fi)"
  pg_runs && kafka_runs
}

usage() { sed -n '5,8p' "$0" | sed 's/^# *//' >&2; exit 2; }

main() {
  local action=${1:-}
  if [ -z "$action" ]; then usage; fi
  shift
  dir=$root/build/services
  if [ $# -gt 0 ] && [ "$1" != -- ]; then dir=$(realpath -m "$1") && shift; fi
  if [ "$action" = run ]; then
    if [ "${1:-}" != -- ] || [ $# -lt 2 ]; then usage; fi
    shift
  elif [ $# -gt 0 ]; then
    usage
  fi
  mkdir -p "$dir"
  lock
  case $action in
    start) start_all ;;
    stop) stop_all ;;
    run) run "$@" ;;
    status) status ;;
    start-postgres) known; start_postgres; write_env ;;
    stop-postgres) known; stop_postgres ;;
    kill-postgres) known; kill_postgres ;;
    pause-postgres) known; signal_postgres STOP; wait_until_frozen "$(pg_pid)" ;;
    resume-postgres) known; signal_postgres CONT ;;
    start-kafka) known; start_kafka; write_env ;;
    stop-kafka) known; restartable; end_kafka TERM ;;
    kill-kafka) known; restartable; end_kafka KILL ;;
    pause-kafka) known; signal_kafka STOP; wait_until_frozen "$(kafka_pid)" ;;
    resume-kafka) known; signal_kafka CONT ;;
    *) usage ;;
  esac
}

unset "${!PG@}"
main "$@"
