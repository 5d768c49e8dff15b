# shellcheck shell=bash
# The schema registry, built from the module that infra/registry/go.mod pins.

install_registry() {
  if [ -x "$(registry_program)" ]; then return 0; fi
  go_build "$INFRA_DIR/registry" github.com/axonops/axonops-schema-registry/cmd/schema-registry "$(registry_program)"
}
