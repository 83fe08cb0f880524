# edgecnn: everything a newcomer types. `make help` lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SUDO   ?= $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BIN    := .venv/bin
# uv installs faster than pip. It does not read pip's settings: where those are needed, pip it is.
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Hundreds of processes start here; without bytecode each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

# More processes than there are processors: many tests wait for other programs, long ones most. The
# files that take longest go first (tests/schedule.py).
SHARED := -n $$(($$(nproc) + 1)) --dist loadfile --no-loadscope-reorder
LONG   := -n $$(($$(nproc) + 3)) --dist loadfile --no-loadscope-reorder

.PHONY: help system install quickstart test test-slow test-documentation lint types docs format clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

system: ## Install the Debian packages that pip cannot bring (needs root or sudo)
	$(SUDO) apt-get update -qq
	$(SUDO) apt-get install -y -qq --no-install-recommends $$(sed 's/#.*//' debian-packages.txt)

install: .venv/installed ## Set up .venv with every runtime and the development tools

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "edgecnn needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 3; }
	@$(PYTHON) -c 'import ensurepip' \
	  || { echo "this Python cannot make environments: apt-get install python3-venv"; exit 3; }
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet -c constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e '.[dev]' \
	  || $(PIP) install --quiet -c constraints.txt -e '.[dev]'
	-PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/edgecnn env create tflite-runtime
	-PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/edgecnn env create pnnx
	@touch $@

quickstart: install ## Train, convert, verify, benchmark, report, and name the file to ship: runs/quickstart
	$(BIN)/edgecnn run --quick --out runs/quickstart

test: install ## Run the tests (the long ones are left to test-slow)
	$(BIN)/python -m pytest -m 'not slow and not alone' $(SHARED)
	$(BIN)/python -m pytest -m 'alone and not slow' $$(grep -rl --include='test_*.py' 'mark\.alone' tests)

test-slow: install ## Run the long tests: wheels, boards, searches, trainings, what the documentation shows
	$(BIN)/python -m pytest -m slow $(LONG) $$(grep -rl --include='test_*.py' 'mark\.slow' tests)

test-documentation: install ## Of the long tests those of README and docs/: commands, notebooks, the site
	$(BIN)/python -m pytest -m slow tests/e2e/test_documentation_site.py tests/e2e/test_notebooks.py \
	  tests/e2e/test_walk_through.py tests/e2e/test_walk_through_how_to.py

lint: install ## Check style, spelling and prose
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell
	$(BIN)/python -m docs.tools.prose

types: install ## Check types
	$(BIN)/mypy

docs: install ## Build the documentation site, without a network: site/index.html
	$(BIN)/python -m docs.tools.build

format: install ## Format the code
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

clean: ## Remove what was built and measured here
	rm -rf .venv runs dist build site test-artifacts .pytest_cache .mypy_cache .ruff_cache .hypothesis
