# `make demo` and `make test` need Python 3.11 or newer and nothing else: they set everything up in .venv first.
# PYTHON is the interpreter for .venv (default: the oldest supported one on this machine).
.DEFAULT_GOAL := help
.PHONY: help setup foreign docker demo test coverage test-lowest nightly lint types imports docs api dist changelog bench wire clean

PYTHON ?= $(shell sh tools/find-python oldest)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := -m pip install --quiet --disable-pip-version-check

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: $(READY) ## create .venv with everything that development, tests and examples need

$(READY): pyproject.toml tools/find-python
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) --editable '.[dev]'
	@touch $(READY)

# Other people's clients, for the tests in tests/foreign. The script says which of them this machine cannot run, and why.
FOREIGN := .foreign/.ready

foreign: $(FOREIGN) ## install other people's Mesos clients in .foreign, as far as this machine has what they need

$(FOREIGN): tools/setup-foreign tests/foreign/requirements.txt tests/foreign/requirements-cli.txt tests/foreign/programs/node/package.json $(wildcard tests/foreign/programs/mesos_go/*)
	sh tools/setup-foreign
	@touch $@

# A Docker engine for the tests in tests/docker, which start it themselves where they may.
DOCKER := .docker/.ready

docker: $(DOCKER) ## unpack a Docker engine in .docker, as far as this machine has what it needs

$(DOCKER): tools/setup-docker
	sh tools/setup-docker
	@touch $@

demo: setup ## run 30 real tasks of a framework on a cluster of 3 agents
	$(BIN)/python examples/demo.py

test: setup foreign docker ## run all tests and the examples
	$(BIN)/python -m pytest -n auto

coverage: setup foreign docker ## run all tests and the examples; measure branch coverage, fail below the floor in pyproject.toml
	$(BIN)/python -m pytest -n auto --cov --cov-report=term

# The lowest versions that pyproject.toml allows, on the oldest supported Python, in .venv-lowest.
test-lowest: ## run the tests of the package with the lowest versions of its dependencies
	rm -rf .venv-lowest
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) tools/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python $(PIP) --constraint .venv-lowest/constraints.txt --editable '.[testing,constraints]' hypothesis pytest-timeout pytest-xdist responses
	.venv-lowest/bin/python -m pytest -n auto -q tests/wire tests/resources tests/transport tests/scheduler tests/executor tests/allocator tests/plugin tests/cluster

nightly: setup ## send 10,000 hostile requests to each endpoint (make test sends a sample)
	PYMESOSKIT_FUZZ=10000 $(BIN)/python -m pytest -n auto tests/hostile

lint: setup ## check style, dead code, spelling, wording and news fragments
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture
	$(BIN)/codespell
	$(BIN)/python tools/prose.py
	$(BIN)/towncrier build --draft > /dev/null

types: setup ## check types with mypy, and with pyright that every symbol of the package has one
	$(BIN)/mypy
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/pyright --verifytypes pymesoskit --ignoreexternal

imports: setup ## check which packages import which
	$(BIN)/lint-imports

api: setup ## write docs/api.md, the list of all public names
	$(BIN)/python tools/api.py

docs: setup ## build the documentation site in build/docs; warnings are errors
	@$(BIN)/python -c 'import furo, mermaidx, myst_parser, sphinx_copybutton' 2> /dev/null || $(BIN)/python $(PIP) --editable '.[docs]'
	rm -rf build/docs build/doctrees
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees -c docs . build/docs
	@echo "built build/docs/index.html"

dist: setup ## build sdist and wheel in dist, check them, and run a framework from the installed wheel
	@$(BIN)/python -c 'import build, twine' 2> /dev/null || $(BIN)/python $(PIP) --editable '.[release]'
	rm -rf dist
	$(BIN)/python -m build --quiet --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python tools/check_dist.py dist

changelog: setup ## move the fragments in changes/ to CHANGELOG.md, under the version in pymesoskit/__init__.py
	$(BIN)/towncrier build --yes

bench: setup ## measure against comparable software on this machine; print ratios
	$(BIN)/python -m benchmarks

wire: ## regenerate pymesoskit/wire/v1 from the .proto files
	@test -x .venv-wire/bin/python || { $(PYTHON) -m venv .venv-wire && .venv-wire/bin/pip install --quiet grpcio-tools==1.78.0; }
	.venv-wire/bin/python tools/generate_wire.py

clean: ## remove everything that set-up and tests created
	rm -rf .venv .venv-* .foreign .docker .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
