#!/usr/bin/env bash
# infra/local/bench.sh [ARGUMENT OF THE BENCHMARK...]
#
# The benchmarks, on an infrastructure of their own (.tidemill/bench, fresh data), which is stopped at the end.
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/toolchain.sh"
. "$LOCAL_DIR/lib/steps.sh"

cd "$REPO_DIR"
use_home "$REPO_DIR/.tidemill/bench"

finish() {
  local status=$?
  trap - EXIT
  "$LOCAL_DIR/down.sh" --home "$HOME_DIR"
  print_steps
  exit "$status"
}
trap finish EXIT

run_step "installing what is missing" "$LOCAL_DIR/install.sh"
build_path
# all at once: apart, the benchmark would get other features of the same crates, and these be built twice
run_step "building services and benchmark (minutes when cold)" cargo build --release --locked --workspace --bins
case " $* " in
  *" handbook "*) run_step "building the Handbook's example" cargo build --release --locked -p tidemill-trainer --example handbook ;;
esac
settle_disk

"$LOCAL_DIR/down.sh" --home "$HOME_DIR" --wipe
run_step "starting infrastructure" "$LOCAL_DIR/up.sh" --home "$HOME_DIR"
export_env
use_shared_data
export TIDEMILL_HOME="$HOME_DIR" TIDEMILL_BIN_DIR="${CARGO_TARGET_DIR:-$REPO_DIR/target}/release"
run_step "benchmark" "$TIDEMILL_BIN_DIR/bench" "$@"
