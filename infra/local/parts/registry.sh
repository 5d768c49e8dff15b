# shellcheck shell=bash
# The schema registry (Confluent's API), built by install/registry.sh, with its schemas in PostgreSQL.

registry_version=0.2.1

registry_title() { echo "schema registry $registry_version"; }
registry_ports() { echo registry; }
registry_seconds() { echo 60; }
registry_mark() { echo "schema-registry -config $RUN_DIR/registry.conf"; }

registry_program() { echo "$CACHE_DIR/registry-$registry_version-$(hash_of "$INFRA_DIR/registry/go.mod" "$INFRA_DIR/registry/go.sum")/schema-registry"; }

registry_config() {
  render "$INFRA_DIR/registry/registry.yaml" @PORT@ "$(port_of registry)" @POSTGRES_PORT@ "$(port_of postgres)" \
    @PASSWORD@ "$(cat "$DATA_DIR/postgres.password")"
}
registry_prepare() { :; }
registry_command() { COMMAND=("$(registry_program)" -config "$RUN_DIR/registry.conf"); }

# It answers from its database, and the level below which no schema may fall is set.
registry_ready() {
  local url
  url=http://127.0.0.1:$(port_of registry)
  curl -fsS -m 2 "$url/subjects" >/dev/null 2>&1 &&
    curl -fsS -m 2 -X PUT -H 'Content-Type: application/vnd.schemaregistry.v1+json' \
      -d '{"compatibility": "BACKWARD_TRANSITIVE"}' "$url/config" >/dev/null 2>&1
}
