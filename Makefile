# All commands; `make` alone lists them. Needs Python 3.11 or newer; packages come from the index that pip uses.

# Files whose times say when packages were installed: those of the product, and those for development.
RUNTIME := .venv/.runtime-installed
DEVELOPMENT := .venv/.development-installed

# Celery, for comparison only: installed apart from the product, and only on request.
CELERY := build/celery/.installed

# Files of tests at a time: one more than a small machine has processors, because many tests wait for processes and
# browsers. Not more, since some measure time.
TESTS_AT_A_TIME ?= 3

# The tests of `make check`: the rooms without a database, and the structure of the code; no slow ones.
QUICK := tests/domain tests/systems tests/test_*.py -m "not slow and not postgres and not rabbitmq and not chromium"

# From pyproject.toml come the exact versions and hashes, in one file for all platforms and Python versions.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes $(if $(UPGRADE),--upgrade) pyproject.toml
INSTALL := -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: help run check test model mutations sweep mutants bench growth overload memory history chaos drain services lint format docs reference lock translations wheel

help: ## Say what each command does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-12s %s\n", $$1, $$2 }'

run: $(RUNTIME) ## Run the whole product on http://127.0.0.1:8000 until Ctrl-C (elsewhere: PORT=9000 make run)
	@exec .venv/bin/python -m orderapp.development

check: lint ## Run before each commit: lint and the quick tests, about a minute, without other programs
	@.venv/bin/pytest --quiet -n $(TESTS_AT_A_TIME) --dist loadfile --no-loadscope-reorder $(QUICK)

test: $(DEVELOPMENT) ## Run the tests (some of them: make test TESTARGS="tests/domain -k money"; REQUIRE_ALL=1 skips none)
	@.venv/bin/pytest -n $(TESTS_AT_A_TIME) --dist loadfile --no-loadscope-reorder $(TESTARGS)

model: $(DEVELOPMENT) ## Play random sequences of events on the model of orders (longer: EXAMPLES=5000 make model)
	@MODEL_RANDOM=1 MODEL_EXAMPLES=$${EXAMPLES:-1000} .venv/bin/pytest tests/model/test_model.py

sweep: $(DEVELOPMENT) ## Kill processes at every boundary of an order (the tests take a sample); about half an hour
	@SWEEP=full .venv/bin/pytest tests/sweep

mutations: $(DEVELOPMENT) ## Make deliberate mistakes in a copy of the services; a test must catch each one; long
	@.venv/bin/python -m tests.mutations

mutants: $(DEVELOPMENT) ## Make random mistakes and list those that the tests miss (SEED=7 NUMBER=200 make mutants); long
	@.venv/bin/python -m tests.mutants $(or $(SEED),$(shell date +%s)) $(NUMBER)

bench: $(RUNTIME) $(if $(BENCH_CELERY),$(CELERY)) ## Compare it with a plain shop, eight minutes (BENCH_ORDERS=2000 BENCH_FORM=sqlite BENCH_CELERY=1)
	@.venv/bin/python -m bench

growth: $(DEVELOPMENT) ## Measure how costs grow up to a million orders, ten minutes (smaller: GROWTH_ORDERS=1000,10000 make growth)
	@.venv/bin/python -m bench.growth

overload: $(RUNTIME) ## Measure it idle, overloaded, and with a system that hangs (part of make bench)
	@.venv/bin/python -m bench.alone

memory: $(RUNTIME) ## Measure its memory over 100,000 orders, half an hour (shorter: BENCH_ORDERS=20000 make memory)
	@.venv/bin/python -m bench.memory

history: $(RUNTIME) ## Add the last result of make bench to the history, and draw it (docs/performance/)
	@.venv/bin/python -m bench.history

chaos: $(DEVELOPMENT) ## Place 2,000 orders among faults, kills and restarts, then audit (SEED=7 ORDERS=200 SECONDS=30 make chaos)
	@SEED="$(SEED)" ORDERS="$(ORDERS)" SECONDS="$(SECONDS)" .venv/bin/python -m tests.chaos

drain: $(DEVELOPMENT) ## Measure how 10,000 waiting tasks are done after an outage of their system (TASKS=600 RATE=30 make drain)
	@.venv/bin/python -m tests.drain

services: ## Install PostgreSQL, RabbitMQ and Chromium for the tests (Debian or Ubuntu, as root)
	@sh scripts/install_services.sh

lint: $(DEVELOPMENT) ## Check style, types, the direction of imports, the packages and the documentation
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/pip check
	.venv/bin/python -m scripts.check_docs
	.venv/bin/python -m scripts.write_reference --check
	.venv/bin/python -m scripts.check_locks

format: $(DEVELOPMENT) ## Format all Python files
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

docs: $(DEVELOPMENT) ## Check that what the documentation points to exists, and that docs/ext.md is up to date
	@.venv/bin/python -m scripts.check_docs
	@.venv/bin/python -m scripts.write_reference --check

reference: $(DEVELOPMENT) ## Write docs/ext.md, the reference of what plugins may import, from the docstrings
	@.venv/bin/python -m scripts.write_reference

lock: $(DEVELOPMENT) ## Update the locked packages from pyproject.toml (newer versions of all: UPGRADE=1 make lock)
	@$(LOCK) -o requirements.txt
	@$(LOCK) --extra dev --constraint requirements.txt -o requirements-dev.txt
	@$(LOCK) --extra bench --constraint requirements.txt -o requirements-bench.txt

translations: $(DEVELOPMENT) ## Update orderapp/translations/ after texts have changed, or begin another language (LANGUAGE=fr make translations)
	@LANGUAGE="$(LANGUAGE)" .venv/bin/python -m scripts.update_translations

wheel: $(DEVELOPMENT) ## Build the package to install, a wheel, in build/
	@.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w build .

.venv/bin/python:
	@sh scripts/create_venv.sh

$(RUNTIME): requirements.txt .venv/bin/python
	@echo "Installing packages (about a minute) ..."
	@.venv/bin/python $(INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@echo "Installing the packages for tests and checks (about a minute) ..."
	@.venv/bin/python $(INSTALL) -r requirements-dev.txt
	@touch $@

$(CELERY): requirements-bench.txt .venv/bin/python
	@echo "Installing Celery, apart from the product (about a minute) ..."
	@.venv/bin/python -m venv --clear build/celery
	@build/celery/bin/python $(INSTALL) -r requirements-bench.txt
	@touch $@
