# e2ecall: every target sets up what it needs in .venv of this checkout and writes nothing outside it.
# A second run calls no installer: a stamp file carries the hash of what was installed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HASH   := $(shell cat pyproject.toml constraints.txt 2>/dev/null | sha256sum | cut -c1-16)
RUN    := $(VENV)/.run-$(HASH)
DEV    := $(VENV)/.dev-$(HASH)
FUZZER := $(VENV)/.fuzz-$(HASH)
OTHERS := $(VENV)/.interop-$(HASH)
SECONDS ?= 60
FUZZ   ?= all

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PIP_NO_CACHE_DIR := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all interop check format lint types imports spec wheel-smoke bench bench-exchange bench-conformance bench-frames conformance mutants vectors.zip fuzz clean

help:          ## this list
	@awk -F ':.*## *' '/^[a-z.-]+:.*##/ { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: e2ecall needs Python 3.11 or newer, found $$($(PYTHON) --version)" >&2; echo "hint: make PYTHON=python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "error: this Python cannot make a virtual environment" >&2; echo "hint: apt install python3-venv" >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c 'import pip' 2>/dev/null || { rm -rf $(VENV); echo "setting up $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet -c constraints.txt 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]'
	@rm -f $(VENV)/.run-* $(VENV)/.dev-* $(VENV)/.fuzz-* $(VENV)/.interop-*; touch $@

$(DEV): $(RUN)
	@echo "installing the development tools …"
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group dev
	@touch $@

$(FUZZER): $(DEV)
	@echo "installing the fuzzer …"
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group fuzz
	@touch $@

$(OTHERS): $(DEV)
	@echo "installing the other implementations …"
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group interop
	@touch $@

setup: $(RUN)  ## the environment alone

demo: $(RUN)   ## a real encrypted call on this machine (make demo ARGS="--attack mitm")
	@$(BIN)/e2ecall demo $(ARGS)

test: $(DEV)   ## the tests
	@$(BIN)/python -m pytest $(ARGS)

test-all: interop ## the tests, the slow suites, and those against other implementations
	@E2ECALL_SLOW=1 $(BIN)/python -m pytest $(ARGS)

interop: $(OTHERS) ## Telegram's exchange, packets and whole calls, live against ntgcalls
	@E2ECALL_INTEROP=1 $(BIN)/python -m pytest tests/interop $(ARGS)

format: $(DEV) ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .

lint: $(DEV)
	@$(BIN)/ruff format --check --quiet . || { echo "error: unformatted files" >&2; echo "hint: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

types: $(DEV)
	@$(BIN)/mypy --no-error-summary

imports: $(DEV)
	@$(BIN)/lint-imports >$(VENV)/imports.log 2>&1 || { cat $(VENV)/imports.log; exit 1; }

spec: $(DEV)   ## the tables of spec/ against the code, and every clause against its tests
	@$(BIN)/e2ecall spec check

check: lint types imports spec ## what every commit passes
	@$(MAKE) --no-print-directory test ARGS="-q --cov --cov-report=term $(ARGS)"

wheel-smoke: $(DEV) ## build the wheel, install it in an empty environment, run it
	@$(BIN)/python -m build --no-isolation --wheel --outdir dist . >/dev/null
	@sh tests/wheel_smoke.sh dist

conformance: $(RUN) ## this implementation held to every vector, as any other can be
	@$(BIN)/e2ecall conformance run $(ARGS) -- $(BIN)/e2ecall conformance peer

vectors.zip: $(RUN) ## the test vectors and their schemas, for other languages (dist/vectors.zip)
	@mkdir -p dist
	@$(BIN)/python -B vectors/generate.py --zip dist/vectors.zip

mutants: $(RUN) ## broken versions of this implementation, each of which the vectors must notice
	@$(BIN)/e2ecall conformance mutants $(ARGS)

bench: $(RUN)  ## the measurements of benchmarks/
	@$(BIN)/python benchmarks/call.py $(ARGS)

bench-exchange: $(RUN) ## what an exchange and a rekey cost, beside the bare primitives
	@$(BIN)/python benchmarks/exchange.py $(ARGS)

bench-conformance: $(RUN) ## how fast the conformance runner is, beside a bare pipe
	@$(BIN)/python benchmarks/conformance.py $(ARGS)

bench-frames: $(RUN) ## what sealing and opening a frame costs, beside other implementations
	@$(BIN)/python benchmarks/frames.py $(ARGS)

fuzz: $(FUZZER) ## atheris on every parser (make fuzz SECONDS=60 FUZZ=header)
	@$(BIN)/python -m fuzz.harness $(FUZZ) --atheris --seconds $(SECONDS)

clean:         ## remove the environment and everything made
	@rm -rf $(VENV) dist build fuzz/corpus e2ecall-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
