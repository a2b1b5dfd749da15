# Every target sets up .venv by itself on first use. The locks are whole, hence --no-deps: pip's own
# resolver trips over a newer release of what another package wants with an extra.
PYTHON ?= python3
STACK ?= dev
BIN := .venv/bin
SDK := sdk
DIST := dist
IN_BROWSER := tests/e2e/test_page_in_browser.py
ON_ENGINE := tests/engine

# $(call quote,STACK): the text of a variable as one word of the shell. Neither make nor the shell
# evaluates it, whatever somebody gave on the command line; nor does make to export it.
define newline


endef
quote = '$(subst $(newline), ,$(subst ','\'',$(value $(1))))'
unexport FILES LIVE PYTHON SELF_DECLARED STACK

# What would have another Python's modules imported, stop at warnings, or wait at a prompt.
unexport PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONOPTIMIZE PYTHONPATH PYTHONPLATLIBDIR \
  PYTHONSAFEPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONWARNINGS

# Of the machine's pip settings it takes where packages come from (index, proxy, certificates), and
# none that says where they go or how. By `python -m` and not `$(BIN)/pip`, whose first line holds
# the path of .venv: it breaks on `$$` in there. So do those of the other tools written in Python.
PIP := $(BIN)/python -I sandbox/run_pip.py

.DEFAULT_GOAL := help
.PHONY: help up demo oncall test coverage test-e2e check policy-test format settings mutate certify bench soak dist packages lock clean \
  preview deploy preview-comment bootstrap backend pulumi-cli

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

up: .venv/run.stamp $(BIN)/oncall ## Run all of it here until Ctrl-C (LIVE=1: the real providers)
	@$(BIN)/python -m sandbox up --stack=$(call quote,STACK) $(if $(value LIVE),--live)

demo: .venv/run.stamp $(BIN)/oncall ## Run all of it, send the demo's requests, show who gets in
	@$(BIN)/python -m sandbox demo --stack=$(call quote,STACK)

oncall: $(BIN)/oncall ## Install the command that explains decisions: .venv/bin/oncall

# Three at once, since many wait. The tests start the project's commands many times: compiled, they
# start faster.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n 3 --dist loadfile --ignore=$(IN_BROWSER) --ignore=$(ON_ENGINE)

test: .venv/dev.stamp ## Run every test, but those of test-e2e
	@$(PYTEST) --no-cov

coverage: .venv/dev.stamp ## The same with branch coverage: handler/ whole, the rest 90 %
	@$(PYTEST) --cov --cov-report=term
	@$(BIN)/python -m coverage report --include='handler/*' --fail-under=100 --format=total >/dev/null \
	  || { echo 'handler/ is not covered whole'; $(BIN)/python -m coverage report --include='handler/*'; exit 1; }
	@$(BIN)/python -m coverage report --omit='handler/*' --fail-under=90 --format=total >/dev/null \
	  || { echo 'what is not handler/ is covered below 90 %'; exit 1; }

test-e2e: .venv/dev.stamp ## Run what needs the Pulumi CLI or a Chromium, if there is one
	@$(BIN)/python -m pytest -q --no-cov -n 3 --dist loadfile $(ON_ENGINE) $(IN_BROWSER)

check: .venv/dev.stamp ## Lint, check types and the rules of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/python -m check_jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/python -m check_jsonschema --quiet --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@$(BIN)/python -m pytest -q --no-cov tests/test_house.py tests/docs

# The engine installs and starts whatever plugin a state names, from wherever the state says. With
# this, Pulumi takes those that `pulumi install` has put there, which the program's own packages name.
export PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION := true

preview: backend ## Show what a deploy of STACK would change
	@pulumi preview --stack=$(call quote,STACK) --diff --non-interactive

deploy: backend ## Deploy STACK, whose state is at PULUMI_BACKEND_URL
	@pulumi up --stack=$(call quote,STACK) --yes --non-interactive

preview-comment: backend ## The preview of STACK as Markdown, for a pull request
	@$(BIN)/python -m infra.preview $(call quote,STACK)

bootstrap: pulumi-cli $(BIN)/oncall ## Make the bucket (and key) for STACK's state, and the stack
	@$(BIN)/python -m infra.bootstrap $(call quote,STACK)

# Before Pulumi reads any state: it is in a bucket of this account, and holds the stack.
backend: pulumi-cli $(BIN)/oncall
	@$(BIN)/python -m infra.backend $(call quote,STACK)
	@pulumi install --no-dependencies --non-interactive

pulumi-cli:
	@command -v pulumi >/dev/null || { \
	  echo "There is no pulumi on PATH. Remedy: https://www.pulumi.com/docs/install/" >&2; exit 1; }

format: .venv/dev.stamp ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

policy-test: $(BIN)/oncall ## Test each policy/*.yaml (or FILES=...; SELF_DECLARED=1)
	@# xargs reads blanks and quotes in FILES as the shell would, and evaluates nothing.
	@$(if $(strip $(value FILES)),printf '%s' $(call quote,FILES) | xargs) \
	  $(BIN)/python -m policy test $(if $(value SELF_DECLARED),--self-declared) --

settings: .venv/dev.stamp ## Write the settings into Pulumi.yaml and docs/settings.md
	@$(BIN)/python -m infra.settings_reference

mutate: .venv/dev.stamp ## Change what decides, bit by bit: tests must notice (minutes)
	@$(BIN)/python -m tests.mutate

certify: .venv/dev.stamp ## Hold AuthZEN's certification scenario against the sandbox
	@$(BIN)/python -m tests.certification

bench: .venv/dev.stamp ## Measure what it costs, as ratios within one run
	@$(BIN)/python -m bench

soak: .venv/dev.stamp ## Load, failures, new secrets and kills for a minute: all holds
	@$(BIN)/python -m bench.soak

dist: packages ## Build the client packages, and collect their wheels, in dist/
	@# Pure wheels only, by our lock: they serve any Python and platform.
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

lock: ## Pin the dependencies anew, with hashes
	@test -x $(BIN)/uv || { $(call quote,PYTHON) -m venv .venv && $(PIP) install -q uv; }
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command 'make lock' requirements-dev.in -o requirements-dev.txt

clean: ## Remove all that the targets made
	rm -rf dist sdk/*/build sdk/*/src/*.egg-info .venv .sandbox .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/run.stamp: requirements.txt
	@$(call quote,PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  printf 'Python 3.11 or later is needed, %s is %s. Remedy: make PYTHON=python3.13 ...\n' \
	    $(call quote,PYTHON) "$$($(call quote,PYTHON) --version 2>&1)" >&2; exit 1; }
	@echo "Setting up .venv: Pulumi, its AWS SDK and the local AWS (about a minute, 450 MB) ..."
	@$(call quote,PYTHON) -m venv .venv || { \
	  echo "No virtual environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(PIP) install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	@touch $@

# From whatever folder it is called, -P keeps that folder's modules out.
$(BIN)/oncall: .venv/run.stamp Makefile
	@here=$$(pwd -P | sed "s/'/'\\\\''/g"); printf '%s\n' '#!/bin/sh' 'unset PYTHONHOME' \
	  "export PYTHONPATH='$$here'" "exec '$$here/.venv/bin/python' -P -m cli \"\$$@\"" > $@
	@chmod +x $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.txt | $(BIN)/oncall
	@echo "Adding what tests and checks need (a few seconds) ..."
	@$(PIP) install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	@touch $@
