# shellcheck shell=bash
# The same parts in containers, by docker-compose.yml, for machines without Debian's packages.

# A docker on the PATH says nothing: ask for its daemon.
docker_runs() { have docker && docker info >/dev/null 2>&1; }

# infra_mode: what TIDEMILL_INFRA asks for; by itself native, or compose where there is no apt-get but a Docker.
infra_mode() {
  case ${TIDEMILL_INFRA:-} in
    native | compose) printf '%s' "$TIDEMILL_INFRA" ;;
    '') if ! have apt-get && ! have redis-server && docker_runs; then echo compose; else echo native; fi ;;
    *) die "TIDEMILL_INFRA is \"$TIDEMILL_INFRA\"" "it may be native or compose" ;;
  esac
}

# compose ARGUMENT...: Docker's second-generation plugin (the first, docker-compose, cannot wait), one project per home.
compose() {
  docker compose -p "tidemill-$(printf '%s' "$HOME_DIR" | sha256 | cut -c1-8)" -f "$REPO_DIR/docker-compose.yml" "$@"
}

# compose_settings: the variables that docker-compose.yml reads, from the ports and folders of this home.
compose_settings() {
  local name variable
  for name in kafka registry redis otlp otlp_http zipkin; do
    variable=TIDEMILL_PORT_$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
    export "$variable=$(port_of "$name")"
  done
  TIDEMILL_DATA_DIR=$DATA_DIR
  TIDEMILL_CLUSTER_ID=$(cat "$DATA_DIR/cluster.id")
  TIDEMILL_USER=$(id -u):$(id -g)
  TIDEMILL_OTEL_VIEWER=collector.yaml
  if [ "${TRACES:-0}" = 1 ]; then TIDEMILL_OTEL_VIEWER=jaeger.yaml; fi
  export TIDEMILL_DATA_DIR TIDEMILL_CLUSTER_ID TIDEMILL_USER TIDEMILL_OTEL_VIEWER
}

# compose_up: volumes that belong to a data folder emptied since are thrown away first.
compose_up() {
  local profile=()
  docker_runs || die "Docker does not answer" "start it (docker info must work), or use TIDEMILL_INFRA=native"
  docker compose version >/dev/null 2>&1 || die "docker compose is missing" "install Docker's compose plugin"
  compose_settings
  mkdir -p "$DATA_DIR/otel"
  if ! cmp -s "$DATA_DIR/cluster.id" "$RUN_DIR/compose.id"; then compose --profile traces down --volumes; fi
  cp "$DATA_DIR/cluster.id" "$RUN_DIR/compose.id"
  if [ "${TRACES:-0}" = 1 ]; then profile=(--profile traces); fi
  say "starting containers"
  compose ${profile[@]+"${profile[@]}"} up --detach --wait ||
    die "docker compose could not start everything" "look at: docker compose ls, docker compose -p PROJECT logs"
  : >"$RUN_DIR/compose"
}

# compose_down WIPE: only when this home was started that way.
compose_down() {
  local volumes=()
  [ -e "$RUN_DIR/compose" ] || return 0
  if [ "$1" = 1 ]; then volumes=(--volumes); fi
  say "stopping containers"
  compose_settings
  compose --profile traces down ${volumes[@]+"${volumes[@]}"}
  rm -f "$RUN_DIR/compose"
}
