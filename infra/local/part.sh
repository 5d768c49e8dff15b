#!/usr/bin/env bash
# infra/local/part.sh start|stop|kill|status PART [--home DIR]
#
# One part of a running infrastructure: kafka, redis, registry, postgres, collector or zipkin.
# `start` starts it again on the ports and data it had; `kill` is SIGKILL.
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/process.sh"
. "$LOCAL_DIR/lib/ports.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/parts.sh"

words=() home=''
while [ $# -gt 0 ]; do
  case $1 in
    --home) home=${2:?--home needs a folder}; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) die "unknown argument: $1" "infra/local/part.sh --help" ;;
    *) words+=("$1") ;;
  esac
  shift
done
[ "${#words[@]}" = 2 ] || die "a verb and a part are needed" "infra/local/part.sh start|stop|kill|status PART [--home DIR]"
action=${words[0]} part=${words[1]}
case " $part_names " in *" $part "*) ;; *) die "no such part: $part" "one of: $part_names" ;; esac
use_home "$home"
[ -s "$DATA_DIR/cluster.id" ] || die "$HOME_DIR has not been up" "infra/local/up.sh --home $HOME_DIR"

case $action in
  start)
    lock_home
    STAY=1 launch_part "$part"
    await_part "$part"
    ;;
  stop)
    lock_home
    stop_part "$part"
    say "$("${part}_title") stopped"
    ;;
  kill)
    pid=$(part_pid "$part") || die "$("${part}_title") is not running"
    kill -KILL "$pid"
    await_gone "$pid"
    say "$("${part}_title") killed (process $pid)"
    ;;
  status)
    pid=$(part_pid "$part") || { say "$("${part}_title") is not running"; exit 1; }
    "${part}_ready" || { say "$("${part}_title") runs (process $pid) but does not answer"; exit 1; }
    say "$("${part}_title") answers on $(part_address "$part") (process $pid)"
    ;;
  *) die "unknown verb: $action" "infra/local/part.sh --help" ;;
esac
