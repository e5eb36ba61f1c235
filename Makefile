# Two commands matter: `make up` and `make test`. `make help` lists the rest.
ENVIRONMENT ?= local
citadel := .venv/bin/citadel
python := .venv/bin/python

# Without what Python keeps of compiled code, each of some hundred processes compiles it all again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down check types fresh unit test bench bench-config features coverage requirements generate format bootstrap

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## Debian packages, uv and the locked Python environment (done by the others).
	@tools/bootstrap

# bootstrap prints phases 1 and 2 of 8.
up: export CITADEL_PHASES_BEFORE := 2
up: bootstrap ## Bring up ENVIRONMENT (local): from a bare machine to a model's answer.
	@$(citadel) up $(ENVIRONMENT)

down: bootstrap ## Remove ENVIRONMENT with its data; asks first (YES=1 does not).
	@$(citadel) destroy $(ENVIRONMENT) $(if $(YES),--yes)

check: bootstrap ## Lint, types, unit tests, generated files fresh; under a minute.
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --check --quiet .
	@$(MAKE) --no-print-directory --jobs types fresh unit

# Parts of check, side by side.
types:
	@.venv/bin/mypy --no-error-summary
fresh:
	@$(python) -m hxp_enterprise_llm.configuration.generate --check
unit:
	@$(python) -m pytest -q -n auto --dist worksteal tests/unit

test: check ## Every layer on real engines, hosts and daemons.
	@$(python) tools/features.py >/dev/null
	@$(python) -m pytest -n 2 --dist loadscope tests --ignore=tests/unit

bench: bootstrap ## Measure the figures of docs/benchmarks.md.
	@$(python) tests/bench/run.py $(if $(COLD),--cold)

bench-config: bootstrap ## Measure the configuration library beside its peers.
	@$(python) tests/bench/run.py --config

coverage: bootstrap ## Lines and branches of the library that unit tests and real daemons reach.
	@rm -f build/coverage build/coverage.*
	@$(python) -m pytest -q -n auto --dist worksteal tests/unit --cov --cov-report=
	@$(python) -m pytest -q tests/configuration tests/secrets --cov --cov-append --cov-report=
	@.venv/bin/coverage report
	@.venv/bin/coverage json --quiet -o build/covered.json
	@$(python) tools/covered.py build/covered.json

requirements: bootstrap ## Export what uv.lock pins as requirements.txt, for those who need one.
	@$(dir $(python))uv export --locked --quiet --no-emit-project --no-dev --all-extras --output-file build/requirements.txt
	@echo build/requirements.txt

features: bootstrap ## List the rows of the specification with their tests; fails for a claim without one.
	@$(python) tools/features.py

generate: bootstrap ## Write what is generated from the models.
	@$(python) -m hxp_enterprise_llm.configuration.generate
	@$(python) -m hxp_enterprise_llm.orchestration.artifacts lock

format: bootstrap ## Format the code.
	@.venv/bin/ruff check --fix --quiet . && .venv/bin/ruff format --quiet .
