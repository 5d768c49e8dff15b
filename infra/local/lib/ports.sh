# shellcheck shell=bash
# Ports of a home: chosen once, remembered in $HOME_DIR/ports, kept while nobody else took them.
# All lie below the range that the system gives to outgoing connections.

port_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

remembered_port() { sed -n "s/^$1=//p" "$HOME_DIR/ports" 2>/dev/null | head -n 1; }

# port_of NAME: the remembered port, or a new one.
port_of() {
  local port
  port=$(remembered_port "$1")
  if [ -z "$port" ]; then port=$(new_port "$1"); fi
  printf '%s' "$port"
}

# new_port NAME: picks a free port and remembers it in place of the old one.
new_port() {
  local port tries=0
  while :; do
    port=$((20000 + RANDOM % 12000))
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || die "no free port found between 20000 and 32000"
    if grep -q "=$port\$" "$HOME_DIR/ports" 2>/dev/null; then continue; fi
    if ! port_busy "$port"; then break; fi
  done
  { grep -v "^$1=" "$HOME_DIR/ports" 2>/dev/null || true; printf '%s=%s\n' "$1" "$port"; } | write_file "$HOME_DIR/ports"
  printf '%s' "$port"
}

# free_port_of NAME: the remembered port unless a stranger listens on it by now. For what is not running.
free_port_of() {
  local port
  port=$(port_of "$1")
  if port_busy "$port"; then port=$(new_port "$1"); fi
  printf '%s' "$port"
}
