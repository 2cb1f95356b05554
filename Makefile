# Two commands do all: `make report` runs the main job, `make test` passes the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SCALE ?= demo
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
TESTED := $(VENV)/tested
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
test-browser: $(TESTED)
	$(BIN)/python -m pip install --quiet playwright==1.65.2 || echo "playwright cannot be had here."
	test -f $(AXE) || npm install --silent --no-save --prefix build/browser axe-core@4.14.1 || echo "axe-core cannot be had here."
	QDLLM_BROWSER=1 QDLLM_AXE=$(AXE) $(BIN)/python -m pytest -q -n 2 --dist loadfile tests/browser

# The published pages as one PDF, build/qdllm.pdf, by way of Chromium.
pdf: $(INSTALLED)
	$(BIN)/python -m qdllm_utils.show.pdf

check: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest -q tests/test_repository.py

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11, 5) <= sys.version_info < (3, 12) and "Python 3.11.5 or a later 3.11 is needed: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

# What the tests need besides; a user's report does without.
$(TESTED): $(INSTALLED) requirements-test.lock
	$(BIN)/python -m pip install --quiet -r requirements-test.lock
	touch $@

# Real pre-trained models, once, each checked by its SHA-256 (1.6 GB; nothing of the demo scale needs them).
models: $(INSTALLED)
	$(BIN)/python -m qdllm_utils models mpnet qwen

# After a change of pyproject.toml: every version, with the hashes of its files, for Linux and macOS. What is locked
# already stays; `make lock UPGRADE=--upgrade` takes the newest. torch is left out, since each kind of machine has a build
# of its own: it is installed before the rest, by its number.
lock: $(INSTALLED)
	$(BIN)/python -m pip install --quiet uv==0.13.9
	$(BIN)/uv pip compile --quiet $(UPGRADE) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) pyproject.toml --extra test -o requirements-test.lock
	mkdir -p build
	sed -nE 's/^([^ #].*==.*) \\$$/      - "\1"/p' requirements.lock > build/pins.txt
	sed -i -e '/^      - "/d' -e '/torch==/r build/pins.txt' environment.yml

clean:
	rm -rf build

include benchmarks/peers.mk
