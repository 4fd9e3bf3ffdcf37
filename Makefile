# `make demo` and `make test` need Python 3.11+ and nothing else: they set everything up in .venv first.
# PYTHON is the interpreter to build it with (default: the oldest supported one on this machine).
.DEFAULT_GOAL := help
.PHONY: help setup foreign docker demo test nightly lint types imports examples wire api bench clean

PYTHON ?= $(shell sh tools/find-python oldest)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## what there is to make
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## makes .venv with all that development, tests and examples need

$(READY): pyproject.toml tools/find-python
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

# Other people's clients, for the tests in tests/foreign: the script says what this machine lacks for which of them.
FOREIGN := .foreign/.ready

foreign: $(FOREIGN) ## installs other people's Mesos clients in .foreign, as far as this machine has what they need

$(FOREIGN): tools/setup-foreign $(wildcard tests/foreign/requirements*.txt) tests/foreign/programs/node/package.json $(wildcard tests/foreign/programs/mesos_go/*)
	sh tools/setup-foreign
	@touch $@

# A Docker engine for the tests in tests/docker, which start it themselves where they may.
DOCKER := .docker/.ready

docker: $(DOCKER) ## unpacks a Docker engine in .docker, as far as this machine has what that needs

$(DOCKER): tools/setup-docker
	sh tools/setup-docker
	@touch $@

demo: setup ## a 3-agent cluster runs 30 real tasks of a framework
	$(BIN)/python examples/demo.py

test: setup foreign docker ## all tests, and the examples
	$(BIN)/python -m pytest -n auto

nightly: setup ## 10,000 hostile requests to each endpoint (make test sends a sample)
	PYMESOSKIT_FUZZ=10000 $(BIN)/python -m pytest -n auto tests/hostile

lint: setup ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy
	$(BIN)/mypy

imports: setup ## who may import whom
	$(BIN)/lint-imports

api: setup ## writes docs/api.md, the list of all public names, anew
	$(BIN)/python tools/api.py

bench: setup ## measures against peers; prints ratios
	$(BIN)/python -m benchmarks

wire: ## regenerates pymesoskit/wire/v1 from the .proto files
	@test -x .venv-wire/bin/python || { $(PYTHON) -m venv .venv-wire && .venv-wire/bin/pip install --quiet grpcio-tools==1.78.0; }
	.venv-wire/bin/python tools/generate_wire.py

clean: ## removes what set-up and tests made
	rm -rf .venv .venv-* .foreign .docker .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
