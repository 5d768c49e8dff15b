# shellcheck shell=bash
# The OpenTelemetry collector with just the parts we use, built from the sources in infra/otel/collector.

install_collector() {
  if [ -x "$(collector_program)" ]; then return 0; fi
  go_build "$(collector_source)" . "$(collector_program)"
}
