# shellcheck shell=bash
# PostgreSQL, where the schema registry keeps its schemas. It refuses root and cannot see root's folders, so its
# data lies under /var/tmp, named after the data folder it belongs to and carrying that folder's id.

postgres_title() { echo PostgreSQL; }
postgres_ports() { echo postgres; }
postgres_seconds() { echo 60; }
postgres_mark() { echo "postgres -D $(postgres_data) "; }

postgres_data() { echo "/var/tmp/tidemill-pg-$(id -u)-$(printf '%s' "$DATA_DIR" | sha256 | cut -c1-12)"; }

# postgres_program NAME: the newest installed one; Debian keeps them off the PATH.
postgres_program() {
  local found
  found=$(find /usr/lib/postgresql -path "*/bin/$1" 2>/dev/null | sort -V | tail -n 1)
  printf '%s' "${found:-$(command -v "$1" || true)}"
}

# as_postgres COMMAND...: as the user postgres when we are root. setpriv becomes the command; runuser would stay its parent.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then set -- setpriv --reuid postgres --regid postgres --init-groups -- "$@"; fi
  "$@"
}

postgres_config() {
  echo "port $(port_of postgres)"
  echo "data $(postgres_data)"
}

postgres_prepare() {
  local pg pid
  pg=$(postgres_data)
  if cmp -s "$DATA_DIR/cluster.id" "$pg/tidemill.id"; then
    # After a SIGKILL its lock names a process that is gone, or a zombie that PostgreSQL takes for a live one.
    pid=$(head -n 1 "$pg/postmaster.pid" 2>/dev/null || true)
    if [ -n "$pid" ] && [ -z "$(command_of "$pid")" ]; then rm -f "$pg/postmaster.pid"; fi
  else
    make_postgres_data "$pg"
  fi
}

# Made aside and moved into place at the end; made anew when it belongs to a data folder that was emptied since.
make_postgres_data() {
  local pg=$1 new owner
  owner=$(id -un)
  if [ "$owner" = root ]; then owner=postgres; fi
  new=$pg.new
  rm -rf "$new" "$pg"
  install -d -m 700 -o "$owner" "$new"
  install -m 600 -o "$owner" "$DATA_DIR/postgres.password" "$new/password"
  (
    cd "$new"
    as_postgres "$(postgres_program initdb)" -D "$new/cluster" --username=registry --auth=scram-sha-256 --encoding=UTF8 \
      --locale=C --no-sync --pwfile="$new/password"
  ) >"$LOG_DIR/postgres-initdb.log" 2>&1 || {
    last_lines "$LOG_DIR/postgres-initdb.log" >&2
    die "PostgreSQL could not make its data folder $new"
  }
  cp "$DATA_DIR/cluster.id" "$new/cluster/tidemill.id"
  mv "$new/cluster" "$pg"
  rm -r "$new"
}

postgres_command() {
  COMMAND=("$(postgres_program postgres)" -D "$(postgres_data)" -p "$(port_of postgres)" -h 127.0.0.1
    -c unix_socket_directories= -c max_connections=20 -c shared_buffers=16MB -c log_min_messages=warning)
  if [ "$(id -u)" = 0 ]; then
    COMMAND=(setpriv --reuid postgres --regid postgres --init-groups -- "${COMMAND[@]}")
  fi
}

postgres_ready() {
  "$(postgres_program pg_isready)" -q -h 127.0.0.1 -p "$(port_of postgres)" -U registry -d postgres
}
