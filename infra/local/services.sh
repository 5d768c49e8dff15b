#!/usr/bin/env bash
# infra/local/services.sh start|stop|status [--home DIR] [--profile NAME] [INSTANCE...]
#
# The platform's services as background processes, from target/PROFILE, with the addresses that up.sh wrote.
#
#   start    starts what is not running (all by default) and waits until it is live
#   stop     SIGTERM, and SIGKILL after 15 s
#   status   what runs, where, and whether it is ready
#   --profile NAME   the cargo profile it was built with   (default: release)
#   INSTANCE         ingestor, validator, feature-builder, predictor, evaluator, trainer, deployer, drift-watcher; validator-2 is a second validator
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/process.sh"
. "$LOCAL_DIR/lib/ports.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/service.sh"

verb='' home='' profile=release instances=''
while [ $# -gt 0 ]; do
  case $1 in
    --home) home=${2:?--home needs a folder}; shift ;;
    --profile) profile=${2:?--profile needs a name}; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) die "unknown argument: $1" "infra/local/services.sh --help" ;;
    *) if [ -z "$verb" ]; then verb=$1; else instances="$instances $1"; fi ;;
  esac
  shift
done
for name in $instances; do is_service "$name" || die "no such service: $name" "one of: $service_names"; done
use_home "$home"

case $profile in dev) folder=debug ;; *) folder=$profile ;; esac
bin_dir=${CARGO_TARGET_DIR:-$REPO_DIR/target}/$folder

url_of() { printf 'http://127.0.0.1:%s' "$(port_of "$1")"; }
is_live() { curl -fsS -m 2 "$(url_of "$1")/health/live" >/dev/null 2>&1; }
is_ready() { curl -fsS -m 2 "$(url_of "$1")/health/ready" >/dev/null 2>&1; }

launch_service() {
  local name=$1 program
  program=$bin_dir/tidemill-$(service_of "$name")
  [ -x "$program" ] || die "$program is not there" "build it: cargo build --profile $profile --bins (make services does)"
  free_port_of "$name" >/dev/null
  write_env
  export_env
  say "starting $name on 127.0.0.1:$(port_of "$name")"
  launch "$name" env "TIDEMILL_HOME=$HOME_DIR" "TIDEMILL_LISTEN=127.0.0.1:$(port_of "$name")" \
    "TIDEMILL_INSTANCE=$(instance_number "$name")" "TIDEMILL_SCRATCH=$HOME_DIR/scratch" "$program"
}

await_service() {
  local name=$1 status=0 began
  began=$(now_ms)
  await 20 "$(cat "$PID_DIR/$name.pid")" is_live "$name" || status=$?
  if [ "$status" = 0 ]; then
    note "$name live in $(since "$began")"
    return 0
  fi
  last_lines "$LOG_DIR/$name.log" >&2
  if [ "$status" = 2 ]; then die "$name ended while starting" "its log: $LOG_DIR/$name.log"; fi
  die "$name is not live after 20 s" "its log: $LOG_DIR/$name.log"
}

start() {
  local name started=''
  [ -s "$ENV_FILE" ] || die "nothing has been started in $HOME_DIR yet" "infra/local/up.sh --home $HOME_DIR"
  lock_home
  for name in ${instances:-$service_names}; do
    if service_pid "$name" >/dev/null; then
      note "$name already running on 127.0.0.1:$(port_of "$name")"
    else
      launch_service "$name"
      started="$started $name"
    fi
  done
  # From here nobody else has to wait: a fault run may stop Kafka while we wait for a service.
  unlock
  for name in $started; do await_service "$name"; done
}

status() {
  local name pid state failed=0
  for name in ${instances:-$(echo "$service_names $(known_instances)" | tr ' ' '\n' | awk 'NF && !seen[$0]++')}; do
    if ! pid=$(service_pid "$name"); then
      state="not running" failed=1
    else
      state="live, not ready"
      if is_ready "$name"; then state=ready; elif ! is_live "$name"; then state="does not answer"; fi
      state="$state, $(url_of "$name") (process $pid)"
    fi
    printf '%-18s %s\n' "$name" "$state"
  done
  return "$failed"
}

case $verb in
  start) start ;;
  stop)
    lock_home
    # Word splitting makes the list.
    # shellcheck disable=SC2086
    if [ -n "$instances" ]; then stop_services $instances; else stop_all_services; fi
    ;;
  status) status ;;
  *) die "start, stop or status?" "infra/local/services.sh --help" ;;
esac
