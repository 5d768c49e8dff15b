# shellcheck shell=bash
# cmake 3.18 or newer, for LightGBM; Debian 12's is. An older system gets one from PyPI, in a virtual environment in
# the cache (LightGBM newer than 4.5, so lightgbm3-sys newer than 1.0.3, would need 3.28).
# `build_path` in toolchain.sh puts it before the system's.

install_cmake() {
  if newer_or_same "$(cmake --version 2>/dev/null | awk 'NR == 1 { print $3 }' | grep . || echo 0)" 3.18; then return 0; fi
  if [ -x "$CACHE_DIR/bin/cmake" ]; then return 0; fi
  install_from_pypi cmake cmake==3.31.10 cmake
}

# install_from_pypi SLOT REQUIREMENT PROGRAM: a virtual environment, and its program in $CACHE_DIR/bin.
install_from_pypi() {
  local venv=$CACHE_DIR/$1-venv
  # An environment knows its own path, so it is made in place; the link in bin/, made last, says that it is whole.
  rm -rf "$venv"
  long_step "installing $2 from PyPI" "$CACHE_DIR/logs/$1.log" make_venv "$venv" "$2" ||
    die "$2 could not be installed from PyPI" "is the network there? the log: $CACHE_DIR/logs/$1.log"
  mkdir -p "$CACHE_DIR/bin"
  ln -sfn "$venv/bin/$3" "$CACHE_DIR/bin/$3"
}

make_venv() { python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check "$2"; }
