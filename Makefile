# Everything a person does here is a target. Each one does its own set-up.
.PHONY: help book test serve notebooks lint bench bench-quick clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON := .venv/bin/python
PORT ?= 8000
INPUTS := $(shell find slt book ext solutions -type f -not -path '*/__pycache__/*' -not -path '*/_parts/*' 2>/dev/null) \
          _config.yml _toc.yml references.bib

help:
	@echo "make book       build the book, computing every chapter, and print where it is"
	@echo "make test       the whole test suite (builds the book first)"
	@echo "make serve      the built book at http://localhost:$(PORT)"
	@echo "make notebooks  one notebook per chapter in _build/notebooks"
	@echo "make lint       ruff and pyright"
	@echo "make bench      the benchmarks, all of them, into the README's table"
	@echo "make bench-quick  a smaller round of them, about five minutes; the first one also installs the others"
	@echo "make clean      remove everything that was built, except .venv"

# The first interpreter that *runs* and is new enough wins: a name on the PATH may be a shim for nothing.
.venv/.stamp: pyproject.toml constraints.txt
	@ok='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))'; \
	if $(PYTHON) -c "$$ok" 2>/dev/null && $(PYTHON) -m pip --version >/dev/null 2>&1; then :; \
	else \
	  rm -rf .venv; made=; \
	  for p in python3.13 python3.12 python3; do \
	    if "$$p" -c "$$ok" >/dev/null 2>&1 && "$$p" -m venv .venv; then made=yes; break; fi; \
	  done; \
	  if [ -z "$$made" ] && uv --version >/dev/null 2>&1; then uv venv --quiet --seed --python 3.13 .venv && made=yes; fi; \
	  if [ -z "$$made" ]; then \
	    echo "No Python >= 3.12 with its venv module was found (looked for python3.13, python3.12, python3, uv): install one, e.g. 'apt install python3.13-venv', 'brew install python@3.13', or uv." >&2; \
	    exit 1; \
	  fi; \
	fi
	@echo "Installing the pinned packages into .venv (a few minutes, once) ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[book,dev]'
	@touch $@

# Strict: a warning, a broken reference, a failing cell or a Python warning in a cell fails the build.
_build/html/.stamp: .venv/.stamp $(INPUTS)
	@$(PYTHON) -m ext.build

book: _build/html/.stamp
	@echo "The book: $(CURDIR)/_build/html/index.html"

test: _build/html/.stamp notebooks
	$(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

serve: _build/html/.stamp
	@echo "The book is at http://localhost:$(PORT) (stop with Ctrl-C)"
	@$(PYTHON) -m http.server --directory _build/html $(PORT)

_build/notebooks/.stamp: _build/html/.stamp
	@$(PYTHON) -m ext.notebooks _build/notebooks && touch $@

notebooks: _build/notebooks/.stamp
	@ls _build/notebooks/*.ipynb

lint: .venv/.stamp
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff check --isolated --select F821 slt tests
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pyright

# Every benchmarks/bench_*.py, each other package in an environment of its own under _build/bench; one table.
bench: .venv/.stamp
	$(PYTHON) -m benchmarks.run

# Smaller sizes, about five minutes; nothing is written.
bench-quick: .venv/.stamp
	$(PYTHON) -m benchmarks.run --quick

clean:
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
