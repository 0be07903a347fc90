# make demo   create the environment, install xent, score real predictions
# make test   create the environment, lint, type-check and pass the tests
# make bench  measure against PyTorch, torch.compile, JAX, scikit-learn and SciPy; writes the table of the README
# make browser  find a Chromium for the tests of the HTML pages, or install one
# make exhaustive  every float32 logit, both targets, against a float64 oracle (minutes)
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(shell find src cmake -name '*.py' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.cmake') CMakeLists.txt pyproject.toml

.PHONY: demo test lint browser bench exhaustive slow clean

demo: $(VENV)/.demo
	$(BIN)/xent demo

test: $(VENV)/.test lint
	$(BIN)/python -m pytest -m "not slow" tests --pyargs xent

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The one on PATH; else the system's, for who may install it; else Playwright's own.
browser: $(VENV)/.test
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	|| { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -q && apt-get install -qy chromium; } \
	|| $(BIN)/python -m playwright install chromium

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py

exhaustive: $(VENV)/.test
	$(BIN)/python scripts/exhaustive.py

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow tests

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# jaxlib first: built without its headers, xent has no kernels under jax.jit. The requirement is that of the extra.
JAX := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["jax"])
$(VENV)/.jax: $(BIN)/python pyproject.toml
	$(PIP) install --quiet "$$($(BIN)/python -c '$(JAX)')"
	touch $@
$(VENV)/.test $(VENV)/.bench: $(VENV)/.jax

# One stamp per extra; a changed source installs again.
$(VENV)/.demo $(VENV)/.test $(VENV)/.bench: $(VENV)/.%: $(BIN)/python $(SOURCES)
	$(PIP) install --quiet ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) build
