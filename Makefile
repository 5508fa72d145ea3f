# What one does with Scrip. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find proto -name '*.proto')
SERVICE_PROTOS := $(filter-out %/events.proto,$(PROTOS))
PROTOC := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install generate run test test-crash test-kills test-sdks lint format bench bench-ledger client lock baseline clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: gen/.generated ## make .venv with everything that is needed, and the stubs

run: install ## start PostgreSQL, NATS and all services; ARGS="--port 9000 --data-dir other" goes to scrip run
	@exec $(BIN)/scrip run $(ARGS)

test: install ## run every test against a PostgreSQL and a NATS of its own; ARGS="-k ledger" picks some
ifeq ($(strip $(ARGS)),)
	@$(BIN)/python -m pytest -n 3 --ignore=tests/cli --ignore=tests/system
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests/cli tests/system
else
	@$(BIN)/python -m pytest $(ARGS)
endif

test-crash: install ## kill ledgers and their PostgreSQL for SCRIP_TEST_CRASH_SECONDS=60 and judge every answer by the log
	@SCRIP_TEST_CRASH_SECONDS=$${SCRIP_TEST_CRASH_SECONDS:-60} $(BIN)/python -m pytest -s tests/ledger/test_crashes.py

test-kills: install ## kill executor, ledger, NATS, PostgreSQL at every step of a job; all by turns for SCRIP_TEST_KILLS_SECONDS=120
	@SCRIP_TEST_KILLS=all SCRIP_TEST_KILLS_SECONDS=$${SCRIP_TEST_KILLS_SECONDS:-120} $(BIN)/python -m pytest -s \
		tests/executor/test_crash_points.py tests/system/test_kill_schedule.py

test-sdks: install ## compare what providers' own SDKs send with what our tools send
	@test -x .sdks/bin/python || $(BIN)/python -m venv .sdks
	@.sdks/bin/python -m pip install -q --disable-pip-version-check -r requirements/sdks.txt
	@$(BIN)/python -m pytest tests/tools/test_sdk_witnesses.py $(ARGS)

lint: install ## check style, types, imports between modules, and the protos
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "some files are not formatted: run make format"; exit 1; }
	@$(BIN)/mypy
	@PYTHONPATH=gen $(BIN)/lint-imports --no-logo
	@$(BIN)/buf lint
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/buf breaking --against proto/baseline.binpb

format: install ## put code and protos into the common form
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/buf format --write proto

bench: install ## measure; one JSON object a line on stdout, progress on stderr; ARGS="engine execute cold" picks some
	@$(BIN)/python -m bench $(ARGS)

bench-ledger: install ## measure the ledger, in under ten minutes; ARGS="engine memory" or "crash --crash-seconds 600" picks
	@$(BIN)/python -m bench.ledger $(ARGS)

client: install ## build the wheel of the Python client, stubs included, into clients/python/dist
	@rm -rf clients/python/build clients/python/dist && mkdir -p clients/python/build/scrip/ledger/v1
	@cd clients/python && cp -r pyproject.toml README.md scrip_client build
	@cp gen/scrip/ledger/v1/events_pb2* gen/scrip/ledger/v1/ledger_pb2* clients/python/build/scrip/ledger/v1
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir clients/python/dist clients/python/build
	@ls clients/python/dist/*.whl

generate: gen/.generated ## make the stubs in gen/ from proto/

lock: ## write requirements/dev.txt anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra local --extra dev pyproject.toml --output-file requirements/dev.txt

baseline: install ## let the present protos and migrations be what later ones must not break
	@$(BIN)/buf build --exclude-source-info --output proto/baseline.binpb
	@$(BIN)/python -m tests.runtime.test_released_migrations

clean: ## remove what was made here; data of `make run` in .scrip stay
	rm -rf $(VENV) gen .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	rm -rf clients/python/build clients/python/dist clients/python/*.egg-info

# uv installs in a second what takes pip half a minute; where it cannot be had, pip does.
$(VENV)/.installed: requirements/dev.txt pyproject.toml clients/python/pyproject.toml
	@echo "installing into $(VENV) …" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
	@if [ -x $(BIN)/uv ]; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt; \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--editable . --editable clients/python
	@$(BIN)/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "scrip-stubs.pth").write_text("$(CURDIR)/gen\n")'
	@touch $@

gen/.generated: $(PROTOS) $(VENV)/.installed
	@rm -rf gen && mkdir -p gen
	@$(PROTOC) --python_out=gen --pyi_out=gen $(PROTOS)
	@$(PROTOC) --grpc_python_out=gen --mypy_grpc_out=quiet:gen $(SERVICE_PROTOS)
	@touch $@
