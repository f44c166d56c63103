# `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup dev up demo test check format lock screenshots bench-search clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/.runtime ## make .venv with the mmsvault command in it

.venv/.runtime: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

dev: .venv/.dev

.venv/.dev: .venv/.runtime requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

up: setup ## run every part on embedded servers, until Ctrl-C
	@exec $(BIN)/mmsvault up

demo: setup ## the same, and a sample provider that sends real postbacks
	@exec $(BIN)/mmsvault demo

test: dev ## run all tests (MMSVAULT_TEST_REQUIRE=redis,minio,postgresql,browser forbids skips)
	$(BIN)/python -m pytest

check: dev ## format, lint, types and import order
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## write the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: dev ## lock the newest versions that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group dev -c requirements.lock -o requirements-dev.lock

bench-search: dev ## measure searches among a million messages (half an hour; writes docs/search.md)
	nice $(BIN)/python -m tests.benchmarks.search

screenshots: dev ## take the README's pictures from a running demo
	$(BIN)/python docs/screenshots.py

clean: ## remove what can be made again (.venv and caches, never the data in var)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
