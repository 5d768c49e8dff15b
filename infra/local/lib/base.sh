# shellcheck shell=bash
# What every script here shares: messages, the paths of a home, its lock, and the progress of long steps.
# Sourced, never run.

LOCAL_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
INFRA_DIR=$(dirname "$LOCAL_DIR")
REPO_DIR=$(dirname "$INFRA_DIR")
CACHE_DIR=${TIDEMILL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tidemill}

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# die MESSAGE [HINT...]: what failed, then one line for each thing to do about it.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  local hint
  for hint in "$@"; do printf '       %s\n' "$hint" >&2; done
  exit 1
}

# usage: prints the comment block at the head of the running script.
usage() {
  awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$0"
}

have() { command -v "$1" >/dev/null 2>&1; }

now_ms() {
  # EPOCHREALTIME is bash 5; the fallback is for the bash 3.2 of macOS.
  if [ -n "${EPOCHREALTIME:-}" ]; then
    local us=${EPOCHREALTIME/[.,]/}
    printf '%s' $((us / 1000))
  else
    printf '%s' $(($(date +%s) * 1000))
  fi
}

# since START_MS: elapsed seconds with one decimal.
since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

absolute() {
  case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$PWD" "$1" ;;
  esac
}

# use_home DIR: the folder of one local Tidemill. Its data folder is remembered from `up` until `down`.
use_home() {
  HOME_DIR=$(absolute "${1:-$REPO_DIR/.tidemill}")
  mkdir -p "$HOME_DIR" && HOME_DIR=$(cd "$HOME_DIR" && pwd -P)
  RUN_DIR=$HOME_DIR/run
  LOG_DIR=$HOME_DIR/logs
  PID_DIR=$HOME_DIR/pids
  ENV_FILE=$HOME_DIR/env
  mkdir -p "$RUN_DIR" "$LOG_DIR" "$PID_DIR"
  DATA_DIR=$HOME_DIR/data
  if [ -s "$RUN_DIR/data" ]; then DATA_DIR=$(cat "$RUN_DIR/data"); fi
}

# lock_file FILE WHAT: waits for its turn; the lock goes with this process, however it ends.
lock_file() {
  have flock || return 0
  (: >>"$1") 2>/dev/null || die "$1 cannot be written" "does it belong to another user?"
  exec 9>>"$1"
  if ! flock -n 9; then
    say "another run is busy with $2, waiting for it"
    flock 9
  fi
}
lock_home() { lock_file "$HOME_DIR/lock" "$HOME_DIR"; }
unlock() { exec 9>&-; }

# random_hex BYTES
random_hex() { od -An -tx1 -N"$1" /dev/urandom | tr -d ' \n'; }

# hash_of FILE...: twelve hex digits that change when a file does.
hash_of() { cat "$@" | sha256 | cut -c1-12; }
sha256() { if have sha256sum; then sha256sum; else shasum -a 256; fi; }

# write_file FILE: standard input, written whole or not at all, readable by the owner only.
write_file() {
  (umask 077 && cat >"$1.new") && mv -f "$1.new" "$1"
}

# last_lines FILE: the end of a log, set off from our own words.
last_lines() {
  [ -s "$1" ] || { note "(its log $1 is empty)"; return 0; }
  printf '    --- last lines of %s\n' "$1"
  tail -n "${2:-15}" "$1" | sed 's/^/    | /'
}

# tick LABEL PARENT: every so often says how long a step has taken; ends with its parent.
tick() {
  local start=$SECONDS pause=15
  if [ -t 1 ]; then pause=1; fi
  while sleep "$pause" && kill -0 "$2" 2>/dev/null; do
    if [ -t 1 ]; then
      printf '\r    %s ... %d s' "$1" $((SECONDS - start))
    else
      note "$1 ... $((SECONDS - start)) s"
    fi
  done
}

# long_step LABEL LOG COMMAND...: runs with its output in LOG, shows elapsed seconds, and on failure the log's end.
long_step() {
  local label=$1 log=$2 start status=0 ticker
  shift 2
  start=$(now_ms)
  say "$label"
  tick "$label" $$ 2>/dev/null 9>&- &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if [ -t 1 ]; then printf '\r\033[K'; fi
  if [ "$status" -ne 0 ]; then
    last_lines "$log" 20 >&2
    return "$status"
  fi
  note "done in $(since "$start")"
}
