# Every target creates .venv on first use. The lock files list every package, hence --no-deps: pip's
# resolver fails on a newer release of a package that another one needs with an extra.
PYTHON ?= python3
STACK ?= dev
BIN := .venv/bin
SDK := sdk
DIST := dist
IN_BROWSER := tests/e2e/test_page_in_browser.py
ON_ENGINE := tests/engine

# $(call quote,STACK): the text of a variable as one word for the shell. Neither make nor the shell
# evaluates it, whatever was given on the command line; make does not even to export it.
define newline


endef
quote = '$(subst $(newline), ,$(subst ','\'',$(value $(1))))'
unexport ENDPOINT FILES LIVE POLICY PYTHON SELF_DECLARED STACK

# These would import another Python's modules, stop at warnings, or wait at a prompt.
unexport PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONOPTIMIZE PYTHONPATH PYTHONPLATLIBDIR \
  PYTHONSAFEPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONWARNINGS

# Uses the machine's pip settings for where packages come from (index, proxy, certificates), but none
# for where they go or how. Not `$(BIN)/pip`: its first line has the path of .venv, and breaks if that
# contains `$$`. The same is true of the other tools written in Python.
PIP := $(BIN)/python -I sandbox/run_pip.py

.DEFAULT_GOAL := help
.PHONY: help up demo oncall bootstrap preview deploy preview-comment backend pulumi-cli policy-test \
  test coverage test-e2e check format settings mutate certify bench soak dist packages lock clean

help:
	@awk -F ':.*## ' '/^##@ / { print gap substr($$0, 5) ":"; gap = "\n" } \
	  /^[a-z0-9-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Try it

up: .venv/run.stamp $(BIN)/oncall ## Run all of it here (LIVE=1, POLICY=FILE, ENDPOINT=http-api)
	@$(BIN)/python -m sandbox up --stack=$(call quote,STACK) $(if $(value LIVE),--live) \
	  $(if $(value POLICY),--policy=$(call quote,POLICY)) \
	  $(if $(value ENDPOINT),--endpoint=$(call quote,ENDPOINT))

demo: .venv/run.stamp $(BIN)/oncall ## Run all of it once, send sample requests, show the decisions
	@$(if $(value LIVE)$(value POLICY),echo 'LIVE and POLICY are for `make up` only' >&2; exit 1)
	@$(BIN)/python -m sandbox demo --stack=$(call quote,STACK) \
	  $(if $(value ENDPOINT),--endpoint=$(call quote,ENDPOINT))

oncall: $(BIN)/oncall ## Install the command that explains decisions: .venv/bin/oncall

##@ Deploy

# The engine would install and start any plugin that a state names, from any address in the state.
# With this, it only uses those that `pulumi install` installs, which the program's packages name.
export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION := true

bootstrap: pulumi-cli $(BIN)/oncall ## Create STACK, and the bucket (and key) for its state
	@$(BIN)/python -m infra.bootstrap $(call quote,STACK)

preview: backend ## Show what deploying STACK would change (STACK=dev if unset)
	@pulumi preview --stack=$(call quote,STACK) --diff --non-interactive

deploy: backend ## Deploy STACK; its state is at PULUMI_BACKEND_URL
	@pulumi up --stack=$(call quote,STACK) --yes --non-interactive

preview-comment: backend ## Print that preview as Markdown, for a pull request
	@$(BIN)/python -m infra.preview $(call quote,STACK)

# Before Pulumi reads any state: check that it is in a bucket of this account, and has the stack.
backend: pulumi-cli $(BIN)/oncall
	@$(BIN)/python -m infra.backend $(call quote,STACK)
	@pulumi install --no-dependencies --non-interactive

pulumi-cli:
	@command -v pulumi >/dev/null || { \
	  echo "There is no pulumi on PATH. To install it: https://www.pulumi.com/docs/install/" >&2; exit 1; }

##@ Policy

policy-test: $(BIN)/oncall ## Test each policy/*.yaml (or FILES=...; SELF_DECLARED=1)
	@# xargs reads spaces and quotes in FILES like the shell, but evaluates nothing.
	@$(if $(strip $(value FILES)),printf '%s' $(call quote,FILES) | xargs) \
	  $(BIN)/python -m policy test $(if $(value SELF_DECLARED),--self-declared) --

##@ Develop

# Three at once, since many tests wait, in the order of `testpaths`: xdist would run files with few
# tests last, which are the slowest. They start the project's commands often, and compiled ones
# start faster.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder \
  --ignore=$(IN_BROWSER) --ignore=$(ON_ENGINE)

test: .venv/dev.stamp ## Run all tests except those of test-e2e
	@$(PYTEST) --no-cov

