# make run    start Watchstander (with config.toml, or else the demo on port 8484)
# make test   everything a change must pass
# make bench  the figures in docs
# make model  try once more to compile the local language model's runtime

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check
DIR ?= demo
PORT ?= 8484

export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: run test bench model lint clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed $(VENV)/.model
	@if [ -f config.toml ]; then \
	  exec $(BIN)/watchstander run --config config.toml; \
	else \
	  exec $(BIN)/watchstander demo --dir $(DIR) --port $(PORT); \
	fi

test: $(VENV)/.test $(VENV)/.model lint
	$(BIN)/pytest

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test $(VENV)/.model
	$(BIN)/python -m tests.bench

model: $(VENV)/.installed
	@rm -f $(VENV)/.model
	@$(MAKE) --no-print-directory $(VENV)/.model

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

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
	       "model; words are read by rules. To try again: make model"
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(PIP) install --quiet --constraint requirements.lock --editable '.[test]'
	@touch $@
