# Every target sets up what it needs; a fresh clone on a machine with Python 3.10+ is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-unit test-integration test-cluster lint types format clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

test: $(STAMP)  ## Run the tests that need nothing but this machine
	$(BIN)/python -m pytest

test-unit: $(STAMP)
	$(BIN)/python -m pytest tests/unit

test-integration: $(STAMP)
	$(BIN)/python -m pytest tests/integration

test-cluster: $(STAMP)  ## Run the tests on a real Kubernetes (KUBECONFIG, else one of our own)
	test -n "$$KUBECONFIG" || $(BIN)/python -m tests.cluster build
	$(BIN)/python -m pytest tests/kubernetes

lint: $(STAMP)  ## Check style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## Check types
	$(BIN)/mypy

format: $(STAMP)  ## Reformat the sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what the targets made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .demo
