# make test: the whole test suite. It does all set-up by itself.
.PHONY: test
PYTHON := .venv/bin/python

.venv/.stamp: pyproject.toml constraints.txt
	@for p in python3.13 python3.12 python3 "$$HOME"/.pyenv/versions/3.1[2-9]*/bin/python; do \
	  "$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { found=$$p; break; }; \
	done; \
	[ -n "$$found" ] || { echo "slt needs Python 3.12 or later with its venv module (Debian: apt install python3-venv)."; exit 1; }; \
	"$$found" -m venv .venv && $(PYTHON) -m pip install --quiet -c constraints.txt -e '.[book,dev]' && touch $@

test: .venv/.stamp
	$(PYTHON) -m pytest
