# Every target sets up what it needs: a virtual environment in .venv with the versions of
# constraints.txt. Nothing outside this folder changes. `make PYTHON=/path/to/python3.11 TARGET`
# takes an interpreter of your own; `make TORCH_INDEX=URL TARGET` an index of CPU builds of torch,
# where pip would otherwise fetch a CUDA build of several GB.

PYTHON ?= python3.11 python3 python3.12
TORCH_INDEX ?=

RUN := .venv/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --no-input
INSTALLED := .venv/.installed

# What a user's shell may hold that would send packages elsewhere or let foreign ones in.
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX
export PIP_USER := 0
export PYTHONNOUSERSITE := 1
# Results of checked pictures, which otherwise go to ~/.cache/passerby.
export PASSERBY_CACHE := $(CURDIR)/.cache

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all check docs format bench mutants

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: $(INSTALLED) ## train and evaluate on synthetic people, write a report; writes to demo/
	.venv/bin/passerby demo

# A file's tests stay together, for they share what they trained; each process computes on one core.
test: $(INSTALLED) ## the quick tests (about 5 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not slow" -n auto --maxprocesses 8 --dist loadfile

test-slow: $(INSTALLED) ## the slow tests alone: one after the other, they start processes of their own
	$(RUN) -m pytest -m slow

test-all: test test-slow ## all tests (under 40 minutes)

check: $(INSTALLED) ## format, lint, types, direction of imports
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	.venv/bin/lint-imports --no-logo

docs: $(INSTALLED) ## the documentation as a site: docs/_build/index.html
	$(RUN) -m sphinx -q -W --keep-going -b html docs docs/_build
	@if $(RUN) -c 'import socket; socket.create_connection(("www.python.org", 443), 3)' 2>/dev/null; then \
	  $(RUN) -m sphinx -q -b linkcheck -d docs/_build/.doctrees docs docs/_build/links || \
	  echo "Links to other sites are broken: docs/_build/links/output.txt" >&2; \
	else echo "No network: links to other sites are not checked"; fi

format: $(INSTALLED) ## bring the code into the house format
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

bench: $(INSTALLED) ## run what lies in benchmarks/
	@for file in benchmarks/*.py; do \
	  if [ ! -e "$$file" ]; then echo "There are no benchmarks yet."; break; fi; \
	  echo "== $$file"; $(RUN) "$$file" || exit 1; \
	done

# In a copy, for each change is written into the source; a run that was stopped goes on.
MUTANTS := .cache/mutants
mutants: $(INSTALLED) ## change methods and losses here and there: which changes does no test notice? (days)
	@$(PIP) install -qq -c constraints.txt cosmic-ray
	@if [ ! -e $(MUTANTS)/session.sqlite ]; then \
	  rm -rf $(MUTANTS); mkdir -p $(MUTANTS); \
	  git ls-files -z src tests tools pyproject.toml | xargs -0 cp --parents -t $(MUTANTS); \
	  cd $(MUTANTS) && export PATH="$(CURDIR)/.venv/bin:$$PATH" && \
	  cosmic-ray init tools/mutants.toml session.sqlite && \
	  cr-filter-operators session.sqlite tools/mutants.toml; \
	fi
	cd $(MUTANTS) && export PATH="$(CURDIR)/.venv/bin:$$PATH" PYTHONPATH="$$PWD/src" OMP_NUM_THREADS=1; \
	cosmic-ray exec tools/mutants.toml session.sqlite && cr-report --surviving-only session.sqlite

# The stamp holds the folder that the environment was made for: one that was moved, copied or left
# half finished is made again; one that is merely older than its list of packages is updated.
ifneq ($(shell test -x $(RUN) && cat $(INSTALLED) 2>/dev/null),$(CURDIR))
.PHONY: $(INSTALLED)
endif

$(INSTALLED): pyproject.toml constraints.txt
	@set -e; \
	if [ ! -x $(RUN) ] || [ "$$(cat $@ 2>/dev/null)" != "$(CURDIR)" ]; then \
	  python=; \
	  for candidate in $(PYTHON); do \
	    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; \
	    then python=$$candidate; break; fi; \
	  done; \
	  if [ -z "$$python" ]; then \
	    found=$$(for candidate in $(PYTHON); do "$$candidate" --version 2>/dev/null || true; done | sort -u | paste -sd, -); \
	    echo "passerby needs Python 3.11 or 3.12 with its venv module (Debian, Ubuntu: python3-venv); found: $${found:-no Python}" >&2; \
	    exit 1; \
	  fi; \
	  rm -f $@; \
	  echo "Installing into .venv (a minute or two, once)"; \
	  "$$python" -m venv --clear .venv; \
	else \
	  rm -f $@; \
	  echo "Updating .venv: pyproject.toml or constraints.txt changed"; \
	fi; \
	torch="torch==$$(sed -n 's/^torch==//p' constraints.txt)+cpu"; \
	$(PIP) install -qq --no-deps "$$torch" 2>/dev/null || \
	{ [ -n "$(TORCH_INDEX)" ] && $(PIP) install -qq --no-deps --index-url "$(TORCH_INDEX)" "$$torch"; } || \
	echo "No CPU build of torch here: taking the one that pip finds"; \
	$(PIP) install -qq -c constraints.txt hatchling editables; \
	$(PIP) install -qq -c constraints.txt --no-build-isolation -e '.[dev,docs]'; \
	echo "$(CURDIR)" > $@
