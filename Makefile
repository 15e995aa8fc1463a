# Two commands: `make demo` and `make test`. Each sets up .venv first, with nothing but Python 3.10+ and pip.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint format axe clean

# On a CPU where there is a GPU too: half precision gives some pictures another verdict than the README's table has.
demo: .venv/installed
	$(BIN)/python -m eval.run device=cpu

test: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The accessibility engine of the page's tests, which skip without it.
axe:
	npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund axe-core@4.14.1

# Debian's Python may lack ensurepip (the package python3-venv): pip then installs itself from outside.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "Python 3.10 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo 'Setting up .venv: PyTorch and friends, a minute or more …'
	$(PYTHON) -m venv .venv || { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install pip; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv node_modules runs build dist *.egg-info
