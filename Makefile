# The verbs of this project. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
FIND_PYTHON := for name in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done || true

.PHONY: help setup demo test check bench docs fix

help: ## list the verbs
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: .venv/.dev ## create .venv and install everything that developing needs

demo: .venv/.core ## run the shipped model on real video and pictures, write demo/index.html
	@$(BIN)/python -m vljepa.cli.demo --into demo
	@echo "Open $(CURDIR)/demo/index.html in a browser."

test: .venv/.dev ## run all tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

check: .venv/.dev ## lint, format, types, layers, spelling, dead code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell
	@$(BIN)/vulture

bench: .venv/.dev ## measure speed: every script of benchmarks/
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

docs: .venv/.core ## write what is derived
	@$(BIN)/python docs/generate.py

fix: .venv/.dev ## format, and repair what ruff can repair
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.venv/bin/python:
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then \
		echo "vljepa needs Python 3.11 or later and found $$(python3 --version 2>&1 || echo none)." >&2; \
		echo "Install one, or name it: make setup PYTHON=/path/to/python3.11" >&2; exit 1; \
	fi; \
	"$$python" -m venv .venv

# Without the constraints pip may choose a build of torch with gigabytes of GPU libraries.
.venv/.core: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing vljepa into .venv (the first time this takes a few minutes) ..."
	@$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/.dev: .venv/.core tests/oracles.txt
	@echo "Installing what training and testing need ..."
	@$(PIP) install --quiet --constraint constraints.txt --editable ".[train,hub,corpus,lora,tensorboard,serve,mcp,dev]"
	@# Measured against in tests alone; their own dependencies would drag in other versions of ours.
	@$(PIP) install --quiet --no-deps --requirement tests/oracles.txt
	@touch $@
