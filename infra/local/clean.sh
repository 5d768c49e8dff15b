#!/usr/bin/env bash
# infra/local/clean.sh
#
# Stops everything this checkout started and deletes what it made: .tidemill with all its data, and target.
# What was downloaded stays in the cache.
set -euo pipefail

. "$(dirname "$0")/lib/base.sh"

for home in "$REPO_DIR/.tidemill/test" "$REPO_DIR/.tidemill/bench" "$REPO_DIR/.tidemill"; do
  if [ -d "$home/run" ]; then "$LOCAL_DIR/down.sh" --home "$home" --wipe; fi
done
# The demo's data folder was forgotten by `down`; named once more, its database under /var/tmp goes too.
if [ -d "$REPO_DIR/.tidemill/demo" ]; then
  (cd "$REPO_DIR/.tidemill/demo" && pwd -P) >"$REPO_DIR/.tidemill/run/data"
  "$LOCAL_DIR/down.sh" --home "$REPO_DIR/.tidemill" --wipe
fi
say "deleting $REPO_DIR/.tidemill and $REPO_DIR/target"
rm -rf "$REPO_DIR/.tidemill" "$REPO_DIR/target"
note "downloads are kept in $CACHE_DIR"
