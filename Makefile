# Every target sets up .venv by itself on first use. The locks are whole, hence --no-deps: pip's own
# resolver trips over a newer release of what another package wants with an extra.
PYTHON ?= python3
STACK ?= dev
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help up demo test check policy-test format bench dist lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: .venv/run.stamp ## Run all of it on this machine until Ctrl-C (LIVE=1 asks the real incident.io)
	@$(BIN)/python -m sandbox up --stack $(STACK) $(if $(LIVE),--live)

demo: .venv/run.stamp ## Run all of it, send a cast's requests, show who was approved and why
	@$(BIN)/python -m sandbox demo --stack $(STACK)

test: .venv/dev.stamp ## Run every test, with coverage
	@$(BIN)/pytest -q -n 2 --dist loadfile --cov --cov-report=term
	@$(BIN)/coverage report --include='handler/*' --fail-under=100 --format=total >/dev/null \
	  || { echo 'handler/ is not covered whole'; $(BIN)/coverage report --include='handler/*'; exit 1; }
	@$(BIN)/coverage report --omit='handler/*' --fail-under=90 --format=total >/dev/null \
	  || { echo 'infra/ and sandbox/ are covered below 90 %'; exit 1; }

check: .venv/dev.stamp ## Lint, check types and the rules of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest -q --no-cov tests/test_house.py

format: .venv/dev.stamp ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

policy-test: .venv/run.stamp ## Run the tests of every policy/*.yaml (FILES=... of those, SELF_DECLARED=1)
	@$(BIN)/python -m policy test $(if $(SELF_DECLARED),--self-declared) $(FILES)

bench: .venv/dev.stamp ## Measure what it costs, as ratios within one run
	@$(BIN)/python -m bench

dist: .venv/dev.stamp ## Build the client packages' wheels, with their dependencies', into dist/
	@$(BIN)/pip wheel --quiet --wheel-dir dist ./sdk/indentapi ./sdk/approvals
	@ls dist

lock: ## Pin the dependencies anew, with hashes
	@test -x .venv/bin/uv || { $(PYTHON) -m venv .venv && $(BIN)/pip install -q uv; }
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' requirements-dev.in -o requirements-dev.txt

clean: ## Remove all that the targets made
	rm -rf dist sdk/*/build sdk/*/src/*.egg-info .venv .sandbox .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/run.stamp: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or later is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1). Remedy: make PYTHON=python3.13 ..." >&2; exit 1; }
	@echo "Setting up .venv: Pulumi, its AWS SDK and the local AWS (about a minute, 450 MB) ..."
	@$(PYTHON) -m venv .venv || { \
	  echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt
	@echo "Adding what tests and checks need (a few seconds) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@
