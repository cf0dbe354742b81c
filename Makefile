# `make demo` shows it, `make test` proves it; both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check lint types imports cover bench build clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/demo  ## Stream from a model that runs in this process: no key, no compiler
	@$(BIN)/declarai-like pull
	@$(BIN)/python examples/demo.py

test: .venv/dev  ## Set up and run every check, as CI does
	$(BIN)/declarai-like pull
	$(MAKE) check

check: lint types imports cover  ## Lint, types, layers, tests with coverage (after `make test` has set up)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/typing_api.py
	$(BIN)/pyright

imports: .venv/dev
	$(BIN)/lint-imports --no-cache

cover: .venv/dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: .venv/dev  ## Measure against the official client, in one run
	$(BIN)/python benchmarks/bench.py --check

build: .venv/dev  ## Build the wheel and the sdist into dist/
	$(BIN)/python -m build

clean:  ## Remove what was made
	rm -rf .venv dist build site htmlcov .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The demo needs no more than a user does; the newest pip reads dependency groups.
.venv/demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[local]'
	@touch $@

.venv/dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[all]' --group dev
	@touch $@
