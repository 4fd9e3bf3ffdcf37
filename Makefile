# `make demo` and `make test` need Python 3.11+ and nothing else: they set everything up in .venv first.
# PYTHON is the interpreter to build it with (default: the oldest supported one on this machine).
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types imports wire bench clean

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

demo: setup ## a 3-agent cluster runs 30 real tasks of a framework
	$(BIN)/python examples/demo.py

test: setup ## all tests
	$(BIN)/python -m pytest -n auto

lint: setup ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy
	$(BIN)/mypy

imports: setup ## who may import whom
	$(BIN)/lint-imports

bench: setup ## measures against peers; prints ratios
	$(BIN)/python -m benchmarks

wire: ## regenerates pymesoskit/wire/v1 from the .proto files
	@test -x .venv-wire/bin/python || { $(PYTHON) -m venv .venv-wire && .venv-wire/bin/pip install --quiet grpcio-tools==1.78.0; }
	.venv-wire/bin/python tools/generate_wire.py

clean: ## removes what set-up and tests made
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
