#!/usr/bin/env bash
# infra/local/up.sh [--home DIR] [--data DIR]
#
# Starts what Tidemill runs on (Kafka, schema registry with PostgreSQL, Redis, OpenTelemetry collector) on free
# ports of 127.0.0.1, waits until each answers, and writes the addresses to DIR/env. What runs already is left alone.
#
#   --home DIR   where pids, logs, ports and settings are kept   (default: .tidemill)
#   --data DIR   where the data is kept; remembered until down   (default: HOME/data)
#   TRACES=1                 Zipkin as well, to look at traces
#   TIDEMILL_INFRA=compose   run the parts in Docker by docker-compose.yml instead
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/process.sh"
. "$LOCAL_DIR/lib/ports.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/parts.sh"
. "$LOCAL_DIR/lib/service.sh"
. "$LOCAL_DIR/lib/stop.sh"
. "$LOCAL_DIR/lib/compose.sh"

home='' data=''
while [ $# -gt 0 ]; do
  case $1 in
    --home) home=${2:?--home needs a folder}; shift ;;
    --data) data=${2:?--data needs a folder}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown argument: $1" "infra/local/up.sh --help" ;;
  esac
  shift
done
use_home "$home"
lock_home

# The data folder asked for; parts that run on another one, or on one that was emptied under them, are stopped first.
if [ -n "$data" ]; then data=$(absolute "$data"); else data=$DATA_DIR; fi
if [ "$data" != "$DATA_DIR" ] || [ ! -s "$DATA_DIR/cluster.id" ]; then stop_everything; fi
DATA_DIR=$data
mkdir -p "$DATA_DIR/store"
DATA_DIR=$(cd "$DATA_DIR" && pwd -P)
printf '%s\n' "$DATA_DIR" | write_file "$RUN_DIR/data"
if [ ! -s "$DATA_DIR/cluster.id" ]; then
  random_hex 16 | write_file "$DATA_DIR/postgres.password"
  # Kafka's kind of id: 16 bytes in base64 for URLs; the first letter keeps it from starting with a dash.
  printf 'T%s' "$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c2-22)" | write_file "$DATA_DIR/cluster.id"
fi

began=$(now_ms)
if [ "$(infra_mode)" = compose ]; then
  compose_up
else
  for part in kafka registry collector; do
    case $part in kafka) need=$(kafka_libs) ;; *) need=$("${part}_program") ;; esac
    [ -e "$need" ] || die "$("${part}_title") is not installed" "run infra/local/install.sh first (make up does both)"
  done
  launch_part kafka
  launch_part redis
  await_part redis
  if zipkin_wanted; then launch_part zipkin; fi
  launch_part collector
  launch_part postgres
  await_part postgres
  launch_part registry
  await_part collector
  await_part registry
  if part_pid zipkin >/dev/null; then await_part zipkin; fi
  await_part kafka
fi
write_env

say "up in $(since "$began"); data in $DATA_DIR, logs in $LOG_DIR, addresses in $ENV_FILE:"
grep -v -e TOKEN -e _URL "$ENV_FILE" | sed 's/^/    /'
if [ "${TRACES:-0}" = 1 ] || part_pid zipkin >/dev/null; then note "look at traces: http://$(part_address zipkin)"; fi
