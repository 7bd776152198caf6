# Each target says what it does in one line; `make` alone lists them.
PYTHON ?=
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Two sessions of Spark beside each other: most of a small job is waiting for its driver.
PARALLEL ?= -n 2 --dist loadscope --no-loadscope-reorder
LOCK_OPTIONS := --generate-hashes --no-emit-index-url --no-header --quiet $(LOCK_FLAGS)

# A container may tell Python to keep no compiled modules: each process then compiles those of
# Spark, MLflow and ours anew, for seconds. Here they are kept, beside their sources.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup web demo wheel test test-unit test-spark test-cluster check format golden lock bench ui clean distclean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install everything into .venv: packages by hash, Java where allowed, Spark's jars
	@PYTHON='$(PYTHON)' scripts/setup.sh

web: ## Build the browser SDK and the demo shop with node into src/sparkperso/data/web
	@scripts/build_web.sh

demo: setup ## Set up, then run the whole pipeline on a real shop's year
	@$(BIN)/sparkperso demo

test: setup ## Set up, then run all tests
	@scripts/setup_tests.sh
	@$(PYTEST) $(PARALLEL)

wheel: setup ## Try the wheel by plain pip, and the unit tests, under a second Python
	@scripts/try_wheel.sh

test-unit: setup ## Run the tests that need no JVM (under a minute)
	@$(PYTEST) tests/unit

test-spark: setup ## Run the tests that need Spark, but no cluster
	@$(PYTEST) tests -m 'not cluster' --ignore=tests/unit

test-cluster: setup ## Run the pipeline on a standalone cluster of three processes
	@$(PYTEST) tests -m cluster

check: setup ## Check format, style, types and who imports whom
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## Format the code, fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

golden: setup ## Rewrite the golden files and the data dictionary
	@$(PYTEST) tests/unit/test_golden.py --golden-update

lock: setup ## Write the locks anew; LOCK_FLAGS=--upgrade takes newer versions
	@.tools/bin/uv pip compile pyproject.toml --all-extras --group dev --universal \
		--python-version 3.10 $(LOCK_OPTIONS) -o requirements.lock
	@.tools/bin/uv pip compile pyproject.toml --extra serve --extra collect --extra otel \
		--universal --python-version 3.10 --constraints requirements.lock \
		$(LOCK_OPTIONS) -o deploy/requirements.lock
	@.tools/bin/uv pip compile requirements-build.in --universal --python-version 3.10 \
		$(LOCK_OPTIONS) -o requirements-build.lock
	@.tools/bin/uv pip compile requirements-tools.in --universal --python-version 3.10 \
		$(LOCK_OPTIONS) -o requirements-tools.lock
	@.tools/bin/uv pip compile requirements-airflow.in --universal --python-version 3.10 \
		$(LOCK_OPTIONS) -o requirements-airflow.lock
	@.tools/bin/uv pip compile requirements-judges.in --universal --python-version 3.10 \
		$(LOCK_OPTIONS) -o requirements-judges.lock

bench: setup ## Measure the figures that the README states, into benchmarks/results
	@for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

ui: setup ## Start MLflow's pages on the demo's runs
	@$(BIN)/sparkperso ui

clean: ## Remove what runs leave behind: lake, caches, build results
	@rm -rf lake spark-warehouse metastore_db derby.log dist build .pytest_cache .mypy_cache \
		.ruff_cache .import_linter_cache .coverage

distclean: clean ## Remove the environment as well
	@rm -rf .venv .tools web/node_modules src/sparkperso/data/web
