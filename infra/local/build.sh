#!/usr/bin/env bash
# infra/local/build.sh [--profile NAME]
#
# Compiles the services and the command line.   --profile NAME   the cargo profile (default: release)
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"
. "$LOCAL_DIR/lib/env.sh"
. "$LOCAL_DIR/lib/toolchain.sh"

profile=release
while [ $# -gt 0 ]; do
  case $1 in
    --profile) profile=${2:?--profile needs a name}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown argument: $1" "infra/local/build.sh --help" ;;
  esac
  shift
done

packages=(-p tidemill-cli)
for name in $service_names; do packages+=(-p "tidemill-$name"); done

cd "$REPO_DIR"
build_path
say "building the services and the command line, profile $profile (minutes when cold)"
cargo build --locked --profile "$profile" "${packages[@]}" --bins
