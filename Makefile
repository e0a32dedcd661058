# Each target does all the set-up it needs, from nothing: `make demo` and `make test` are the two to know.
# A GPU machine gets the ordinary torch; TORCH=... pins another build, e.g. make demo TORCH="torch==2.13.0".
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
GOLDEN ?= ../shared/golden/2d ../shared/golden/3d ../shared/golden/methods

.PHONY: demo test check campaign parity bench miniature-eval cli-docs docs clean

demo: $(VENV)/.installed
	$(RUN) -m radseg.cli demo --output demo-output

test: $(VENV)/.installed-tests check
	$(RUN) -m pytest -n logical --dist loadfile

check: $(VENV)/.installed-tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

campaign: $(VENV)/.installed-tests
	PYTHONPATH=tests:tests/builders $(RUN) -m campaign

parity: $(VENV)/.installed-tests
	for folder in $(GOLDEN); do $(RUN) -m parity $$folder || exit 1; done

bench: $(VENV)/.installed-tests
	$(RUN) -m benchmarks.correlation
	$(RUN) -m benchmarks.decision
	$(RUN) -m benchmarks.pipeline
	$(RUN) -m benchmarks.refine
	$(RUN) -m benchmarks.mapping
	$(RUN) -m benchmarks.query
	$(RUN) -m benchmarks.evaluation

miniature-eval: $(VENV)/.installed
	$(RUN) -m training.miniature.evaluate --rooms 200

cli-docs: $(VENV)/.installed-tests
	$(RUN) docs/generate_cli.py

docs: $(VENV)/.installed-tests
	$(RUN) docs/generate_api.py
	@echo 'Open docs/api/index.html'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("radseg needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-tests: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo-output docs/api
