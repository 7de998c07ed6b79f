# Everything runs from a fresh checkout with Python >= 3.11 and nothing else: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
# The release the shipped numbers were measured with; TORCH="torch>=2.6" takes the newest, an empty TORCH keeps what
# is installed.
TORCH ?= torch==2.13.0
STAMP := .venv/.installed

ORACLES := .venv-oracles
OPEN_CLIP := .venv-open-clip
PROCESSORS := .venv-processors

.PHONY: install demo wordnet browser docs test test-oracles test-open-clip test-processors lint format bench clean

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

# WordNet for METEOR as BenSMOT computes it, from Debian's packages into the user's cache; no root needed.
wordnet: install
	$(BIN)/python scripts/install_wordnet.py

# Chromium for the tests of pages, from Debian's packages where this is root; elsewhere it says what to do.
browser: install
	$(BIN)/python scripts/install_browser.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	$(BIN)/python -m pytest

# What other people's packages answer, against what was recorded of them: RECORD=1 records anew. Their pins would spoil
# .venv, so they live in an environment of their own that borrows torch and numpy from it.
test-oracles: $(ORACLES)/.installed
	$(ORACLES)/bin/python tests/oracles/make_fastreid_fixture.py $(if $(RECORD),,--check)
	$(BIN)/python -m pytest tests/sushi_lg/appearance/test_fastreid_network.py

$(ORACLES)/.installed: $(STAMP)
	$(BIN)/python -m venv $(ORACLES)
	$(ORACLES)/bin/python -m pip install --quiet --no-deps fastreid==1.4.0 yacs termcolor tabulate
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(ORACLES)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/borrowed.pth"
	touch $@

# open_clip brings torchvision, for which some builds of torch have no match: it has an environment, and a torch, of its
# own.
test-open-clip: $(OPEN_CLIP)/.installed
	$(OPEN_CLIP)/bin/python -m pytest tests/sushi_lg/language

$(OPEN_CLIP)/.installed: pyproject.toml
	test -x $(OPEN_CLIP)/bin/python || $(PYTHON) -m venv $(OPEN_CLIP)
	$(OPEN_CLIP)/bin/python -m pip install --quiet --editable ".[dev,language]"
	touch $@

# What the processors of multimodal models make of pictures, against what was recorded of them: RECORD=1 records anew.
# They need torchvision, as open_clip does.
test-processors: $(PROCESSORS)/.installed
	$(PROCESSORS)/bin/python tests/oracles/make_processor_fixture.py $(if $(RECORD),,--check)

$(PROCESSORS)/.installed:
	test -x $(PROCESSORS)/bin/python || $(PYTHON) -m venv $(PROCESSORS)
	$(PROCESSORS)/bin/python -m pip install --quiet torch torchvision "transformers==5.23.*" pillow num2words
	touch $@

# The documentation as a site, in build/site; open index.html, or `python3 -m http.server -d build/site` for the search.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "wrote build/site/index.html"

bench: install
	$(BIN)/python benchmarks/suite.py runs/bench.json $(if $(DATA),--data $(DATA))

clean:
	rm -rf .venv .venv-oracles .venv-open-clip .venv-processors build dist
