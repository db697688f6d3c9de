# Every target sets up what it needs, so each of them works on a fresh clone.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check soak guarantees fix proto bench defaults systems bench-peers clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' \
		| while IFS='|' read -r name what; do printf '  make %-11s %s\n' "$$name" "$$what"; done

setup: $(READY)  ## make .venv with everything that development needs

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "bandit-service needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1)."; \
		echo "Name another one: make PYTHON=python3.13 setup"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)  ## route a thousand real queries, on this machine alone
	$(BIN)/bandit-service demo

# One worker a core, so one thread a worker for BLAS; the tests of a file share what they started.
test: $(READY)  ## run the tests and the examples in the docstrings
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

check: $(READY)  ## run everything that has to be green, as .ci/run does
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/buf lint protos
	$(BIN)/python tools/make_protos.py --check
	@$(MAKE) --no-print-directory test

# FAULTS_SEED=n takes other luck. What counts for docs/guarantees.md and lies elsewhere is named.
soak: $(READY)  ## the fault tests, for an hour: hundreds of kills, thousands of seeds
	FAULTS_SOAK=1 $(BIN)/pytest -v -n 2 --dist loadfile --timeout 7200 tests/faults \
		tests/store/test_live_migration.py
	@$(MAKE) --no-print-directory guarantees

guarantees: $(READY)  ## write docs/guarantees.md from what the fault tests counted last
	$(BIN)/python -m tests.faults.report

fix: $(READY)  ## format the code, and repair what can be repaired by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(READY)  ## generate bandit_service/rpc/pb from protos/
	$(BIN)/python tools/make_protos.py

# Left to itself BLAS picks the kernels of the machine at hand.
bench: $(READY)  ## measure what the README claims
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks

defaults: $(READY)  ## vary the shipped defaults over the sets in $$BANDIT_DATA; writes docs/defaults.md
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m benchmarks.defaults --write docs/defaults.md

systems: $(READY)  ## measure every preset; writes docs/systems.md; BANDIT_DATA names real sets
	for part in systems duelling rising learning greenserv; do $(BIN)/python -m benchmarks.$$part --write docs/systems.md || exit 1; done

bench-peers: $(READY)  ## run ours and others' on the same streams; BANDIT_DATA names real sets
	$(BIN)/python -m benchmarks.peers --write docs/peers.md

clean:  ## remove caches and builds; .venv stays
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +
