#!/usr/bin/env bash
# infra/local/down.sh [--home DIR] [--wipe]
#
# Stops the services and then the infrastructure of a home, and leaves no process behind. Data is kept.
#
#   --wipe   deletes the data too: topics, schemas, features, models, traces
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/process.sh"
. "$LOCAL_DIR/lib/ports.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/parts.sh"
. "$LOCAL_DIR/lib/service.sh"
. "$LOCAL_DIR/lib/compose.sh"

home='' wipe=0
while [ $# -gt 0 ]; do
  case $1 in
    --home) home=${2:?--home needs a folder}; shift ;;
    --wipe) wipe=1 ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown argument: $1" "infra/local/down.sh --help" ;;
  esac
  shift
done
[ -d "${home:-$REPO_DIR/.tidemill}" ] || exit 0
use_home "$home"
lock_home

stop_all_services
# Those who write first, those who are written to last.
running=''
for part in registry kafka redis zipkin postgres collector; do
  if part_pid "$part" >/dev/null; then running="$running $part"; fi
done
if [ -n "$running" ]; then
  began=$(now_ms)
  say "stopping$running"
  for part in $running; do kill -TERM "$(part_pid "$part")" 2>/dev/null || true; done
  for part in $running; do stop_part "$part"; done
  note "stopped in $(since "$began")"
fi
compose_down "$wipe"
if [ "$wipe" = 1 ]; then
  say "deleting $DATA_DIR"
  rm -rf "$DATA_DIR" "$(postgres_data)"
fi
rm -f "$RUN_DIR/data"