coverage: .venv/dev.stamp ## The same with branch coverage: handler/ 100 %, the rest 90 %
	@$(PYTEST) --cov --cov-report=term
	@$(BIN)/python -m coverage report --include='handler/*' --fail-under=100 --format=total >/dev/null \
	  || { echo 'handler/ is covered below 100 %'; $(BIN)/python -m coverage report --include='handler/*'; exit 1; }
	@$(BIN)/python -m coverage report --omit='handler/*' --fail-under=90 --format=total >/dev/null \
	  || { echo 'the rest is covered below 90 %'; exit 1; }

test-e2e: .venv/dev.stamp ## Run the tests that need the Pulumi CLI or Chromium
	@$(BIN)/python -m pytest -q --no-cov -n 3 --dist loadfile $(ON_ENGINE) $(IN_BROWSER)

check: .venv/dev.stamp ## Lint, check types and check the project's own rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/python -m check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/python -m check_jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(BIN)/python -m pytest -q --no-cov tests/test_house.py tests/docs

format: .venv/dev.stamp ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

settings: .venv/dev.stamp ## Write the settings into Pulumi.yaml and docs/settings.md
	@$(BIN)/python -m infra.settings_reference

mutate: .venv/dev.stamp ## Check that tests notice changed code (FILES=...; an hour)
	@$(if $(strip $(value FILES)),printf '%s' $(call quote,FILES) | xargs) $(BIN)/python -m tests.mutate

certify: .venv/dev.stamp ## Run AuthZEN's certification scenario against the sandbox
	@$(BIN)/python -m tests.certification

bench: .venv/dev.stamp ## Run the benchmarks
	@$(BIN)/python -m bench

soak: .venv/dev.stamp ## Test a minute of load, failures, new secrets and kills
	@$(BIN)/python -m bench.soak

dist: packages ## Build the client packages and collect their wheels in dist/
	@# Only pure wheels of our lock file: they work on any Python and platform.
	@awk '/^[a-z]/ { ours = /^(certifi|charset-normalizer|idna|requests|urllib3)==/ } ours' requirements.txt \
	  | $(PIP) download --quiet --require-hashes --no-deps --only-binary :all: --platform any \
	    --implementation py --python-version 3.11 --dest $(call quote,DIST) --requirement /dev/stdin
	@$(PIP) install --quiet --dry-run --ignore-installed --no-index --find-links $(call quote,DIST) approvals
	@ls $(call quote,DIST)

# The part of `dist` that needs no network.
packages: .venv/dev.stamp
	@mkdir -p $(call quote,DIST) && rm -f $(call quote,DIST)/*.whl $(call quote,DIST)/*.tar.gz
	@for name in indentapi approvals; do \
	  $(BIN)/python -c 'import os, sys; from setuptools import build_meta; \
	    built = os.path.abspath(sys.argv[1]); os.chdir(sys.argv[2]); build_meta.build_sdist(built)' \
	    $(call quote,DIST) $(call quote,SDK)/$$name >/dev/null || exit; done
	@$(PIP) wheel --quiet --no-index --no-build-isolation --no-deps \
	  --wheel-dir $(call quote,DIST) $(call quote,DIST)/*.tar.gz

lock: ## Pin the dependencies again, with hashes
	@test -x $(BIN)/uv || { $(call quote,PYTHON) -m venv .venv && $(PIP) install -q uv; }
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' requirements-dev.in -o requirements-dev.txt

clean: ## Remove everything that make created
	rm -rf dist sdk/*/build sdk/*/src/*.egg-info .venv .sandbox .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/run.stamp: requirements.txt
	@$(call quote,PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  printf 'Python 3.11 or later is needed, %s is %s.\nFor example: make PYTHON=python3.13 ...\n' \
	    $(call quote,PYTHON) "$$($(call quote,PYTHON) --version 2>&1)" >&2; exit 1; }
	@echo "Setting up .venv: Pulumi and the local AWS (about a minute, 450 MB) ..."
	@$(call quote,PYTHON) -m venv .venv || { \
	  printf 'Cannot create a virtual environment.\nOn Debian and Ubuntu: apt install python3-venv\n' >&2; exit 1; }
	@$(PIP) install --quiet --require-hashes --no-deps -r requirements.txt
	@touch $@

# -P: no modules from the folder where it is called.
$(BIN)/oncall: .venv/run.stamp Makefile
	@here=$$(pwd -P | sed "s/'/'\\\\''/g"); printf '%s\n' '#!/bin/sh' 'unset PYTHONHOME' \
	  "export PYTHONPATH='$$here'" "exec '$$here/.venv/bin/python' -P -m cli \"\$$@\"" > $@
	@chmod +x $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt | $(BIN)/oncall
	@echo "Adding what tests and checks need (a few seconds) ..."
	@$(PIP) install --quiet --require-hashes --no-deps -r requirements-dev.txt
	@touch $@
