# shellcheck shell=bash
# $HOME_DIR/env: where everything is, one NAME=value a line, for `source`, make and grep alike.

# Every service of the platform, in the order of the stream. The one list.
service_names="ingestor validator feature-builder predictor evaluator trainer deployer drift-watcher"

token() {
  if [ ! -s "$HOME_DIR/token" ]; then random_hex 24 | write_file "$HOME_DIR/token"; fi
  cat "$HOME_DIR/token"
}

# as_variable NAME: feature-builder -> TIDEMILL_FEATURE_BUILDER_URL
as_variable() { printf 'TIDEMILL_%s_URL' "$(printf '%s' "$1" | tr 'a-z-' 'A-Z_')"; }

# as_file_url PATH: percent-encodes what a URL may not hold as it is.
as_file_url() {
  local path=$1 out='' char i
  for ((i = 0; i < ${#path}; i++)); do
    char=${path:i:1}
    case $char in
      [A-Za-z0-9/._~-]) out+=$char ;;
      *) out+=$(printf '%s' "$char" | od -An -tx1 | tr -d '\n' | tr ' ' '%' | tr 'a-f' 'A-F') ;;
    esac
  done
  printf 'file://%s' "$out"
}

write_env() {
  local name
  {
    printf 'TIDEMILL_KAFKA=127.0.0.1:%s\n' "$(port_of kafka)"
    printf 'TIDEMILL_REDIS=127.0.0.1:%s\n' "$(port_of redis)"
    printf 'TIDEMILL_REGISTRY=http://127.0.0.1:%s\n' "$(port_of registry)"
    printf 'TIDEMILL_OTLP=http://127.0.0.1:%s\n' "$(port_of otlp_http)"
    printf 'TIDEMILL_OTLP_GRPC=http://127.0.0.1:%s\n' "$(port_of otlp)"
    printf 'TIDEMILL_STORE=%s\n' "$(as_file_url "$DATA_DIR/store")"
    for name in $service_names; do
      printf '%s=http://127.0.0.1:%s\n' "$(as_variable "$name")" "$(port_of "$name")"
    done
    printf 'TIDEMILL_TOKEN=%s\n' "$(token)"
  } | write_file "$ENV_FILE"
}

# export_env: the same, into the environment of what is started from here.
export_env() {
  [ -s "$ENV_FILE" ] || die "nothing has been started in $HOME_DIR yet" "run infra/local/up.sh --home $HOME_DIR"
  set -a
  # shellcheck disable=SC1090
  . "$ENV_FILE"
  set +a
}
