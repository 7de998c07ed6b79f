# Everything runs from a fresh checkout with Python >= 3.11 and nothing else: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
# The release the shipped numbers were measured with; TORCH="torch>=2.6" takes the newest, an empty TORCH keeps what
# is installed.
TORCH ?= torch==2.13.0
STAMP := .venv/.installed

.PHONY: install demo test lint format bench clean

install: $(STAMP)

# The stamp is written last: an interrupted installation is done again, a finished one is not.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: make PYTHON=python3.x")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(strip $(TORCH)),$(BIN)/python -m pip install --quiet "$(TORCH)")
	$(BIN)/python -m pip install --quiet --editable ".[dev,graph,train,pixels]"
	touch $@

demo: install
	$(BIN)/sushi-lg demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	$(BIN)/python -m pytest

bench: install
	$(BIN)/python benchmarks/suite.py runs/bench.json $(if $(DATA),--data $(DATA))

clean:
	rm -rf .venv build dist
