#!/usr/bin/env bash
# Writes main.go, components.go, go.mod and go.sum again from builder.yaml. For maintainers; installing does not need it.
set -euo pipefail

cd "$(dirname "$0")"
go run go.opentelemetry.io/collector/cmd/builder@v0.145.0 --config=builder.yaml --skip-compilation
rm -f main_windows.go
