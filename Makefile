# The versions that nx-27017 and neosqlite allow; asyncio.timeout() needs 3.11.
IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
UNSUPPORTED := The chat needs Python 3.11 to 3.14: install one, or say where it is, \
	as in make run PYTHON=/path/to/python3.12
PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c '$(IS_SUPPORTED)' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
# By python -m, because scripts such as pip name the folder in which they were installed.
# envparse has no pyproject.toml; without --use-pep517 older versions of pip warn of that.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517
# Tests that run at once; more than cores, because most tests mostly wait.
WORKERS ?= 4
# The Node.js that Playwright brings runs the tests of scripts that need no browser.
NODE := .venv/lib/python3*/site-packages/playwright/driver/node
TEST_SCRIPTS := $(NODE) --test --test-reporter=dot tests/js/*.test.js
IS_DEBIAN := grep -qx ID=debian /etc/os-release 2>/dev/null
IS_ROOT_ON_DEBIAN := [ "$$(id -u)" = 0 ] && $(IS_DEBIAN)
APT_INSTALL := apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq
# Installs the packages that a command prints, or names all of them at once.
install = missing="$$(echo $$($(1)))"; \
	if [ -z "$$missing" ]; then :; \
	elif $(IS_ROOT_ON_DEBIAN); then { $(APT_INSTALL) $$missing; } >/dev/null; \
	else echo "Some programs are missing. On Debian and Ubuntu, as root:" >&2; \
		echo "    apt-get install $$missing" >&2; exit 1; fi

.PHONY: run gunicorn check test soak mutants lint settings node browser servers tools \
	screenshots lighthouse bench clean

run: .venv/run
	$(BIN)/python app.py

# What docs/deploy.md installs: the chat, and gunicorn in the version that is tested.
gunicorn: .venv/run
	$(INSTALL) "$$(grep -o '^gunicorn==[^ ]*' requirements-dev.txt)"

# Lint, and all tests that need neither a browser nor any other process: in less than a minute.
check: lint node
	$(TEST_SCRIPTS)
	$(BIN)/python -m pytest --quiet --numprocesses auto -m "not processes"

# First the tests that can run side by side, then those that need the whole machine;
# `make test TESTS=tests/chat` runs some, one after the other.
test: .venv/dev tools browser
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	$(TEST_SCRIPTS)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) -m "not serial"
	$(BIN)/python -m pytest -m serial
endif

# What `make test` has in a short form, at length: a million odd frames, 100,000 odd requests, an
# hour of joins and leaves speeded up, 100 kills under load, 10,000 simulations of three processes;
# and requests from other sites. Takes about an hour, and says what the chat took
# before and after.
soak: .venv/dev servers
	SOAK=1 $(BIN)/python -m pytest tests/load tests/simulation tests/security/test_guard.py

# An hour or two for all modules; `make mutants MODULES="security/limits.py chat/hub.py"` tries some.
mutants: .venv/mutants
	$(BIN)/python -m tests.mutants $(MODULES)

lint: .venv/dev
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy .

# Makes from settings.py what operators read about the settings.
settings: .venv/run
	$(BIN)/python app.py settings >.env.example
	$(BIN)/python app.py settings --markdown >docs/settings.md

# Node.js comes with Playwright, and needs libatomic1.
NO_NODE = $(NODE) --version >/dev/null 2>&1 || echo libatomic1
# Debian's Chromium (without a window) and Firefox, where they can be installed; else the Chromium in
# PATH, or Playwright's. Without a Firefox its one test is skipped.
CHROMIUM := command -v chromium-headless-shell || command -v chromium
NO_BROWSER = { if $(IS_ROOT_ON_DEBIAN); then dpkg -s chromium-headless-shell firefox-esr $(FONTS); \
	elif $(IS_DEBIAN); then $(CHROMIUM) || ls -d "$$HOME"/.cache/ms-playwright/chromium*; \
	fi; } >/dev/null 2>&1 || echo chromium-headless-shell firefox-esr $(FONTS)
NO_SERVERS = for each in redis-server nginx curl sqlite3; do \
	command -v $$each >/dev/null || echo $$each; done
# Debian has nginx where an ordinary user's PATH does not look.
test soak bench: export PATH := $(PATH):/usr/sbin

node: .venv/dev
	@$(call install,$(NO_NODE))

browser: node
	@$(call install,$(NO_BROWSER))
	@{ $(IS_ROOT_ON_DEBIAN) || $(CHROMIUM) || $(BIN)/python -m playwright install \
		$$([ "$$(id -u)" = 0 ] && echo --with-deps) chromium; } >/dev/null

servers:
	@$(call install,$(NO_SERVERS))

# All of these, so that what is missing is named in one line.
tools: .venv/dev
	@$(call install,$(NO_NODE); $(NO_BROWSER); $(NO_SERVERS))

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
