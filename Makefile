PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: run test soak lint browser screenshots lighthouse bench clean

run: .venv/run
	$(BIN)/python app.py

test: .venv/dev browser
	$(BIN)/pytest $(TESTS)

# A hundred kills under load, where `make test` has ten: takes about five minutes.
soak: .venv/dev
	CHAOS_ROUNDS=100 $(BIN)/pytest tests/test_history.py

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .

# Chromium for the browser tests: the system's if it has one, else Debian's, else Playwright's.
browser: .venv/dev
	@command -v chromium >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	else \
		$(BIN)/playwright install chromium; \
	fi

screenshots: .venv/dev browser
	$(BIN)/python -m tests.screenshots

lighthouse: .venv/dev browser
	$(BIN)/python -m tests.lighthouse

bench: .venv/bench
	$(BIN)/python -m tests.bench

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/run: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: .venv/run requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv/bench: .venv/dev requirements-bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
