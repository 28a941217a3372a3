# The targets below are stable: people and CI call them by name.
SHELL := /bin/bash
# A failure on the left of a pipe is a failure.
.SHELLFLAGS := -o pipefail -c
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
# Test processes; each has servers of its own. WORKERS=0: one process, for a debugger.
WORKERS ?= 2
# Test processes have to agree on the names of tests, some of which show sets. A service keeps its random seed.
test-unit test-integration: export PYTHONHASHSEED := 0
# A file stays in one process, in the order of the folders: the long ones come early.
IN_PARALLEL = -q --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.DEFAULT_GOAL := help
.PHONY: help venv demo run test test-unit test-integration fuzz test-catalogue lint format audit bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

venv: $(READY)  ## Create .venv with everything (about 7 GB)

$(READY): requirements.lock setup.cfg
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
		|| { echo "Python 3.11 or 3.12 is needed, found $$($(PYTHON) --version); set PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked environment into $(VENV) (two minutes at best) ..."
	@$(BIN)/pip install --quiet --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)  ## Run the main job on the sample catalogue and answer a few searches (ARGS=--exit stops by itself)
	@$(BIN)/avs demo $(ARGS)

run: $(READY)  ## Start the embedded servers and every process; Ctrl-C stops them
	@$(BIN)/avs up $(ARGS)

test: test-unit test-integration  ## All tests, with coverage
	@$(BIN)/coverage report

test-unit: $(READY)  ## Unit tests: no server, no model
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m pytest tests/unit $(IN_PARALLEL) $(ARGS)

test-integration: $(READY)  ## Tests against the real embedded Redis, Postgres and Qdrant, on free ports
	@$(BIN)/python -m pytest tests/integration $(IN_PARALLEL) --cov-append $(ARGS)

fuzz: $(READY)  ## schemathesis against the running API, five minutes unless told (ARGS="--max-time 3600 --seed 7")
	@FUZZ_ARGS="$(ARGS)" $(BIN)/python -m pytest tests/integration/api/fuzz -q -s

test-catalogue: $(READY)  ## Import and index the full catalogue, run again, change ten titles (CATALOGUE=path; 15 minutes)
	@$(BIN)/python -m benchmarks.full_catalogue $(if $(CATALOGUE),--catalogue $(CATALOGUE)) $(ARGS)

lint: $(READY) audit  ## ruff, types, import contracts, audit
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY)  ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

audit: $(READY)  ## Look for known vulnerabilities in the locked environment
	@$(BIN)/pip-audit --requirement requirements.lock --no-deps --disable-pip --progress-spinner off \
		| awk '/could not be audited/ {missed++; next} {print} \
			END {if (missed) print missed " packages are unknown to the index in use: NOT audited"}'

bench: $(READY)  ## Benchmarks (a) to (j): ratios on the terminal, JSON in benchmarks/results
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(READY)  ## Pin the whole environment anew, for Python 3.11 and 3.12
	@$(BIN)/uv pip compile setup.cfg --all-extras --universal --python-version 3.11 --no-emit-index-url \
		--quiet --custom-compile-command "make lock" --output-file requirements.lock

clean:  ## Remove the virtual environment, the embedded servers' data and every cache
	@rm -rf $(VENV) var build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
