# shellcheck shell=bash
# Ending all that belongs to a home: services, then parts, then whatever lost its pid file.

# Those who write first, those who are written to last.
stop_order="registry kafka redis zipkin postgres collector"

stop_everything() {
  stop_all_services
  stop_all_parts
  stop_strays
}

# All are told at once and then waited for.
stop_all_parts() {
  local part running='' began
  for part in $stop_order; do
    if part_pid "$part" >/dev/null; then running="$running $part"; fi
  done
  if [ -z "$running" ]; then return 0; fi
  began=$(now_ms)
  say "stopping$running"
  for part in $running; do signal_part "$part"; done
  for part in $running; do stop_part "$part"; done
  note "stopped in $(since "$began")"
}

# Processes of this home that no pid file knows: of a home deleted while it ran, or started by a test that was killed.
stop_strays() {
  local part name pid
  for part in $stop_order; do
    for pid in $(find_processes "$("${part}_mark")"); do stop_stray "$pid" "$(part_signal "$part")"; done
  done
  for name in $service_names; do
    for pid in $(find_processes "/tidemill-$name"); do
      if environment_has "$pid" "TIDEMILL_HOME=$HOME_DIR"; then stop_stray "$pid" TERM; fi
    done
  done
}

stop_stray() {
  say "stopping process $1, which belongs to $HOME_DIR but has no pid file: $(command_of "$1" | cut -c1-60)"
  end_process "$1" 10 "$2" || true
}
