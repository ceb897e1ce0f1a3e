# The targets do all the set-up. ARGS are passed on: make train ARGS="--data ../cifar10"
PYTHON ?= python3
VENV = .venv
BIN := $(VENV)/bin
DEVICES ?= .venv-devices
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=
WORKERS ?= 2
# Tests in parallel, each process on one core; an idle one takes over half of what another still has to do.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

# A virtual environment or an installation that was cut short is made again.
.DELETE_ON_ERROR:
.PHONY: help train test check coverage soak devices-venv test-devices docs hooks clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: ARGS, options for train; WORKERS, parallel test processes (2); PYTHON, 3.11 or newer (python3)"

train: $(VENV)/.installed ## train by recipes/s7_cifar.py; options in ARGS="..."
	$(BIN)/python -m recipes.s7_cifar $(ARGS)

test: check ## check, then run all tests in WORKERS processes
	$(PYTEST)

check: $(VENV)/.test-installed ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

coverage: $(VENV)/.test-installed ## run all tests and report the covered lines, also in htmlcov/ and coverage.xml
	$(PYTEST) --cov --cov-report=term --cov-report=html --cov-report=xml

soak: $(VENV)/.test-installed ## the same tests, with the long property tests whole
	EMBERFIELD_SOAK=1 $(BIN)/python -m pytest --timeout=3600

devices-venv: $(DEVICES)/.installed ## an environment of its own, DEVICES, with every runtime for devices

test-devices: $(DEVICES)/.installed ## the tests that export for devices; one that finds no runtime fails
	EMBERFIELD_DEVICES=1 OMP_NUM_THREADS=1 $(DEVICES)/bin/python -m pytest -p no:anyio -m devices --timeout=3600 tests/framework/export

hooks: $(VENV)/.test-installed ## have git run the checks of .pre-commit-config.yaml before each commit
	$(PIP) 'pre-commit>=4'
	$(BIN)/pre-commit install

docs: $(VENV)/.docs-installed ## the site of the guides and the API reference, in site/; any warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Emberfield needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing). Try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.test-installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[test]'
	touch $@ $(VENV)/.installed

$(DEVICES)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(DEVICES)
	$(DEVICES)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[litert,executorch,tflm,test]'
	touch $@

$(VENV)/.docs-installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[docs]'
	touch $@ $(VENV)/.installed

clean: ## remove the environment and whatever was built
	rm -rf .venv .venv-devices build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov coverage.xml
