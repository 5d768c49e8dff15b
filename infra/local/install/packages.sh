# shellcheck shell=bash
# System packages: Debian's names, each with the question whether it is needed at all.

build_packages="build-essential pkg-config ca-certificates curl python3 python3-venv libcurl4-openssl-dev libssl-dev zlib1g-dev libclang-dev cmake"
part_packages="default-jre-headless maven postgresql redis-server redis-tools kcat"
check_packages="shellcheck docker-compose"

# present PACKAGE: what it is for is there, from whatever source.
present() {
  case $1 in
    build-essential) have cc && have c++ && have make ;;
    ca-certificates) [ -e /etc/ssl/certs/ca-certificates.crt ] || [ -d /etc/pki/tls ] || [ "$(uname)" = Darwin ] ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    libcurl4-openssl-dev) pkg-config --exists libcurl 2>/dev/null ;;
    libssl-dev) pkg-config --exists openssl 2>/dev/null ;;
    zlib1g-dev) pkg-config --exists zlib 2>/dev/null ;;
    libclang-dev) has_libclang ;;
    default-jre-headless) [ "$(java_version)" -ge 17 ] ;;
    maven) have mvn ;;
    postgresql) [ -n "$(postgres_program initdb)" ] && { [ "$(id -u)" != 0 ] || have setpriv; } ;;
    redis-tools) have redis-cli ;;
    docker-compose) have docker-compose || docker compose version >/dev/null 2>&1 ;;
    *) have "$1" ;;
  esac
}

has_libclang() {
  [ -n "$(find "${LIBCLANG_PATH:-/nonexistent}" /usr/lib/llvm-* /usr/lib64 /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu \
    -name 'libclang*.so*' ! -name 'libclang-cpp*' 2>/dev/null | head -n 1)" ]
}

java_version() {
  local version
  version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  printf '%s' "${version:-0}"
}

missing_packages() {
  local package
  for package in $1; do
    if ! present "$package"; then printf '%s ' "$package"; fi
  done
}

# install_packages "NAME...": only the missing ones, and apt-get only when there are any.
install_packages() {
  local missing
  missing=$(missing_packages "$1")
  if [ -z "$missing" ]; then return 0; fi
  if ! have apt-get; then
    die "this machine lacks: $missing" \
      "these are Debian's names; install them in this system's way and run this again," \
      "or run the parts in Docker: TIDEMILL_INFRA=compose make up"
  fi
  if [ "$(id -u)" != 0 ] && ! have sudo; then
    die "system packages are missing and only root can install them" \
      "run as root: apt-get update && apt-get install -y --no-install-recommends $missing"
  fi
  long_step "asking apt-get for its newest lists" "$CACHE_DIR/logs/apt-update.log" apt_get update ||
    die "apt-get update failed" "is the network there? the log: $CACHE_DIR/logs/apt-update.log"
  trap allow_daemons EXIT
  forbid_daemons
  # Word splitting makes the list.
  # shellcheck disable=SC2086
  long_step "installing ${missing% }" "$CACHE_DIR/logs/apt-install.log" \
    apt_get install -y --no-install-recommends $missing ||
    die "apt-get install failed" "the log: $CACHE_DIR/logs/apt-install.log" "to see it yourself: apt-get install $missing"
  allow_daemons
  trap - EXIT
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"; }

# Debian's Redis and PostgreSQL start themselves when installed. Not here: ours run from this checkout, on ports of
# their own. Both files are taken away again; what an administrator put there is left alone.
daemon_policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/tidemill.conf
forbid_daemons() {
  if [ ! -e "$daemon_policy" ]; then
    printf '#!/bin/sh\n# tidemill: no daemons while installing\nexit 101\n' | as_root tee "$daemon_policy" >/dev/null
    as_root chmod 755 "$daemon_policy"
  fi
  as_root mkdir -p "$(dirname "$no_cluster")"
  echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
}
allow_daemons() {
  if grep -q '^# tidemill:' "$daemon_policy" 2>/dev/null; then as_root rm -f "$daemon_policy"; fi
  as_root rm -f "$no_cluster"
}
