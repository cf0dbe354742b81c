# `make demo` shows it, `make test` proves it; both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
# Many tests wait for servers: one process more than there are cores keeps the cores busy.
IN_PARALLEL = --numprocesses $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 5 --dist worksteal

# Containers often set this; then each process that a test starts compiles what it imports anew.
unexport PYTHONDONTWRITEBYTECODE

CLIENT_TESTS = tests/providers tests/wire tests/faults tests/testing

.PHONY: help demo map-demo serve answers growth test check read-code lint types mypy pyright imports cover soak engines crashes probes faults browser docs bench bench-peers bench-serve matrix clients build clean

help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/demo  ## Stream from a model that runs in this process: no key, no compiler
	@$(BIN)/declarai-like pull
	@$(BIN)/python examples/demo.py

map-demo: .venv/demo  ## Rank 200 rows with that model, kill it in the middle, and go on
	@$(BIN)/declarai-like pull
	@$(BIN)/python examples/map_demo.py

serve: .venv/demo  ## Open a page on that model: http://127.0.0.1:8000
	@$(BIN)/python -m pip install --quiet -e '.[local,serve]'
	@$(BIN)/declarai-like pull
	@$(BIN)/python examples/serve_local.py

test: .venv/dev  ## Set up and run every check, as CI does: about thirteen minutes on two cores
	@echo "make test: about thirteen minutes on two cores; the tests show how far they are"
	$(BIN)/declarai-like pull
	@begun=$$(date +%s); $(MAKE) check && echo "make test: passed in $$((($$(date +%s) - begun + 59) / 60)) minutes"

check: read-code cover  ## Lint, types, layers, tests with coverage (after `make test` has set up)

# The longest first, each with its output in one piece.
read-code: .venv/dev
	@$(MAKE) --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) mypy pyright lint imports answers

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: mypy pyright

mypy: .venv/dev
	$(BIN)/mypy
	$(BIN)/mypy --strict tests/project/typing_api.py

pyright: .venv/dev
	$(BIN)/pyright

imports: .venv/dev
	$(BIN)/lint-imports --no-cache

cover: .venv/dev
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -q $(IN_PARALLEL) --cov --cov-report= --cov-fail-under=0
	$(BIN)/coverage report

soak: .venv/dev  ## Run the long tests: growth with size, kill -9, thousands of broken streams
	$(BIN)/python -m pytest -q --soak -m soak $(IN_PARALLEL)

engines: .venv/dev  ## Map rows in Ray and Spark, run a workflow of DBOS (700 MB to install; Spark needs Java)
	$(BIN)/python -m pip install --quiet ray pyspark dbos
	$(BIN)/python -m pytest -q --engines -m engines tests/rows tests/project

crashes: .venv/dev  ## Kill processes at each moment of a tool call, 50 times; resume one run in two, 100 times
	$(BIN)/python -m pytest -q --soak tests/tools/test_crashes.py $(IN_PARALLEL)

probes: .venv/dev  ## Ask the loop of tools the thirteen questions of docs/guides/tools.md, and print the table
	$(BIN)/python tests/tools/table.py

answers: .venv/dev  ## Read hundreds of answers as models give them, and print what became of them
	$(BIN)/python tests/outputs/answers.py

growth: .venv/dev  ## Measure what twice the text costs, for each fault of JSON: about ten minutes
	PYTHONPATH=tests $(BIN)/python tests/outputs/growth.py

faults: .venv/dev  ## Inject every fault of the table in docs/faults.md, and print it
	$(BIN)/python tests/faults/table.py

browser: .venv/dev  ## Drive the page, the JavaScript module and npm's openai (needs node and Chromium)
	tests/browser/run.sh

docs: .venv/dev  ## Build the site into site/, strictly; nothing is fetched from elsewhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: .venv/dev  ## Measure against the official client, in one run
	$(BIN)/python benchmarks/bench.py --check

bench-peers: .venv/dev  ## Measure the clients of the field side by side; write docs/benchmarks.md and the table of the README
	$(BIN)/python benchmarks/peers/run.py --readme

bench-serve: .venv/dev  ## Serve 500 clients at once, beside a bare Starlette app
	$(BIN)/python benchmarks/serve_load.py --check

matrix: .venv/dev  ## Test the wheel on Python 3.10 to 3.13, with the oldest and the newest dependencies
	$(BIN)/python tests/project/matrix.py

clients: .venv/dev  ## Test the wheel's providers over openai 2.15 with httpx, and over the newest with httpx2
	$(BIN)/python tests/project/matrix.py --only 3.12-httpx --only 3.12-newest -- $(CLIENT_TESTS)

build: .venv/dev  ## Build the wheel and the sdist into dist/
	$(BIN)/python -m build

clean:  ## Remove what was made
	rm -rf .venv .bench .matrix dist build site htmlcov .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The demo needs no more than a user does; the newest pip reads dependency groups.
.venv/demo: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[local,testing]'
	@touch $@

.venv/dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[all]' --group dev
	@touch $@
