# `make train` and `make test` do all the set-up. ARGS are passed on: make train ARGS="--data ../cifar10"
PYTHON ?= python3
VENV = .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=

# A virtual environment or an installation that was cut short is made again.
.DELETE_ON_ERROR:
.PHONY: train test check soak docs clean

train: $(VENV)/.installed
	$(BIN)/python -m recipes.s7_cifar $(ARGS)

test: check
	$(BIN)/python -m pytest

check: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(VENV)/.test-installed
	EMBERFIELD_SOAK=1 $(BIN)/python -m pytest --timeout=3600

# The site of the guides and the API reference, in site/; any warning is an error.
docs: $(VENV)/.docs-installed
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

$(VENV)/.docs-installed: setup.cfg pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[docs]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
