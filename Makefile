# Two commands do all: `make report` runs the main job, `make test` passes the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SCALE ?= demo
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
AXE := $(CURDIR)/build/browser/node_modules/axe-core/axe.min.js

.PHONY: report test test-browser pdf check models lock clean

report: $(INSTALLED)
	$(BIN)/python -m qdllm_utils.report --scale $(SCALE) $(ARGS)

# Two files of tests at a time, each file in one process, in the order of their names.
test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# A real browser over every page: Debian's chromium (or QDLLM_CHROMIUM), playwright to drive it, axe-core to judge it.
# QDLLM_BOOK names a built book (.../_build/html); without it the book is built from what is published. Where one of the
# three cannot be had, the tests that need it are skipped and say why.
test-browser: $(INSTALLED)
	$(BIN)/python -m pip install --quiet playwright==1.65.2 || echo "playwright cannot be had here."
	test -f $(AXE) || npm install --silent --no-save --prefix build/browser axe-core@4.14.1 || echo "axe-core cannot be had here."
	QDLLM_BROWSER=1 QDLLM_AXE=$(AXE) $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/browser

# The published pages as one PDF, build/qdllm.pdf, by way of Chromium.
pdf: $(INSTALLED)
	$(BIN)/python -m qdllm_utils.show.pdf

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest -q tests/test_repository.py

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

# Real pre-trained models, once, each checked by its SHA-256 (1.6 GB; nothing of the demo scale needs them).
models: $(INSTALLED)
	$(BIN)/python -m qdllm_utils models mpnet qwen

# After a change of pyproject.toml: install what it asks for, then write down every version.
lock:
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -e .[test]
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf build

include benchmarks/peers.mk
