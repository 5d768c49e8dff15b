#!/usr/bin/env bash
# infra/local/install.sh [--build-only | --checks]
#
# Looks at what is there and installs or downloads what is not: system packages by apt-get, everything else
# into ${TIDEMILL_CACHE:-~/.cache/tidemill}. Safe to interrupt and to run again; does nothing when all is there.
#
# Where the parts run in Docker (TIDEMILL_INFRA=compose), only what compiling needs.
#
#   --build-only   only what compiling the workspace needs, not the parts that run beside it
#   --checks       also what `make test` checks scripts and the compose file with
#   TRACES=1       Zipkin as well
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/process.sh"
. "$LOCAL_DIR/lib/ports.sh"
. "$LOCAL_DIR/lib/parts.sh"
. "$LOCAL_DIR/lib/compose.sh"
. "$LOCAL_DIR/install/packages.sh"
. "$LOCAL_DIR/install/rust.sh"
. "$LOCAL_DIR/install/cmake.sh"
. "$LOCAL_DIR/install/go.sh"
. "$LOCAL_DIR/install/kafka.sh"
. "$LOCAL_DIR/install/registry.sh"
. "$LOCAL_DIR/install/collector.sh"
. "$LOCAL_DIR/install/zipkin.sh"

build_only=0 packages="$build_packages $part_packages"
if [ "$(infra_mode)" = compose ]; then build_only=1; fi
while [ $# -gt 0 ]; do
  case $1 in
    --build-only) build_only=1 ;;
    --checks) packages="$packages $check_packages" ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown argument: $1" "infra/local/install.sh --help" ;;
  esac
  shift
done

mkdir -p "$CACHE_DIR/logs"
lock_file "$CACHE_DIR/lock" "installing into $CACHE_DIR"
rm -rf "$CACHE_DIR"/partial.*

check_rust
if [ "$build_only" = 1 ]; then
  install_packages "$build_packages"
  install_cmake
else
  install_packages "$packages"
  install_cmake
  install_kafka
  install_registry
  install_collector
  if [ "${TRACES:-0}" = 1 ]; then install_zipkin; fi
fi
