# Every path below is relative: the checkout may lie under a name with spaces.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Options for pytest, such as ARGS="-k money -x".
ARGS    ?=
WORKERS ?= auto
# How many times `make chaos` kills a process, and how long `make soak` runs.
N       ?= 25
MINUTES ?= 60

COMPILE := .venv-lock/bin/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-header

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-integrations test-browser docs ecosystem check format bench chaos soak lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-17s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.installed ## build .venv from the pinned requirements; does nothing when it is up to date

# A changed lock starts from an empty environment, so that nothing it no longer names stays importable.
$(VENV)/.requirements: requirements/dev.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'tollbook needs Python 3.11 or later as $(PYTHON): try make setup PYTHON=python3.12' >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# Without isolation pip builds with the pinned hatchling above and fetches nothing else.
$(VENV)/.installed: $(VENV)/.requirements pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## a fleet of agents on real Postgres and Valkey, the sums proven equal
	$(BIN)/tollbook demo

test: setup ## the tests, without the slow ones
	$(BIN)/python -m pytest -q -n $(WORKERS) -m 'not slow' $(ARGS)

# The lock is complete; without --no-deps an older pip takes `google-auth[requests]` for another package than the pinned.
.venv-integrations/.requirements: requirements/integrations.txt
	"$(PYTHON)" -m venv --clear .venv-integrations
	.venv-integrations/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	@touch $@

.venv-integrations/.installed: .venv-integrations/.requirements pyproject.toml
	.venv-integrations/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Every test, some of which are only skipped without the packages, with the real ones: in one process, as LiteLLM and
# others keep state of the process.
test-integrations: .venv-integrations/.installed ## the wrapped clients and frameworks, with the real packages
	.venv-integrations/bin/python -m pytest -q tests/integration/client/integrations tests/integration/sources/test_real_packages.py \
		tests/integration/sources/otel tests/docs/test_integrations.py $(ARGS)

# Tools that need other versions of what tollbook needs, or weigh more than it, each in an environment of its own.
.venv-tools/.requirements .venv-docs/.requirements: .venv-%/.requirements: requirements/%.txt
	"$(PYTHON)" -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $<
	@touch $@

docs: .venv-docs/.requirements ## build the documentation as a site into build/site; a warning fails
	@mkdir -p build/site-pages
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict --config-file site/mkdocs.yml

ecosystem: setup .venv-tools/.requirements docs ## the generated client, the site, and what is in deploy/
	$(BIN)/python -m pytest -q tests/ecosystem $(ARGS)

.venv-browser/.requirements: requirements/browser.txt
	"$(PYTHON)" -m venv --clear .venv-browser
	.venv-browser/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --require-hashes -r $<
	@touch $@

.venv-browser/.installed: .venv-browser/.requirements pyproject.toml
	.venv-browser/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# TOLLBOOK_TEST_CHROMIUM names the browser where it is not on PATH; without one the tests are skipped and say so.
test-browser: .venv-browser/.installed ## the dashboard in a real Chromium, with screenshots in build/screenshots
	.venv-browser/bin/python -m pytest -q tests/browser $(ARGS)

check: setup ## lint, format, types, direction of imports
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: setup ## rewrite what ruff can put right
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: setup ## measure throughput and latency
	$(BIN)/python -m bench

chaos: setup ## kill processes N times (N=25) and prove that the sums still hold
	$(BIN)/python -m tests.fault.chaos --kills $(N)

soak: setup ## run for MINUTES (60) under full load, report each process's memory, then refuse no call that had room
	$(BIN)/python -m bench memory_flat --minutes $(MINUTES)
	$(BIN)/python -m tests.fault.soak --minutes $(MINUTES)

# The tool that makes the lock is itself locked, in an environment of its own: it pins pip, which no other needs.
.venv-lock/.requirements: requirements/lock.txt
	"$(PYTHON)" -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/lock.txt
	@touch $@

# The extras of `all` are spelled out: it names tollbook itself, and the compiler would pin that to this checkout.
# UPGRADE="--upgrade" takes the newest of all; "--upgrade-package NAME" of one.
lock: .venv-lock/.requirements ## pin the requirements again (UPGRADE=--upgrade for the newest)
	$(COMPILE) $(UPGRADE) --extra server --extra embedded --extra dev \
		-o requirements/dev.txt pyproject.toml requirements/platforms.in requirements/build.in
	$(COMPILE) --extra server --extra embedded -c requirements/dev.txt \
		-o requirements/all.txt pyproject.toml requirements/platforms.in
	$(COMPILE) $(UPGRADE) --extra server --extra embedded --extra dev --extra integrations -c requirements/dev.txt \
		-o requirements/integrations.txt pyproject.toml requirements/platforms.in requirements/build.in
	$(COMPILE) -c requirements/dev.txt -o requirements/build.txt requirements/build.in
	$(COMPILE) $(UPGRADE) --extra tools -o requirements/tools.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --extra docs -o requirements/docs.txt pyproject.toml
	$(COMPILE) $(UPGRADE) --extra server --extra embedded --extra dev --extra browser -c requirements/dev.txt \
		-o requirements/browser.txt pyproject.toml requirements/platforms.in requirements/build.in
	$(COMPILE) $(UPGRADE) -o requirements/lock.txt requirements/lock.in

# .tollbook stays: it is the ledger of the embedded servers, not a by-product.
clean: ## remove environments, caches and builds
	rm -rf .venv .venv-browser .venv-docs .venv-integrations .venv-lock .venv-tools build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
