# Everything that is done with this checkout; `make` alone lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(ARGS)

.PHONY: help
help: ## list the targets
	@echo 'usage: make TARGET [ARGS="..."]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

$(BIN)/python:
	@for python in python3.13 python3.12 python3.11 python3; do \
		if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "$(VENV) with $$("$$python" --version)"; \
			exec "$$python" -m venv $(VENV); \
		fi; \
	done; \
	echo 'Python 3.11 or later with its venv module is needed (on Debian: apt-get install python3 python3-venv).' >&2; exit 1

$(VENV)/.installed: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements.txt
	$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/.installed ## put everything into .venv, so that .venv/bin/panelstream is the program

.PHONY: install-dev
install-dev: $(VENV)/.installed-dev ## the same with what tests and lint need

.PHONY: demo
demo: install ## the main job on sample data, then the service with its address (ARGS=--exit: end by itself)
	$(BIN)/panelstream demo $(ARGS)

.PHONY: tools
tools: ## what tests need beside Python: installed on Debian as root, else named
	@ops/ensure_test_tools.sh

.PHONY: lint
lint: install-dev ## ruff, mypy and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: install-dev tools lint ## lint and all tests, on a real Kafka (ARGS: for pytest)
	$(BIN)/python -m pytest $(ARGS)

.PHONY: test-long
test-long: install-dev tools ## with the long tests and many more examples of each law
	PANELSTREAM_TESTS=long $(BIN)/python -m pytest $(ARGS)

.PHONY: bench
bench: install ## the benchmarks, with a real Kafka (ARGS="--only NAME"): a table, and bench-out/results.json; ARGS=--keep: into docs/benchmarks.md too
	$(BIN)/python -m ops.bench $(ARGS)

.PHONY: lock
lock: install-dev ## write requirements*.txt from pyproject.toml (ARGS=--upgrade: with the newest versions)
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra dev --constraint requirements.txt --output-file requirements-dev.txt

.PHONY: clean
clean: ## remove what the targets made, .venv included
	rm -rf $(VENV) build *.egg-info demo-out bench-out .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
