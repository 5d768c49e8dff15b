# shellcheck shell=bash
# Zipkin, a page to look at traces; only with TRACES=1, and then until `down`. It keeps traces in memory.

zipkin_version=3.5.1

zipkin_title() { echo "Zipkin $zipkin_version"; }
zipkin_ports() { echo zipkin; }
zipkin_seconds() { echo 90; }
zipkin_mark() { echo "-Dtidemill.run=$RUN_DIR "; }

zipkin_jar() { echo "$CACHE_DIR/zipkin-$zipkin_version/zipkin.jar"; }
zipkin_wanted() { [ "${TRACES:-0}" = 1 ] || part_pid zipkin >/dev/null; }

zipkin_config() { echo "port $(port_of zipkin)"; }
zipkin_prepare() { :; }
zipkin_command() {
  COMMAND=(java -Xmx256m -XX:+UseSerialGC "-Dtidemill.run=$RUN_DIR" -jar "$(zipkin_jar)"
    # Spring's server.port would listen on every address.
    "--armeria.ports[0].port=$(port_of zipkin)" '--armeria.ports[0].address=127.0.0.1' '--armeria.ports[0].protocols[0]=http'
    --logging.level.root=WARN)
}
zipkin_ready() { curl -fsS -m 2 "http://127.0.0.1:$(port_of zipkin)/health" >/dev/null 2>&1; }
