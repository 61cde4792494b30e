# Everything runs in .venv, which each target makes when it is missing or older than the lock file.
# The first Python that runs and is new enough; 3.11 first, as the lock file was made with it.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export HF_HUB_DISABLE_TELEMETRY = 1
STAMP = .venv/.installed

.PHONY: help setup repro test lint data report gate smoke lock clean
help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make .venv and install the pinned packages (a second call installs nothing)
$(STAMP): requirements.lock
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; give one with make PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

repro: $(STAMP)  ## run the whole pipeline: base against tuned on the embedded model and data
	dvc repro

test: $(STAMP)  ## run all tests, on every processor (at most 8)
	python -m pytest -n logical --maxprocesses 8 --dist worksteal

lint: $(STAMP)  ## check the code's style
	ruff check .

data: $(STAMP)  ## make data/embedded and data/samples again from authoring/ (byte for byte the same)
	python -m authoring.build
	python -m authoring.samples

report: $(STAMP)  ## print the pull-request report against BASE (default main)
	python -m stages.pull_request $(or $(BASE),main)

gate: $(STAMP)  ## print the gate's verdict on the last run; exit code 0 pass, 1 fail, 2 not decidable
	python -m stages.gate

smoke: $(STAMP)  ## try every recipe out at smoke scale (minutes each)
	python -m benchmarks.smoke

lock: $(STAMP)  ## write requirements.lock from what is installed
	python -m tests.lock > requirements.lock.new && mv requirements.lock.new requirements.lock

clean:  ## remove outputs, scratch and caches; keeps .venv
	rm -rf data/curated.jsonl data/rejects.jsonl data/formatted.jsonl data/format_rejects.jsonl data/contamination.jsonl data/split data/suites data/predictions data/cases models/tuned models/seeds models/prompted models/log models/.scratch models/.timing report.html
