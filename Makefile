# Everything a newcomer or CI needs. `make help` lists it.
#
#   PYTHON     the interpreter the virtual environment is made from (3.11 to 3.13)
#   PIP_FLAGS  passed to pip; for a CPU-only torch on an ordinary machine:
#              make demo PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
PIP_FLAGS ?=
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8081
DATASET ?= datasets/fer2013
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format run playground db train retrain bench wheel wheel-check clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

# python3-venv may be missing beside pip (Debian splits them): then pip itself fills the environment.
$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "Feelback needs Python 3.11 to 3.13, this is %d.%d: make PYTHON=python3.12 ..." % v)'
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV) && $(PYTHON) -m venv --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "Installing packages into $(VENV) (once) ..."
	@$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/pyvenv.cfg
	@echo "Installing packages and development tools into $(VENV) (once) ..."
	@$(BIN)/python -m pip install -q $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo  ## Watch the whole thing work on this machine; ONCE=1 exits after the exchange
	@$(BIN)/python -m bot.playground.demo --port $(PORT) $(if $(ONCE),--once)

test: $(VENV)/.dev  ## Run every test that can run here; what cannot is named at the end
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev  ## ruff, mypy --strict, and the linters of Dockerfile and compose file
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/yamllint --strict compose.yaml
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

format: $(VENV)/.dev  ## Let ruff format and mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

db: $(VENV)/.demo  ## Create the database or bring its schema up to date
	@$(BIN)/python -m bot db upgrade

run: db  ## Run the bot on Telegram (token in .env)
	@$(BIN)/python -m bot run

playground: $(VENV)/.demo  ## Only the local stand-in for Telegram, with its chat page
	@$(BIN)/python -m bot.playground --port $(PORT)

train: $(VENV)/.demo  ## Train both members on DATASET (see docs/training.md), then pack them
	@$(BIN)/python -m train_cli train resnet50 --split $(DATASET) --run runs/resnet50 $(if $(RESNET50),--backbone $(RESNET50)) $(ARGS)
	@$(BIN)/python -m train_cli train vgg19 --split $(DATASET) --run runs/vgg19 $(if $(VGG19),--backbone $(VGG19)) $(ARGS)
	@$(BIN)/python -m train_cli pack --member runs/vgg19/best --member runs/resnet50/best --split $(DATASET) --flip --out runs/versions

retrain: db  ## Fold feedback into a candidate and judge it
	@set -a; [ ! -f .env ] || . ./.env; set +a; $(BIN)/python -m train_cli retrain

bench: $(VENV)/.dev  ## Measure speed and memory on this machine
	@$(BIN)/python -m benchmarks

wheel: $(VENV)/.dev  ## Build the wheel into dist/
	@rm -rf build dist && $(BIN)/python -m build --wheel -o dist . >/dev/null && ls -l dist

wheel-check: wheel  ## Install the wheel into an empty environment and use it from elsewhere
	@PYTHON=$(PYTHON) PIP_FLAGS="$(PIP_FLAGS)" sh .ci/check-wheel dist/*.whl

clean:  ## Remove what the targets made, except data sets, runs and databases
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache $(VENV)
