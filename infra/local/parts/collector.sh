# shellcheck shell=bash
# The OpenTelemetry collector, built by install/collector.sh. It writes to $DATA_DIR/otel.

collector_version=0.145.0

collector_title() { echo "OpenTelemetry collector $collector_version"; }
collector_ports() { echo "otlp otlp_http"; }
collector_seconds() { echo 30; }
collector_mark() { echo "otelcol --config $RUN_DIR/collector.conf"; }

collector_source() { echo "$INFRA_DIR/otel/collector"; }
collector_program() {
  echo "$CACHE_DIR/otelcol-$collector_version-$(hash_of "$(collector_source)"/*.go "$(collector_source)/go.mod" "$(collector_source)/go.sum")/otelcol"
}

collector_config() {
  # shellcheck disable=SC2016  # these literals are the collector's own placeholders
  render "$INFRA_DIR/otel/collector.yaml" '${env:OTLP_GRPC_LISTEN}' "127.0.0.1:$(port_of otlp)" \
    '${env:OTLP_HTTP_LISTEN}' "127.0.0.1:$(port_of otlp_http)" '${env:OTEL_DIR}' "$DATA_DIR/otel"
  if zipkin_wanted; then echo "# traces also go to Zipkin on port $(port_of zipkin)"; fi
}
collector_prepare() { mkdir -p "$DATA_DIR/otel"; }

collector_command() {
  COMMAND=("$(collector_program)" --config "$RUN_DIR/collector.conf")
  if zipkin_wanted; then
    COMMAND=(env "ZIPKIN_ENDPOINT=http://127.0.0.1:$(port_of zipkin)/api/v2/spans"
      "${COMMAND[@]}" --config "$INFRA_DIR/otel/zipkin.yaml")
  fi
}

# Both of its ports are open, and it accepts an empty export.
collector_ready() {
  port_busy "$(port_of otlp)" &&
    curl -fsS -m 2 -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$(port_of otlp_http)/v1/traces" >/dev/null 2>&1
}
