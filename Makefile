# Everything one does with a checkout. The work is in infra/local/*.sh; each explains itself with --help.
.DEFAULT_GOAL := help
.PHONY: help demo test up services down bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=...   is handed on by demo, test and bench        TRACES=1   starts a trace viewer too"
	@echo "  TIDEMILL_INFRA=compose   runs Kafka, Redis and so on in Docker instead of natively"

demo: ## from nothing to predictions: install, build, start everything, publish and watch
	@infra/local/demo.sh $(ARGS)

test: ## all that CI checks: formatting, lints, scripts, and every test on real infrastructure
	@infra/local/test.sh $(ARGS)

up: ## install what is missing and start Kafka, schema registry, Redis and collector
	@infra/local/install.sh
	@infra/local/up.sh

services: up ## build the services (release) and start those that do not run
	@infra/local/build.sh
	@infra/local/services.sh start

down: ## stop services and infrastructure; data is kept
	@infra/local/down.sh

bench: ## measure throughput and latency on an infrastructure of its own
	@infra/local/bench.sh $(ARGS)

clean: ## stop everything and delete .tidemill (all data) and target
	@infra/local/clean.sh
