# The two commands of this project, `make quickstart` and `make test`, and little else.
# The environment is made once, from requirements.lock, into .venv; `make PYTHON=python3.12 ...` chooses the Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS_READY := $(VENV)/.ready-for-tests
CORES ?= all

.DELETE_ON_ERROR:
.PHONY: quickstart test lint slurm clean

# Snakemake prints the tables after a run but not when there was nothing to run; here they come either way.
quickstart: $(READY)
	@$(BIN)/snakemake --cores $(CORES) --quiet host reason progress --no-hooks --config pipeline=quickstart
	@cat results/quickstart/tables/*.txt
	@ls results/quickstart/tables/* results/quickstart/figures/* results/quickstart/report.html

# Threads that spin while they wait for a core make parallel tests many times slower. By file: the tests of the workflow
# share one finished study.
test: $(TESTS_READY)
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2 --dist loadfile

# Once, on a cluster with SLURM: what `snakemake --profile slurm` submits jobs with.
slurm: $(READY)
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-slurm.txt

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy stgnn
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

clean:
	rm -rf $(VENV) .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

# torch first and by itself: pip takes the build for this machine (CUDA or CPU); the lock then pins the rest.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $(PYTHON) is older; try make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock torch==2.13.0
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# PyTorch Geometric Temporal is a peer that tests compare with; its own requirements cannot be met. The tests of st-llm
# need transformers. Snakemake's executor for SLURM goes where only the tests of SLURM look: it slows every start of Snakemake.
$(TESTS_READY): $(READY) requirements-pgt.txt requirements-llm.txt requirements-slurm.txt
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-pgt.txt --requirement requirements-llm.txt
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/slurm --requirement requirements-slurm.txt
	@touch $@
