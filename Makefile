# Every target sets up what it needs; a fresh clone on a machine with Python 3.10+ is enough.
# `make PYTHON=/path/to/python3` chooses the interpreter.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo lab labextension screenshots test test-ui test-unit test-preemption test-integration test-cluster test-container test-slurm test-gridengine lint types format benchmark docs wheel clean
export PYTHON

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | column -t -s '|'

$(BIN)/python:
	@scripts/venv.sh $(VENV)

# Two stamps: the demo needs much less than development does.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (a minute or two) ..."
	@$(PIP) --editable '.[examples]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) (a minute or two) ..."
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## Run an example notebook as a job and show what came out
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/demo.sh

$(VENV)/.lab: pyproject.toml | $(BIN)/python
	@echo "Installing JupyterLab into $(VENV) (a minute or two) ..."
	@$(PIP) --editable '.[examples,lab]' hatchling
	@$(PIP) $$($(BIN)/python tools/labextension_build.py needs)
	@touch $@

labextension: $(VENV)/.lab
	@$(BIN)/python tools/labextension_build.py develop

lab: labextension  ## Open the examples in JupyterLab with this extension in it
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lab.sh examples

test: $(VENV)/.dev  ## Run the tests that need nothing but this machine
	$(BIN)/python -m pytest

test-preemption: $(VENV)/.dev  ## 100 kills over the examples at random moments, 200 while saving (half an hour)
	UNATTENDED_KILLS=34 UNATTENDED_SAVING_KILLS=200 $(BIN)/python -m pytest \
		tests/integration/test_checkpoint_killed_at_random.py tests/integration/test_checkpoint_saving_killed.py

test-unit: $(VENV)/.dev
	$(BIN)/python -m pytest tests/unit

test-integration: $(VENV)/.dev
	$(BIN)/python -m pytest tests/integration

test-cluster: $(VENV)/.dev  ## Run the tests on a real Kubernetes (KUBECONFIG, else one of our own, as root)
	test -n "$$KUBECONFIG" || $(BIN)/python -m tests.cluster build --install
	$(BIN)/python -m pytest tests/on_cluster

test-container: $(VENV)/.dev  ## Run the tests with a real Podman, which they install (as root)
	$(BIN)/python -m tests.container
	$(BIN)/python -m pytest --timeout 300 tests/container

test-slurm: $(VENV)/.dev  ## Run the tests on a real Slurm, which they install and start (as root)
	$(BIN)/python -m pytest -n 4 --dist worksteal tests/hpc/slurm

test-gridengine: $(VENV)/.dev  ## The same on a real Grid Engine
	$(BIN)/python -m pytest -n 4 --dist worksteal tests/hpc/gridengine

test-ui: labextension  ## Run the tests of the front end, the last ones in a real browser (Chromium)
	$(BIN)/python tools/labextension_build.py install
	$(BIN)/python tools/labextension_build.py run jlpm lint
	$(BIN)/python tools/labextension_build.py run jlpm test
	scripts/chromium.sh
	@$(PIP) 'notebook>=7.2'
	$(BIN)/python tools/labextension_build.py run jlpm test:ui

screenshots: labextension  ## Make the pictures in docs/pictures from the running product
	$(BIN)/python tools/labextension_build.py install
	scripts/chromium.sh
	$(BIN)/python tools/labextension_build.py run jlpm screenshots

lint: $(VENV)/.dev  ## Check style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev  ## Check types
	$(BIN)/mypy

format: $(VENV)/.dev  ## Reformat the sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

benchmark: $(VENV)/.dev  ## Measure against python, papermill and nbconvert, and print a table
	@$(PIP) papermill
	$(BIN)/python benchmarks/run.py $(NAMES)

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	@$(PIP) --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs  ## Build the user guide into docs/_build/html; warnings are errors
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

wheel: $(VENV)/.dev  ## Build the wheel and the source distribution into dist/
	@$(PIP) build
	$(BIN)/python -m build

clean:  ## Remove what the targets made
	rm -rf $(VENV) build dist docs/_build node_modules labextension/lib jupyter_unattended/labextension .pytest_cache .mypy_cache .ruff_cache .demo
