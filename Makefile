# make run    start Watchstander (with config.toml, or else the demo on port 8484)
# make test   everything a change must pass
# make bench  the figures in docs
# make flood  100,000 hostile messages through the reader
# make model  train the model that reads messages (90 minutes on two cores)
# make faults kill -9 everywhere: every failpoint, and at random under load (hours on two cores)
# make audit  known vulnerabilities in the packages of requirements.lock
# make runtime  try once more to compile the model's runtime

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
DIR ?= demo
PORT ?= 8484
TRAINING := .venv-training
MINUTES ?= 75

export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: run test bench faults flood model runtime audit lint clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed $(VENV)/.model
	@if [ -f config.toml ]; then \
	  exec $(BIN)/watchstander run --config config.toml; \
	else \
	  exec $(BIN)/watchstander demo --dir $(DIR) --port $(PORT); \
	fi

# A file's tests stay together; half of the time is waiting, so two at once are twice as fast.
test: $(VENV)/.test $(VENV)/.model lint
	$(BIN)/pytest -n 2 --dist loadfile

# Nothing in it needs the model. What breaks is kept in build/faults with the line that repeats it.
faults: $(VENV)/.test
	$(BIN)/python -m tests.faults $(FAULTS)

flood: $(VENV)/.test $(VENV)/.model
	WATCHSTANDER_FLOOD=100000 $(BIN)/pytest tests/attacks/test_parser_flood.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit:
	@PYTHON="$(PYTHON)" .ci/audit

bench: $(VENV)/.test $(VENV)/.model
	$(BIN)/python -m tests.bench

runtime: $(VENV)/.installed
	@rm -f $(VENV)/.model
	@$(MAKE) --no-print-directory $(VENV)/.model

# A venv of its own, because PyTorch is large and the bot never needs it.
model: $(TRAINING)/.installed
	$(TRAINING)/bin/python -m engine.training.train --minutes $(MINUTES) --work build/model

clean:
	rm -rf $(VENV) $(TRAINING) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Watchstander needs Python 3.11 or later; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python3 cannot make a venv; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml requirements.lock | $(BIN)/python
	$(PIP) install --quiet --constraint requirements.lock --editable .
	@touch $@

# The compilation takes some minutes, once. Where it fails, everything but the model works.
$(VENV)/.model: requirements.lock | $(VENV)/.installed
	@echo "Compiling the local model's runtime (llama-cpp-python); this takes some minutes, once."
	@$(PIP) install --quiet --constraint requirements.lock --editable '.[model]' \
	  > $(VENV)/model.log 2>&1 || \
	  echo "llama-cpp-python could not be compiled (see $(VENV)/model.log): starting without the" \
	       "model; words are read by rules. To try again: make runtime"
	@touch $@

$(TRAINING)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(TRAINING)
	$(TRAINING)/bin/pip --disable-pip-version-check install --quiet --constraint requirements.lock \
	  --editable '.[model,training]'
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) install --quiet --constraint requirements.lock --editable '.[test]'
	@touch $@
