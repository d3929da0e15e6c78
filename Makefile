# Everything runs from .venv, which `make setup` makes. Needs python3 (3.11 or later), git, make and the package index.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/setup-done
# At most four workers: each loads the real databases for itself. Neighbours stay together, since they share deployments, until
# somebody has nothing left to do. WORKERS=0 runs in this process (for a debugger).
WORKERS ?= auto
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses=4 --dist worksteal

.PHONY: setup fmt lint type contracts sql check test test-matrix test-long demo bench clean

setup: $(STAMP)

# The stamp comes last, so that an interrupted installation is done again. Judges of the tests that need other versions of what
# pgerase needs have an environment of their own.
$(STAMP): pyproject.toml tests/judges/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "pgerase needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,test,dev]'
	$(PYTHON) -m venv .venv/judges
	.venv/judges/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/judges/requirements.txt
	touch $(STAMP)

fmt: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP)
	$(BIN)/pyright --pythonpath $(BIN)/python

# Without the cache, which keeps what a module imported while one of its targets was missing.
contracts: $(STAMP)
	$(BIN)/lint-imports --no-cache

sql: $(STAMP)
	$(BIN)/python -m pytest -q tests/test_repository.py

check: lint type contracts sql

test: $(STAMP)
	$(PYTEST)

test-matrix: $(STAMP)
	$(BIN)/python tests/matrix.py

test-long: $(STAMP)
	$(PYTEST) -m long

demo: $(STAMP)
	$(BIN)/pgerase demo

bench: $(STAMP)
	$(BIN)/python benchmarks/access.py
	$(BIN)/python benchmarks/erasure.py
	$(BIN)/python benchmarks/audit.py

clean:
	rm -rf .venv build dist .hypothesis .import_linter_cache .pytest_cache .ruff_cache
