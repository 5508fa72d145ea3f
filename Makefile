# What one does with Scrip. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROTOS := $(shell find proto -name '*.proto')
SERVICE_PROTOS := $(filter-out %/events.proto,$(PROTOS))

.DEFAULT_GOAL := help
.PHONY: help install generate run test lint bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

install: $(VENV)/.installed gen/.generated ## make .venv with everything that is needed

$(VENV)/.installed: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo $(CURDIR)/gen > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/scrip-gen.pth"
	@touch $@

generate: gen/.generated ## make the stubs in gen/ from proto/

gen/.generated: $(PROTOS) $(VENV)/.installed
	@rm -rf gen && mkdir -p gen
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=gen --pyi_out=gen $(PROTOS)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --grpc_python_out=gen --mypy_grpc_out=gen $(SERVICE_PROTOS)
	@touch $@
