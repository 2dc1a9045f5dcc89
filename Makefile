# make demo and make test work on a fresh machine that has make and Python 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test test-long bench bench-quick lint clean

demo: $(INSTALLED)
	$(BIN)/tensorjac derive "X @ A" X=b,m A=m,n --steps
	$(BIN)/tensorjac derive examples/layers.py:softmax_cross_entropy Z=b,n T=b,n --wrt Z

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses=8

test-long: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --maxprocesses=8 --long

# Also compared with JAX, PyTorch and autograd where these are installed; writes benchmarks/RESULTS.md.
bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run

bench-quick: $(INSTALLED)
	$(BIN)/python -m benchmarks.run --quick

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
