# `make demo` and `make test` do all the set-up; nothing else is needed but Python 3.11 or newer and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test unit long one lint types docs instructions containers lock clean help

help:
	@echo "make demo   install, make a small dataset, compare methods on it"
	@echo "make test   install, check and test all but what takes long"
	@echo "make unit   the quick tests alone"
	@echo "make long   the tests that take minutes each"
	@echo "make one TEST=FILE[::NAME]   one test"
	@echo "make lint, make types"
	@echo "make docs   build/site/index.html, the documentation"

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# torch only for the tests of the torch backend; the pinned version, so that no other build is drawn in
$(VENV)/.torch: $(VENV)/.installed requirements-torch.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements-torch.lock
	touch $@

# MkDocs only for the documentation; a broken link, or anything that another host would have to give, is an error
$(VENV)/.docs: $(VENV)/.installed requirements-docs.lock
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-docs.lock
	touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

demo: $(VENV)/.installed
	test -d demo/dataset || $(BIN)/lumirage-harness dataset phantom demo/dataset
	$(BIN)/lumirage-harness evaluate --method zero-displacement --method oracle --method greedy --track phantom demo/dataset demo/evaluation

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.installed $(VENV)/.torch
	$(BIN)/mypy

# the instructions of the scoring kernels, compared with the stored counts by valgrind where there is one
instructions: $(VENV)/.installed
	$(BIN)/python benchmarks/instruction_counts.py

unit: $(VENV)/.installed $(VENV)/.torch
	$(BIN)/pytest -q -n 2 tests/unit

one: $(VENV)/.installed
	$(BIN)/pytest -q $(TEST)

test: lint $(VENV)/.torch $(VENV)/.docs
	$(MAKE) --no-print-directory --jobs 2 --output-sync types docs instructions
	$(MAKE) --no-print-directory unit
	$(BIN)/pytest -q -n 2 -m "not long" tests/invariance
	$(BIN)/pytest -q -n 3 -m "not long" --dist loadfile --durations=12 tests/containers tests/e2e tests/gpu  # they wait for containers

# what takes minutes each: real brains, the image of the harness, killed clusters; before a release, and after a change there
long: $(VENV)/.installed $(VENV)/.torch
	$(BIN)/pytest -q -n 2 -m long --dist loadfile --durations=0 tests/invariance tests/containers tests/e2e

lock: $(VENV)/.installed
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --no-header --no-emit-index-url --group dev -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) demo
