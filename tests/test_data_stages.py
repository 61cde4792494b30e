"""benchmarks/data_stages: the rows have xLAM's shape and all come through curate; time and memory are really measured."""

import json
import sys

import pytest

from benchmarks import data_stages
from stages import curate
from stages.params import load


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data_stages.make_rows(tmp_path / "rows.jsonl", 200)
    data_stages.write_params(tmp_path)
    return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


def test_rows_have_the_shape_of_xlam_and_are_usable(rows):
    tools = [tool for row in rows for tool in json.loads(row["tools"])]
    assert len(rows) == 200 and {*rows[0]} == {"id", "query", "answers", "tools"}
    assert all(set(schema) == {"type", "description"} for tool in tools for schema in tool["parameters"].values())
    assert {"str", "int, optional"} <= {schema["type"] for tool in tools for schema in tool["parameters"].values()}
    counts = curate.run(load())
    assert counts["read"] == 200 and counts["kept"] >= 198 and set(counts["rejected"]) <= {"duplicate"}


def test_the_same_rows_each_time(rows, tmp_path):
    data_stages.make_rows(tmp_path / "again.jsonl", 200)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "rows.jsonl").read_bytes()


def test_memory_of_all_processes_is_seen(tmp_path):
    """A child that holds 100 MiB and a parent that holds little."""
    child = "import time; held = bytearray(b'x' * 100 * 2**20); time.sleep(1)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}]); print('done')"
    found = data_stages.measured([sys.executable, "-c", parent], tmp_path)
    assert found["said"] == "done" and 100 <= found["peak_mib"] < 200 and found["seconds"] >= 1 > found["processor_seconds"] > 0


def test_a_stage_that_fails_ends_the_measurement(tmp_path):
    with pytest.raises(SystemExit, match="ended with 3: no such luck"):
        data_stages.measured([sys.executable, "-c", "import sys; print('no such luck', file=sys.stderr); sys.exit(3)"], tmp_path)


def test_a_run_replaces_the_one_of_as_many_rows_and_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(data_stages, "RESULT", tmp_path / "results/data_stages.json")
    for rows, cores, seconds in ((60, 2, 1.0), (60, 1, 2.0), (60, 2, 3.0)):
        data_stages.record({"rows": rows, "cores": cores, "together": {"seconds": seconds}})
    made = json.loads(data_stages.RESULT.read_text())
    assert [(run["cores"], run["together"]["seconds"]) for run in made["runs"]] == [(1, 2.0), (2, 3.0)]
    assert made["versions"]["tokenizers"] and made["hardware"]["processor"]
