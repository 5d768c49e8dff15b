# shellcheck shell=bash
# Background processes of a home: started detached, known by a pid file that is only believed when the
# process is really that program, waited for by condition, stopped politely and then not.

# command_of PID: its command line, empty when there is none (or only a zombie).
command_of() {
  if [ -r "/proc/$1/cmdline" ]; then
    tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null || true
  else
    ps -ww -o command= -p "$1" 2>/dev/null || true
  fi
}

# is_alive PID: it runs, and is no zombie. (Its command line would not do: it is empty for a moment while a process
# becomes another program, and long before an ending one has let go of its sockets.)
is_alive() {
  kill -0 "$1" 2>/dev/null || return 1
  case $(ps -o state= -p "$1" 2>/dev/null) in '' | *Z*) return 1 ;; esac
}

# environment_has PID LINE: true as well where it cannot be known (no /proc, another user's process).
environment_has() {
  if ! [ -r "/proc/$1/environ" ]; then return 0; fi
  tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | grep -qxF -- "$2"
}

# pid_of NAME MARK [ENV_LINE]: the live process of that name whose command line holds MARK.
pid_of() {
  local pid
  pid=$(cat "$PID_DIR/$1.pid" 2>/dev/null) || return 1
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  case $(command_of "$pid") in *"$2"*) ;; *) return 1 ;; esac
  if [ -n "${3:-}" ]; then environment_has "$pid" "$3" || return 1; fi
  printf '%s' "$pid"
}

# launch NAME COMMAND...: detached from terminal, input and every descriptor of the caller, so that nobody
# who waits for our output waits for the process. The child writes its own pid: no moment without one.
launch() {
  local name=$1 detach=()
  shift
  if have setsid; then detach=(setsid --); fi
  rm -f "$PID_DIR/$name.pid"
  (
    trap '' HUP
    local self=${BASHPID:-$(exec sh -c 'echo $PPID')} open # bash 3.2 has no BASHPID
    printf '%s\n' "$self" >"$PID_DIR/$name.pid.new"
    mv -f "$PID_DIR/$name.pid.new" "$PID_DIR/$name.pid"
    exec </dev/null >>"$LOG_DIR/$name.log" 2>&1
    echo "--- $(date '+%Y-%m-%d %H:%M:%S') starting as process $self"
    for open in "/proc/$self/fd"/* /dev/fd/*; do
      open=${open##*/}
      case $open in *[!0-9]*) continue ;; esac
      if [ "$open" -gt 2 ]; then eval "exec $open>&-"; fi
    done
    exec ${detach[@]+"${detach[@]}"} "$@"
  ) &
  disown
  until [ -s "$PID_DIR/$name.pid" ]; do sleep 0.01; done
}

# await SECONDS PID CONDITION...: polls; 1 when time is up, 2 as soon as the process is gone.
await() {
  local deadline=$(($(now_ms) + $1 * 1000)) pid=$2
  shift 2
  while ! "$@"; do
    if ! is_alive "$pid"; then return 2; fi
    if [ "$(now_ms)" -ge "$deadline" ]; then return 1; fi
    sleep 0.1
  done
}

# find_processes TEXT: the ids of all whose command line holds it.
find_processes() {
  ps -eww -o pid= -o args= | TEXT=$1 awk 'index($0, ENVIRON["TEXT"]) { print $1 }'
}

# end_process PID SECONDS [SIGNAL]: SIGTERM by default, then SIGKILL when that was not enough; 1 when it had to be killed.
end_process() {
  local pid=$1 deadline=$(($(now_ms) + $2 * 1000))
  kill -"${3:-TERM}" "$pid" 2>/dev/null || return 0
  while is_alive "$pid"; do
    if [ "$(now_ms)" -ge "$deadline" ]; then
      kill -KILL "$pid" 2>/dev/null || true
      await_gone "$pid"
      return 1
    fi
    sleep 0.05
  done
}

await_gone() {
  local tries=0
  while is_alive "$1" && [ "$tries" -lt 100 ]; do
    sleep 0.05
    tries=$((tries + 1))
  done
}
