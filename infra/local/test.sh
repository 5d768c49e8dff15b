#!/usr/bin/env bash
# infra/local/test.sh [ARGUMENT OF cargo test...]
#
# Everything CI checks, on this machine: formatting, lints, the scripts, the compose file, then all tests against an
# infrastructure of their own (.tidemill/test, fresh data, its own ports), which is stopped at the end, also when
# interrupted.
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/toolchain.sh"
. "$LOCAL_DIR/lib/steps.sh"

case ${1:-} in -h | --help) usage; exit 0 ;; esac

# One cargo profile for clippy, tests and the binaries that tests start, so that nothing is compiled twice.
profile=ci
cd "$REPO_DIR"
use_home "$REPO_DIR/.tidemill/test"

finish() {
  local status=$?
  trap - EXIT
  if [ "$status" = 0 ]; then
    "$LOCAL_DIR/down.sh" --home "$HOME_DIR" --wipe
  else
    "$LOCAL_DIR/down.sh" --home "$HOME_DIR"
    note "logs and data of the failed run are kept in $HOME_DIR"
  fi
  print_steps
  exit "$status"
}
trap finish EXIT

check_compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose -f docker-compose.yml --profile traces config --quiet
  elif have docker-compose; then
    docker-compose -f docker-compose.yml config --quiet
  else
    note "skipped: neither docker compose nor docker-compose is there"
  fi
}
check_scripts() {
  if have shellcheck; then
    shellcheck --check-sourced infra/local/*.sh infra/otel/collector/*.sh .ci/run
  else
    note "skipped: shellcheck is not there"
  fi
}

run_step "installing what is missing" "$LOCAL_DIR/install.sh" --checks
build_path
say "checking scripts" && check_scripts
say "checking docker-compose.yml" && check_compose
run_step "checking formatting" cargo fmt --all --check
run_step "clippy" cargo clippy --profile "$profile" --workspace --all-targets --locked -- -D warnings
# all targets at once: features are unified the same way as for the tests, so that nothing is compiled twice
run_step "building services and tests" cargo build --profile "$profile" --workspace --all-targets --locked
settle_disk

"$LOCAL_DIR/down.sh" --home "$HOME_DIR" --wipe
run_step "starting infrastructure" "$LOCAL_DIR/up.sh" --home "$HOME_DIR"
export_env
use_shared_data
export TIDEMILL_HOME="$HOME_DIR" TIDEMILL_BIN_DIR="${CARGO_TARGET_DIR:-$REPO_DIR/target}/$profile"
run_step "tests" cargo test --profile "$profile" --workspace --locked "$@"
say "all passed"
