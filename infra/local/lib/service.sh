# shellcheck shell=bash
# The platform's own services as background processes. An instance is a service's name, or the name, a dash and a
# number from 2: validator, validator-2.

service_of() { printf '%s' "$1" | sed 's/-[0-9][0-9]*$//'; }
instance_number() {
  local number=${1##*-}
  case $number in *[!0-9]*) number=1 ;; esac
  printf '%s' "$number"
}

is_service() { case " $service_names " in *" $(service_of "$1") "*) return 0 ;; *) return 1 ;; esac; }

service_pid() { pid_of "$1" "tidemill-$(service_of "$1")" "TIDEMILL_HOME=$HOME_DIR"; }

# known_instances: every one that was started and not stopped, alive or not.
known_instances() {
  local file name
  for file in "$PID_DIR"/*.pid; do
    name=$(basename "$file" .pid)
    if [ "$name" != '*' ] && is_service "$name"; then printf '%s ' "$name"; fi
  done
}

# stop_all_services: whatever runs.
stop_all_services() {
  # Word splitting makes the list.
  # shellcheck disable=SC2046
  stop_services $(known_instances)
}

# stop_services INSTANCE...: all get SIGTERM first and are then waited for, 15 s each at most.
stop_services() {
  local name pid running=''
  for name in "$@"; do
    if pid=$(service_pid "$name"); then
      kill -TERM "$pid" 2>/dev/null || true
      running="$running $name"
    else
      rm -f "$PID_DIR/$name.pid"
    fi
  done
  if [ -z "$running" ]; then return 0; fi
  say "stopping$running"
  for name in $running; do
    if pid=$(service_pid "$name"); then
      end_process "$pid" 15 || warn "$name did not stop within 15 s and was killed; its log: $LOG_DIR/$name.log"
    fi
    rm -f "$PID_DIR/$name.pid"
  done
}
