PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

# What is imported is compiled once, and kept; pip would compile everything, which takes half a minute more.
export PYTHONDONTWRITEBYTECODE =

.PHONY: search test bench
search: .venv/ready
	$(BIN)/python search.py --method awp --trials 100

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy & types=$$!; $(BIN)/pytest && wait $$types

# Needs a quiet machine; MODEL and DATA may name folders.
bench: .venv/ready
	PYTHONPATH=. $(BIN)/python benchmarks/everything.py $(if $(MODEL),--model $(MODEL)) $(if $(DATA),--data $(DATA))

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@
