# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
#
#   make demo    set up once, then play a street with failing sensors through the node; see out/demo/
#   make test    set up once, then lint, type-check and run every test
#   make help    everything else

VENV   ?= .venv
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.10 python3,$(shell command -v $(name) 2>/dev/null)))
BIN    := $(VENV)/bin
# An environment counts as checked only where all of it was installed so.
READY  := $(VENV)/$(if $(HASHES),.hashed,.ready)
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check

# A ROS 2 distribution that was sourced in this shell must not mix with the one from PyPI.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH PYTHONPATH LD_LIBRARY_PATH ROS_DISTRO RMW_IMPLEMENTATION
endif

.PHONY: help setup demo test quick fast matrix lint benchmark soak train ladder compare clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

setup: $(READY)  ## make the virtual environment (VENV=.venv, PYTHON=python3.x; HASHES=1 makes it anew, with files checked by sha256)

$(READY): setup.py constraints.txt constraints.hashes.txt scripts/system_libraries.sh
	@test -n "$(PYTHON)" || { echo 'error: no Python found; install Python 3.10, 3.11 or 3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "error: $(PYTHON) is $$($(PYTHON) -V); use Python 3.10 to 3.12: make PYTHON=python3.11" >&2; exit 1; }
	@./scripts/system_libraries.sh
	@rm -f $(VENV)/.hashed
	@$(PYTHON) -m venv $(if $(HASHES),--clear) $(VENV) || \
	  { echo 'error: cannot make a virtual environment; install the package python3-venv' >&2; exit 1; }
	@echo 'setting up $(VENV): torch, then ROS 2, Open3D and the rest (some minutes, once)'
	@$(if $(HASHES),$(INSTALL) --require-hashes --no-deps -r constraints.hashes.txt)
	@$(INSTALL) -c constraints.txt torch
	@$(INSTALL) $(if $(HASHES),--no-deps --no-build-isolation,-c constraints.txt) -e '.[torch,ros,sim,report,train,test]'
	@touch $(VENV)/.ready $@

demo: $(READY)  ## the main job: four sensors in, label images out, while sensors fail
	@$(BIN)/python -m anymodal_seg_ros.demo --out out/demo

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/mypy

# What each says comes when it is done.
TOGETHER := $(MAKE) --no-print-directory -j$(shell env -u OMP_NUM_THREADS nproc) --output-sync=target

test: lint  ## lint, type-check and run every test
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not alone'
	@$(BIN)/python -m pytest -m alone test/ros

quick: $(READY)  ## lint, type-check and run the tests of every part that take no time
	+@$(TOGETHER) lint fast

fast: $(READY)
	@$(BIN)/python -m pytest -n auto --dist worksteal -m 'not slow'

matrix: $(READY)  ## the quick tests on Python 3.10 to 3.12 with NumPy 1.26 and 2, where they are installed
	@test -x .venv-matrix/bin/nox || { $(BIN)/python -m venv .venv-matrix && \
	  .venv-matrix/bin/python -m pip install -q --disable-pip-version-check nox==2026.10.20; }
	@.venv-matrix/bin/nox

# The others take their time and judge instead of measuring.
SPEEDS := $(filter-out $(patsubst %,benchmarks/%.py,before_after endings fuzz soak),$(wildcard benchmarks/*.py))

benchmark: $(READY)  ## print the speeds of this machine
	@for script in $(SPEEDS); do echo "== $$script"; $(BIN)/python $$script || exit 1; done
	@echo '== the simulated street'; $(BIN)/python -m anymodal_seg_ros.sim benchmark

soak: $(READY)  ## 12 minutes of random faults on a running node; wants an idle machine
	@$(BIN)/python benchmarks/soak.py

# Written last, so it is there only when the data set is complete.
out/streets/dataset.json: | $(READY)
	@rm -rf out/streets
	@$(BIN)/python -m anymodal_seg_ros.sim dataset out/streets \
	  --train 1800 --val 200 --test 200 --frames-per-scene 4

# Each folder's bundle is written last.
out/train/%/bundle: out/streets/dataset.json | $(READY)
	@$(BIN)/python training/train.py --recipe config/training/$*.yaml data.root=out/streets \
	  output=out/train/$* $(if $(wildcard out/train/$*/checkpoint.pt),--resume)

# The recipe counts on two processes: batches are of each.
out/train/distilled/bundle: out/train/supervised/bundle
	@OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/torchrun --standalone --nproc-per-node 2 training/train.py \
	  --recipe config/training/distilled.yaml data.root=out/streets output=out/train/distilled \
	  $(if $(wildcard out/train/distilled/checkpoint.pt),--resume)

train: out/train/distilled/bundle  ## simulate streets, train the supervised network and from it the default bundle (two cores: three hours)

ladder: TABLE = ladder
ladder: compare  ## train the ablation ladder on simulated streets and print its table

TABLE     ?= networks
PROCESSES ?= $(shell nproc)

compare: $(READY) out/streets/dataset.json  ## the same for any TABLE=... of config/training/tables
	@$(BIN)/python training/compare.py $(TABLE) --data out/streets --output out/$(TABLE) --processes $(PROCESSES)

clean:  ## remove what make made, except the virtual environment, data sets and training
	@rm -rf out/demo build install log .pytest_cache .mypy_cache .ruff_cache
