# Every target makes what it needs: one command is enough on a fresh machine.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
SOURCES := ablestack_api tests

PROFILE ?= hci
NODE ?= cube1
TESTS ?= tests/lab
LAB := $(BIN)/python -m tests.lab

.PHONY: help setup demo run test test-tools check bench lab lab-test lab-status lab-shell lab-down lock openapi clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment; as root also install the system packages it needs

$(STAMP): requirements-dev.lock pyproject.toml VERSION packaging/install-build-packages.sh
	bash packaging/install-build-packages.sh
	test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --config-settings editable_mode=compat --editable .
	touch $@

demo: setup ## Three nodes on this machine: apply a cluster over HTTP and read its health back
	$(BIN)/python -m tests.support.demo

run: setup ## Run one node in .demo/node on 127.0.0.1:8090
	$(BIN)/python -m tests.support.run_node

test: setup ## Unit, contract, architecture and local-node tests (not the lab)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-tools: ## The real programs that some tests run on this machine (root, Debian); without them those are skipped
	bash packaging/install-test-tools.sh

check: setup ## Lint, format, types, import rules, description
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/ablestack-api openapi | cmp - docs/api/openapi.json || { echo "docs/api/openapi.json is old: make openapi"; exit 1; }

bench: setup ## Measure speed and size; prints one JSON object
	$(BIN)/python -m tests.bench

lab: setup ## A real three-node cluster in namespaces, with the product installed and applied (root; PROFILE=hci|vm|standalone)
	$(LAB) prepare
	$(LAB) up --profile $(PROFILE)
	$(LAB) apply --profile $(PROFILE)

lab-test: setup ## The tests that need the lab (root; PROFILE=…, TESTS=arguments of pytest)
	$(LAB) prepare
	$(LAB) test --profile $(PROFILE) -- $(TESTS)

lab-status: setup ## What of the lab is running
	$(LAB) status --profile $(PROFILE)

lab-shell: setup ## A shell in a node of the lab: make lab-shell NODE=cube1
	$(LAB) shell --profile $(PROFILE) --node $(NODE)

lab-down: setup ## Take the lab down without a trace
	$(LAB) down --profile $(PROFILE)

openapi: setup ## Write the description of the API to docs/api/openapi.json
	mkdir -p docs/api
	$(BIN)/ablestack-api openapi > docs/api/openapi.json

lock: setup ## Renew the hashed lock files
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-options \
	  --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --extra dev --no-emit-index-url \
	  --no-emit-find-links --no-emit-options --output-file requirements-dev.lock pyproject.toml

clean: ## Remove everything that was made here
	rm -rf $(VENV) .demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
