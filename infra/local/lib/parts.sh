# shellcheck shell=bash
# The parts of the infrastructure and what can be done with any of them. Each file in parts/ says, for one part:
#   <part>_title     what people call it            <part>_ports    names of its ports, the main one first
#   <part>_config    its settings, on stdout; written to $RUN_DIR/<part>.conf, a change restarts the part
#   <part>_prepare   makes its data folder          <part>_mark     text that only its command line holds
#   <part>_command   sets COMMAND                   <part>_ready    the condition to wait for
#   <part>_seconds   how long that may take

part_names="kafka redis collector zipkin postgres registry"

. "$LOCAL_DIR/parts/kafka.sh"
. "$LOCAL_DIR/parts/redis.sh"
. "$LOCAL_DIR/parts/collector.sh"
. "$LOCAL_DIR/parts/zipkin.sh"
. "$LOCAL_DIR/parts/postgres.sh"
. "$LOCAL_DIR/parts/registry.sh"

# render FILE LITERAL VALUE...: the file with each literal replaced.
render() {
  local text
  text=$(cat "$1")
  shift
  while [ $# -gt 0 ]; do
    text=${text//"$1"/"$2"}
    shift 2
  done
  printf '%s\n' "$text"
}

part_pid() { pid_of "$1" "$("$1_mark")"; }

part_address() {
  local ports
  ports=$("$1_ports")
  printf '127.0.0.1:%s' "$(port_of "${ports%% *}")"
}

# settle_ports PART: its ports are free, or chosen anew; with STAY=1 an occupied port is an error, but not before what
# was killed has let go of it: a process has no command line any more while the kernel still closes its sockets.
settle_ports() {
  local name port tries
  for name in $("$1_ports"); do
    port=$(port_of "$name")
    tries=0
    while [ "${STAY:-0}" = 1 ] && port_busy "$port" && [ "$tries" -lt 100 ]; do
      sleep 0.05
      tries=$((tries + 1))
    done
    if port_busy "$port"; then
      [ "${STAY:-0}" = 0 ] || die "port $port of $("$1_title") is taken by another process" \
        "infra/local/up.sh --home $HOME_DIR chooses another one"
      new_port "$name" >/dev/null
    fi
  done
}

# launch_part PART: starts it unless it runs with the settings of today. Sets <part>_began for await_part.
launch_part() {
  local part=$1 conf=$RUN_DIR/$1.conf pid
  if pid=$(part_pid "$part"); then
    if "${part}_config" | cmp -s - "$conf"; then
      say "$("${part}_title") already running on $(part_address "$part")"
      printf -v "${part}_began" '%s' ''
      return 0
    fi
    say "$("${part}_title") has new settings, restarting it"
    stop_part "$part"
  fi
  settle_ports "$part"
  "${part}_config" | write_file "$conf"
  "${part}_prepare"
  COMMAND=()
  "${part}_command"
  say "starting $("${part}_title") on $(part_address "$part")"
  printf -v "${part}_began" '%s' "$(now_ms)"
  launch "$part" "${COMMAND[@]}"
}

# await_part PART: until it answers.
await_part() {
  local part=$1 pid status=0 began=${1}_began
  pid=$(cat "$PID_DIR/$part.pid")
  await "$("${part}_seconds")" "$pid" "${part}_ready" || status=$?
  if [ "$status" -ne 0 ]; then
    last_lines "$LOG_DIR/$part.log" >&2
    if [ "$status" = 2 ]; then
      die "$("${part}_title") ended while starting" "its log: $LOG_DIR/$part.log"
    fi
    die "$("${part}_title") is not ready after $("${part}_seconds") s" "its log: $LOG_DIR/$part.log" \
      "it is left running (process $pid): run this again to wait longer, or infra/local/down.sh"
  fi
  if [ -n "${!began:-}" ]; then note "$("${part}_title") ready in $(since "${!began}")"; fi
}

# part_signal PART: what makes it end in good order. PostgreSQL would wait for its clients on SIGTERM.
part_signal() { if [ "$1" = postgres ]; then echo INT; else echo TERM; fi; }

signal_part() { kill -"$(part_signal "$1")" "$(part_pid "$1")" 2>/dev/null || true; }

# stop_part PART: and waits until it is gone; nothing to say when it does not run.
stop_part() {
  local pid
  if pid=$(part_pid "$1"); then
    end_process "$pid" 20 "$(part_signal "$1")" || warn "$("$1_title") did not stop within 20 s and was killed"
  fi
  rm -f "$PID_DIR/$1.pid"
}
