# shellcheck shell=bash
# build_path: what was installed into the cache (cmake) comes before the system's when cargo runs.

build_path() {
  if [ -d "$CACHE_DIR/bin" ]; then
    PATH=$CACHE_DIR/bin:$PATH
    export PATH
  fi
}
