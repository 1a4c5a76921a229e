# Everything lives in .venv; a stamp in it says what is installed, so a second call installs nothing.
#   PYTHON=...    the Python to build .venv with (3.11 or newer)
#   PIP_ARGS=...  more flags for pip, such as a mirror
#   ARGS=...      more arguments for the command: make test ARGS="-k book"

VENV := .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
ARGS ?=

# 3.11 first on Linux: the FIX wheel (quickfix-ssl) stops there. Elsewhere the newest.
CANDIDATES := $(if $(filter Linux,$(shell uname -s)),python3.11 python3.13 python3.12,python3.13 python3.12 python3.11) python3
# A name on the path may be a shim that fails, or a Python that cannot make environments: ask each to do it.
RUNS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(RUNS)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt

.PHONY: help demo test fuzz mutants lint format bench docs setup

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.core ## see Tercet work, with the core libraries only
	$(BIN)/tercet demo $(ARGS)

test: $(VENV)/.all ## run the tests
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

fuzz: $(VENV)/.all ## broken files through every reader: ARGS="--each 2000 --only gate,limits"
	$(BIN)/python tests/fuzzing.py $(ARGS)

mutants: $(VENV)/.all ## changes to the code that the tests should notice: ARGS="--only orders/ledger --most 50"
	@test -x $(VENV)-mutants/bin/cosmic-ray || { $(PYTHON) -m venv --clear $(VENV)-mutants && $(VENV)-mutants/bin/python -m pip install --quiet $(PIP_ARGS) cosmic-ray==8.7.0; }
	$(VENV)-mutants/bin/python tests/mutants.py $(ARGS)

lint: $(VENV)/.all ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.all ## mend what lint can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.core ## measure the speed
	@$(BIN)/tercet bench --json $(ARGS)

docs: $(VENV)/.all ## the reference, in out/docs
	$(BIN)/pdoc --output-directory out/docs tercet $(ARGS)

setup: $(VENV)/.all ## install every extra and the tools

# pip is what a venv gets last: where it is missing, the venv is half made.
$(BIN)/pip:
	@test -n "$(PYTHON)" || { echo "Tercet needs Python 3.11 or newer with venv (on Debian and Ubuntu: python3-venv); none of '$(CANDIDATES)' will do. Name one: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing the core libraries into $(VENV): about 25 seconds, 0.8 GB"
	$(INSTALL) -e .
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing every extra and the tools into $(VENV): about 2 minutes, 2.5 GB"
	$(INSTALL) -e '.[all,dev]'
	@touch $(VENV)/.core $@
