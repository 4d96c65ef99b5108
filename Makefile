# Two commands matter to a newcomer: `make demo` and `make test`. The others are for those who change the code.
# Everything is installed into .venv from hashed requirement files; nothing outside this folder is touched.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# pip's own progress and notices hide what matters here
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Where pip fails, the last line says what to set: most often it is a network that inspects TLS, or has its own index.
HELP := { echo "pip could not install from the package index. Behind a proxy that inspects TLS, set PIP_CERT to its \
CA file (PEM), and PIP_PROXY to the proxy; where PyPI is not reachable, set PIP_INDEX_URL to the index of your site. \
Then run make again." >&2; exit 1; }
INSTALL := $(PIP) install --require-hashes --no-deps

# Seven processes import the tests: each would compile them again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demo-pg test test-postgres test-system test-long bench check lock clean install uninstall deb

# Nothing is written into another user's folder: as root in a checkout of somebody else, the demo runs below /tmp.
demo: $(VENV)/.run
	@$(BIN)/cdpoll demo $$(test -O . || echo --dir "$$(mktemp -d)/cdpoll-demo")

# Two daemons on a PostgreSQL server of its own, from the programs of Debian's package postgresql; one is killed midway.
demo-pg: $(VENV)/.postgres
	@$(BIN)/cdpoll demo --postgres --tasks 100 $$(test -O . || echo --dir "$$(mktemp -d)/cdpoll-demo")

# Three processes for two cores: tests wait for other processes a good part of their time. Tests marked `system` need
# root, a machine of their own or a browser.
TEST := $(BIN)/python -m pytest -n $$(($$(nproc) * 3 / 2)) --dist worksteal
SELECT ?= -m "not system"

test: $(VENV)/.dev
	@$(if $(SELECT),echo "without the tests marked 'system' (root, systemd-nspawn, a browser); .ci/run runs them")
	@$(TEST) $(SELECT) $(PYTEST_ARGS)

# The tests of the store and of the rounds once more, on a PostgreSQL server. What is about a database file is left out,
# and what has its own server in `make test` already.
test-postgres: $(VENV)/.dev
	@CDPOLL_TEST_STORE=postgresql $(TEST) -m "not sqlite and not system" --ignore-glob='*/test_postgres*.py' \
		tests/store tests/rounds $(PYTEST_ARGS)

# One machine is booted for all of them, so they run one after the other.
test-system: $(VENV)/.dev
	@$(BIN)/python -m pytest -m system $$(grep -rl --include='test_*.py' 'mark\.system' tests | sort) $(PYTEST_ARGS)

# Hypothesis looks for new examples, the kill test kills twenty times as often, at other moments each time, a cursor
# follows ten thousand results, and five thousand go out by each way.
test-long: $(VENV)/.dev
	@HYPOTHESIS_PROFILE=explore KILLS=300 RESULTS=10000 $(TEST) $(SELECT) $(PYTEST_ARGS)

bench: $(VENV)/.bench
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# For the whole machine, as root; packaging/install.sh says what goes where. EXTRA=postgres: with psycopg, for a database
# on a PostgreSQL server; an installation that has it keeps it.
install:
	@EXTRA=$(EXTRA) packaging/install.sh

uninstall:
	@packaging/uninstall.sh

# The Debian package, in dist. EXTRA=postgres: with psycopg in it.
deb: $(VENV)/.deb
	@EXTRA=$(EXTRA) packaging/deb.sh

$(VENV)/.deb: requirements-deb.txt $(VENV)/.run
	@$(INSTALL) -r requirements-deb.txt || $(HELP)
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "cdpoll needs Python 3.11 or later; set PYTHON=")'
	@$(PYTHON) -m venv $(VENV) || { echo "no venv module: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "installing cdpoll into $(VENV) …"
	@$(INSTALL) -r requirements.txt || $(HELP)
	@$(PIP) install --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@$(BIN)/python -m compileall -q worker cli sandbox
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "installing the test tools into $(VENV) …"
	@$(INSTALL) -r requirements-dev.txt || $(HELP)
	@touch $@

# What a database on a PostgreSQL server needs beside the rest; .dev has it, too.
$(VENV)/.postgres: requirements-postgres.txt $(VENV)/.run
	@$(INSTALL) -r requirements-postgres.txt || $(HELP)
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	@$(INSTALL) -r requirements-bench.txt || $(HELP)
	@touch $@

# Names no package index, so that the files work wherever pip does.
LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --no-emit-package pip

lock: | $(BIN)/python
	@$(PIP) install uv
	@printf 'setuptools>=70.1\nwheel\n' | $(LOCK) --extra serve - --output-file requirements.txt
	@$(LOCK) --extra serve --extra dev --constraints requirements.txt --output-file requirements-dev.txt
	@printf 'psycopg[binary]>=3.2,<4\n' | $(LOCK:pyproject.toml=) --constraints requirements.txt - \
		--output-file requirements-postgres.txt
	@printf 'huey\npyx12\n' | $(LOCK:pyproject.toml=) - --output-file requirements-bench.txt
	@printf 'nfpm\n' | $(LOCK:pyproject.toml=) - --output-file requirements-deb.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
