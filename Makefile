# The front door for people. Needs Python 3.11-3.13, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
REPO ?= .
BENCH ?=
# Test modules that run side by side: two more than two cores, as many wait for processes.
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help install install-dev run dev test check format bench lock clean

help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12 …" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	@echo "Installing into $(VENV): some minutes, torch being most of it."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

install: $(VENV)/.installed  ## Install into .venv, versions locked

install-dev: $(VENV)/.installed-dev  ## … with what tests and checks need

run: install  ## Index a repository: make run REPO=owner/name (default: this checkout)
	$(BIN)/ingestion-pipeline run "$(REPO)"

dev: install  ## Dagster on http://127.0.0.1:3000 and the HTTP door on http://127.0.0.1:8080
	$(BIN)/ingestion-pipeline dev

test: install-dev  ## Run every test
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

check: install-dev  ## Format, lint, types, borders
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/dagster definitions validate

format: install-dev  ## Rewrite the code in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install-dev  ## Measure speed: make bench BENCH=run_overhead (default: all)
	$(BIN)/python -m benchmarks $(BENCH)

lock: install-dev  ## Write constraints.txt anew from what is installed
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:  ## Remove the virtual environment and every trace of runs
	rm -rf $(VENV) .data .dagster .tmp_dagster_home_* .logs_queue artifacts
