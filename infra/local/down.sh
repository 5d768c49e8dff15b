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
. "$LOCAL_DIR/lib/stop.sh"
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
use_home "$home"
lock_home

stop_everything
compose_down "$wipe"
if [ "$wipe" = 1 ]; then
  if [ -d "$DATA_DIR" ]; then say "deleting $DATA_DIR"; fi
  rm -rf "$DATA_DIR" "$(postgres_data)"
fi
rm -f "$RUN_DIR/data"
