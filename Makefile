# A fresh machine needs Python 3.11 to 3.13 and make; `make help` lists the words.
.DEFAULT_GOAL := help
.PHONY: bench-mail mutants sequences help setup demo run test test-fast acceptance bench-fetch bench-gitops chaos chaos-apply chaos-fetch soak check schema session clean

BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
STAMP := .venv/.complete
PYTHON ?= python3
# Hundreds of tests start the program: without bytecode each start would compile it anew.
export PYTHONDONTWRITEBYTECODE :=

help: ## list these words
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

setup: $(STAMP) ## make .venv with the command reconciler in it

$(STAMP): pyproject.toml uv.lock
ifdef UV
	@$(UV) sync --quiet --locked --compile-bytecode --all-extras --all-groups
else
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet --editable '.[demo]' --group dev
endif
	@touch $@

demo: $(STAMP) ## play the whole story on loopback servers (DEMO="--keep" goes on running)
	@$(BIN)/reconciler demo $(DEMO)

run: $(STAMP) ## run the system over ./accounts.d until Ctrl-C
	@$(BIN)/reconciler run

# Four at a time on two cores: a good part of the tests waits for a server or a deadline.
test: $(STAMP) ## every test, with a real Dovecot; installs it when root or in CI
	@sh tests/rig/install.sh
	@$(BIN)/pytest -n 4 --dist loadgroup $(TESTS)

test-fast: $(STAMP) ## the tests that need no server
	@$(BIN)/pytest -n 4 --dist loadgroup -m 'not real and not slow' $(TESTS)

acceptance: $(STAMP) ## play every row of the manual on a real Dovecot and SMTP server and print a table (ROWS='name …')
	@sh tests/rig/install.sh
	@$(BIN)/python -m tests.acceptance.run $(ROWS)

SCALE ?= 1
RUNS ?= 3
OUT ?= bench/out
bench-fetch: ROWS ?= a b c C d

bench-fetch: $(STAMP) ## fetch beside mbsync, fetchmail, getmail6 and mpop, print and draw it (ROWS="a b" SCALE=0.1 RUNS=1 ONLY=imap OUT=dir)
	@sh bench/install.sh
	@$(BIN)/python -m bench.fetch --rows "$(ROWS)" --scale $(SCALE) --runs $(RUNS) --out $(OUT) --only "$(ONLY)"

FILES ?= 10000
PAGE ?= docs/benchmarks.md

bench-gitops: $(STAMP) ## validate, plan and apply 10,000 files beside check-jsonschema and octoDNS, into docs/benchmarks.md (FILES=n PAGE=file)
	@$(BIN)/python -m bench.gitops --files $(FILES) --write $(PAGE)

bench-mail: $(STAMP) ## read, judge and decide mails, and what samples of every kind are taken for (BENCH_MAILS=n)
	@$(BIN)/python -m bench.mail --mails $(or $(BENCH_MAILS),2000)

sequences: $(STAMP) ## play 50,000 orders of events through the router; `make test` plays 5,000 (SEQUENCES=n)
	@ROUTING_SEQUENCES=$(or $(SEQUENCES),50000) $(BIN)/pytest -n 4 --timeout=6000 tests/runtime/test_routing_sequences.py

SEED ?= 1
KILLS ?= 1000
MAILS ?= 2000

chaos: $(STAMP) ## kill the program a thousand times while mails flow, then count (SEED=n KILLS=n MAILS=n)
	@sh tests/rig/install.sh
	@$(BIN)/python -m tests.chaos.run --seed $(SEED) --kills $(KILLS) --mails $(MAILS)

FAULTS ?= 1000
DOOR ?= fast

chaos-fetch: $(STAMP) ## a thousand network faults and a thousand kills while mails are fetched, then count (SEED=n KILLS=n FAULTS=n MAILS=n DOOR=thread)
	@sh tests/rig/install.sh
	@$(BIN)/python -m tests.chaos.fetch --seed $(SEED) --kills $(KILLS) --faults $(FAULTS) --mails $(MAILS) --door $(DOOR)

chaos-apply: $(STAMP) ## kill apply twenty times at every kind of statement boundary, then compare every row (SEED=n)
	@$(BIN)/python -m tests.chaos.apply --seed $(SEED)

MINUTES ?= 10
ACCOUNTS ?= 500
RATE ?= 5
PICTURE ?= docs/soak.svg

soak: $(STAMP) ## run for ten minutes under mails and changes of files, then judge memory, threads, sockets and mails, and draw them (MINUTES=n ACCOUNTS=n RATE=mails a second PICTURE=file)
	@sh tests/rig/install.sh
	@$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES) --accounts $(ACCOUNTS) --rate $(RATE) --seed $(SEED) --picture $(PICTURE)

mutants: $(STAMP) ## take each guard away by a patch of one line and show the test that turns red
	@$(BIN)/python -m tests.mutants.run

check: $(STAMP) ## format, lint, types, import contract, generated files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .lint-imports.log || (cat .lint-imports.log; exit 1)
	@$(BIN)/reconciler schema --check schemas
	@echo "check: clean"

schema: $(STAMP) ## write schemas/ from the models
	@$(BIN)/reconciler schema --write schemas

session: $(STAMP) ## write docs/session.md from what the commands print
	@$(BIN)/python -m tests.docs.session

clean: ## remove what the other words made
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .reconciler .bench dist build .lint-imports.log
	@find . -name __pycache__ -prune -exec rm -rf {} +
