# make demo: see a tutorial played.   make up: start a cluster here.   make test: pass the tests.
# The rest is for developers.
VENV := .venv
PYTHON ?= python3
STAMP := $(VENV)/.installed

.PHONY: setup demo up test unit e2e check format proto bench image-base clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "podyard needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo 'podyard needs the venv module (Debian: apt-get install python3-venv)' >&2; exit 1; }
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: setup
	@$(VENV)/bin/podyard demo

up: setup
	@$(VENV)/bin/podyard up

test: unit e2e

unit: setup
	$(VENV)/bin/pytest --quiet tests/unit

e2e: setup
	$(VENV)/bin/pytest --quiet tests/e2e

check: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	proto/generate.sh
	git diff --exit-code -- proto

format: setup
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: setup
	$(VENV)/bin/python -m bench

# A local base for the Dockerfile, for machines that reach no image registry: PODYARD_BASE=podyard-base docker compose up
image-base:
	docker/base

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
