"""Fixtures that several tests share; tests/tiny.py makes what they hold."""

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait for work must not take it from other tests' processes

from tests import tiny

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in `make test &`: what tests start would then ignore Ctrl-C as well
    signal.signal(signal.SIGINT, signal.default_int_handler)

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER and hasattr(os, "sched_setaffinity"):
    # A processor for each worker and all that it starts: torch then uses one thread. Two processes with two threads each on two
    # processors wait for each other, and take five to ten times as long.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[int(WORKER.removeprefix("gw")) % len(allowed)]})


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The tiny model's folder; not to be written to."""
    return tiny.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def tmpl(model):
    """The tiny model's Template."""
    from stages import template

    return template.load(tiny.params(**{"model.name": str(model)}).model)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder with a tiny params.yaml, which is the current one: for stages that are called and not started."""
    monkeypatch.chdir(tmp_path)
    tiny.write_params(tmp_path)
    return tmp_path
