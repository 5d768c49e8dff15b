#!/usr/bin/env bash
# infra/local/demo.sh [ARGUMENT OF tidemill demo...]
#
# From nothing to predictions: installs, builds, starts everything on an empty .tidemill/demo and runs `tidemill demo`.
# Everything is left running to be looked at; `make down` stops it.
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/toolchain.sh"
. "$LOCAL_DIR/lib/steps.sh"

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$REPO_DIR"
use_home "$REPO_DIR/.tidemill"
demo_data=$HOME_DIR/demo

run_step "installing what is missing" "$LOCAL_DIR/install.sh"
build_path
run_step "building" "$LOCAL_DIR/build.sh" --profile release
settle_disk

"$LOCAL_DIR/down.sh" --home "$HOME_DIR"
rm -rf "$demo_data"
run_step "starting infrastructure" "$LOCAL_DIR/up.sh" --home "$HOME_DIR" --data "$demo_data"
run_step "starting services" "$LOCAL_DIR/services.sh" start --home "$HOME_DIR"
export_env
use_shared_data
export TIDEMILL_HOME="$HOME_DIR"
# Not a step: it belongs to the terminal, and its output is what one came for.
status=0
"${CARGO_TARGET_DIR:-$REPO_DIR/target}/release/tidemill" demo "$@" || status=$?
say "everything is still running: infra/local/services.sh status, logs in $LOG_DIR, make down stops it"
exit "$status"
