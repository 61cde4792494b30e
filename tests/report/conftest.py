"""One page for all tests of a worker: they only read it."""

from pathlib import Path

import pytest

from tests.report.page import SIZES, written


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("run"), SIZES)
