# The versions that nx-27017 and neosqlite allow; asyncio.timeout() needs 3.11.
IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
UNSUPPORTED := The chat needs Python 3.11 to 3.14: install one, or say where it is, \
	as in make run PYTHON=/path/to/python3.12
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c '$(IS_SUPPORTED)' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
# envparse has no pyproject.toml; without --use-pep517 older versions of pip warn of that.
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --use-pep517
# Tests that run at once; more than cores, because most tests mostly wait.
WORKERS ?= 4
# The Node.js that Playwright brings runs the tests of scripts that need no browser.
NODE := .venv/lib/python3*/site-packages/playwright/driver/node
TEST_SCRIPTS := $(NODE) --test --test-reporter=dot tests/js/*.test.js
IS_ROOT_ON_DEBIAN := [ "$$(id -u)" = 0 ] && grep -qx ID=debian /etc/os-release
APT_INSTALL := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq

.PHONY: run gunicorn check test soak mutants lint settings node browser servers screenshots \
	lighthouse bench clean

run: .venv/run
	$(BIN)/python app.py

# What docs/deploy.md installs: the chat, and gunicorn in the version that is tested.
gunicorn: .venv/run
	$(INSTALL) "$$(grep -o '^gunicorn==[^ ]*' requirements-dev.txt)"

# Lint, and all tests that need neither a browser nor any other process: in less than a minute.
check: lint node
	$(TEST_SCRIPTS)
	$(BIN)/pytest --quiet --numprocesses auto -m "not processes"

# First the tests that can run side by side, then those that need the whole machine;
# `make test TESTS=tests/chat` runs some, one after the other.
test: .venv/dev node browser servers
ifdef TESTS
	$(BIN)/pytest $(TESTS)
else
	$(TEST_SCRIPTS)
	$(BIN)/pytest --numprocesses $(WORKERS) -m "not serial"
	$(BIN)/pytest -m serial
endif

# What `make test` has in a short form, at length: a million odd frames, 100,000 odd requests, an
# hour of joins and leaves speeded up, 100 kills under load, 10,000 simulations of three processes;
# and requests from other sites. Takes about an hour, and says what the chat took
# before and after.
soak: .venv/dev servers
	SOAK=1 $(BIN)/pytest tests/load tests/simulation tests/security/test_guard.py

# An hour or two for all modules; `make mutants MODULES="security/limits.py chat/hub.py"` tries some.
mutants: .venv/mutants
	$(BIN)/python -m tests.mutants $(MODULES)

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

# Makes from settings.py what operators read about the settings.
settings: .venv/run
	$(BIN)/python app.py settings >.env.example
	$(BIN)/python app.py settings --markdown >docs/settings.md

# Node.js comes with Playwright, and needs libatomic1.
node: .venv/dev
	@if $(NODE) --version 2>/dev/null; then :; \
	elif $(IS_ROOT_ON_DEBIAN); then $(APT_INSTALL) libatomic1; \
	else echo "Node.js, which comes with Playwright, needs libatomic1." >&2; exit 1; fi >/dev/null

# Chromium for the browser tests: Debian's where it can be installed (without a window), else the
# one in PATH, else Playwright's. Without a Firefox its one test is skipped.
browser: PACKAGES := chromium-headless-shell firefox-esr
browser: node
	@if $(IS_ROOT_ON_DEBIAN); then \
		dpkg -s $(PACKAGES) $(FONTS) 2>/dev/null || { $(APT_INSTALL) $(PACKAGES) $(FONTS); }; \
	else \
		command -v chromium-headless-shell || command -v chromium || \
		$(BIN)/playwright install $$([ "$$(id -u)" = 0 ] && echo --with-deps) chromium; \
	fi >/dev/null

# Redis, nginx and SQLite's program for the tests: Debian's where they can be installed, else those in PATH.
servers: PACKAGES := redis-server nginx sqlite3
servers:
	@if command -v redis-server && command -v nginx && command -v sqlite3; then :; \
	elif $(IS_ROOT_ON_DEBIAN); then $(APT_INSTALL) $(PACKAGES); \
	else echo "The tests need redis-server, nginx and sqlite3 in PATH." >&2; exit 1; fi >/dev/null

# Some pictures are of Arabic and Chinese.
screenshots: FONTS := fonts-noto-core fonts-noto-cjk
screenshots: .venv/dev browser
	$(BIN)/python -m docs.screenshots

lighthouse: .venv/dev browser
	$(BIN)/python -m bench.lighthouse

bench: .venv/bench browser servers
	$(BIN)/python -m bench

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/run: requirements.txt
	@$(or $(PYTHON),false) -c '$(IS_SUPPORTED)' 2>/dev/null || { echo '$(UNSUPPORTED)' >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(INSTALL) -r requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(INSTALL) -r requirements-dev.txt
	@touch $@

.venv/mutants: .venv/dev requirements-mutants.txt
	$(INSTALL) -r requirements-mutants.txt
	@touch $@

.venv/bench: .venv/dev requirements-bench.txt
	$(INSTALL) -r requirements-bench.txt
	@touch $@
