# shellcheck shell=bash
# A run of named, timed steps against a home of its own, for test.sh, bench.sh and demo.sh. Interrupting the run ends
# the step that is under way, with all it started; what happens then is the script's own exit trap.

step_times=()
step_pid=''

# run_step NAME COMMAND...: in a process group of its own, so that all of it can be ended at once.
run_step() {
  local name=$1 start=$SECONDS status=0
  shift
  say "$name"
  if have setsid; then set -- setsid -- "$@"; fi
  "$@" </dev/null &
  step_pid=$!
  wait "$step_pid" || status=$?
  step_pid=''
  step_times+=("$(printf '%6d s  %s%s' $((SECONDS - start)) "$name" "$([ "$status" = 0 ] || echo "  FAILED")")")
  [ "$status" = 0 ] || die "$name failed (exit status $status)"
}

# settle_disk: what the compiler has written is on the disk. Kafka's controller syncs its log, and would otherwise wait behind
# that for seconds, in which it fences the broker.
settle_disk() { run_step "letting the disk write what was built" sync; }

interrupted() {
  trap '' INT TERM
  if [ -n "$step_pid" ]; then
    kill -TERM -- "-$step_pid" 2>/dev/null || kill -TERM "$step_pid" 2>/dev/null || true
    wait "$step_pid" 2>/dev/null || true
  fi
  printf '\ninterrupted\n' >&2
  exit 130
}
trap interrupted INT TERM

print_steps() {
  [ "${#step_times[@]}" -gt 0 ] || return 0
  say "time taken"
  printf '%s\n' "${step_times[@]}"
}

# use_shared_data: the data sets that lie beside some checkouts.
use_shared_data() {
  if [ -z "${TIDEMILL_DATA:-}" ] && [ -d "$REPO_DIR/../shared/data" ]; then
    TIDEMILL_DATA=$(cd "$REPO_DIR/../shared/data" && pwd)
    export TIDEMILL_DATA
  fi
}
