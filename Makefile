# `make` alone lists the targets.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup dev up demo test plans test-faults test-hosts test-media soak attacks fuzz
.PHONY: mutate bench bench-media bench-search bench-export bench-capacity bench-dashboard kinds repairs
.PHONY: check format lock schema rules sbom audit screenshots clean

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

test: dev ## run all tests, three files at a time (MMSVAULT_TEST_REQUIRE=redis,minio,... forbids skips)
	$(BIN)/python -m pytest -n 3 --dist loadfile
	$(MAKE) plans

plans: dev ## look at the plan of every statement of the catalog on a large one (a part of `make test`)
	$(BIN)/python -m pytest -m plans tests/integration/test_plans.py

test-faults: dev ## bring every fault about and write the table in docs/reliability.md
	MMSVAULT_TEST_FAULT_TABLE=docs/reliability.md $(BIN)/python -m pytest -m "faults or everyday_fault" tests/flow

test-hosts: dev ## several hosts in network namespaces, one cut off, one killed; writes docs/hosts.md (as root)
	MMSVAULT_TEST_HOSTS=docs/hosts.md $(BIN)/python -m pytest -m hosts tests/flow/test_hosts.py

attacks: dev ## thousands of held connections and guesses; writes the figures into docs/security.md
	MMSVAULT_TEST_ATTACKS=docs/security.md $(BIN)/python -m pytest -m attacks tests/flow

fuzz: dev ## look for inputs that break a reader, ten minutes each (ARGS="contacts --seconds 3600 --seed 2")
	nice $(BIN)/python -m tests.fuzz $(or $(ARGS),all)

mutate: dev ## see which small faults the tests catch; writes docs/testing.md (ARGS=mmsvault/leases.py, ARGS="--sample 30")
	nice $(BIN)/python -m tests.mutation $(ARGS)

soak: dev ## ten minutes of load while everything is killed at random
	MMSVAULT_TEST_SOAK=docs/reliability.md $(BIN)/python -m pytest -m soak tests/flow

test-media: dev ## break every sample file in 2,000 ways (an hour or more)
	$(BIN)/python -m pytest -m long tests/integration/test_sandbox.py

bench: dev ## measure against bare loops, Celery, arq and RQ (writes docs/performance.md; ARGS=--growth: as it grows)
	$(BIN)/python -m tests.benchmarks.performance $(ARGS)

bench-media: dev ## measure thumbnails against libvips and the sandbox's cost; writes docs/performance-media.md
	MMSVAULT_TEST_WRITE=1 $(BIN)/python -m pytest -q -s -m benchmark tests/benchmarks/test_media.py

kinds: dev ## play every kind of file in Chromium; writes the table in docs/media.md
	MMSVAULT_TEST_WRITE=1 $(BIN)/python -m pytest -q tests/browser/test_kinds.py

repairs: dev ## read postbacks with every slip; writes the table in docs/connect-sinch.md
	MMSVAULT_TEST_WRITE=1 $(BIN)/python -m pytest -q tests/unit/test_repair_table.py

check: dev ## format, lint (the Dockerfile's, too), types and import order
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/hadolint Dockerfile
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## write the code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: dev ## write the form that the migrations make into mmsvault/catalog/newest.sql
	$(BIN)/python -m tests.newest_form

rules: dev ## write Prometheus's rules and the operator guide's table from the list of conditions
	$(BIN)/python -m mmsvault.ops.rules

lock: dev ## lock the newest versions that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group build pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --group dev -c requirements.lock -o requirements-dev.lock

bench-export: dev ## measure exports of 1, 2 and 4 GiB; writes the figures into docs/exports.md
	$(BIN)/python -m tests.benchmarks.bench_export

bench-capacity: dev ## measure a message's bytes and milliseconds on real servers; writes docs/capacity.md
	$(BIN)/python -m tests.benchmarks.capacity

bench-dashboard: dev ## measure the gallery against a static page of thumbnails; writes docs/dashboard.md
	nice -n 5 $(BIN)/python -m tests.benchmarks.dashboard

bench-search: dev ## measure searches among a million messages (half an hour; writes docs/search.md)
	nice $(BIN)/python -m tests.benchmarks.search

sbom: dev ## list every locked package as CycloneDX JSON in build/sbom.json
	@mkdir -p build
	$(BIN)/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --mc-type application \
		--output-reproducible --of JSON -o build/sbom.json requirements.lock

audit: dev ## ask a service of advisories about the locked packages; says so where none answers
	$(BIN)/python -m tests.advisories

screenshots: dev ## take a picture of every page of a running demo (docs/pictures)
	MMSVAULT_DATA_DIR=var/demo $(BIN)/python docs/screenshots.py

clean: ## remove what can be made again (.venv and caches, never the data in var)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
