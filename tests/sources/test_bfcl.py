"""bfcl: the benchmark's 1,240 rows as test cases, with its own gold."""

import gzip
import json
from functools import cache

import pytest
from hypothesis import given, settings

from stages import curate
from stages.errors import FileError, RowError
from stages.schema import Call
from stages.sources import bfcl
from tests.sources.rows import anything, cfg, damaged, only_row_errors
from tests.tiny import SHARED

pytestmark = pytest.mark.skipif(not (SHARED / "bfcl").is_dir(), reason="../shared/data/bfcl is not there")
CFG = cfg(SHARED / "bfcl")
KEYS = ["id", "question", "function", "name", "parameters", "ground_truth", "category", "type", "properties", "items", "role", "content"]


@cache
def rows() -> list[dict]:
    return [raw.value for raw in bfcl.read(CFG)]


def test_every_real_row_is_kept_with_its_gold():
    curator = curate.Curator("bfcl")
    kept = list(curate.curated(bfcl.read(CFG), lambda row: bfcl.convert(row, CFG), curator, lambda raw, error: None))
    assert curator.read == len(kept) == 1240 and not curator.rejected
    assert dict(curator.labels["category"]) == {"simple_python": 400, "multiple": 200, "parallel": 200, "parallel_multiple": 200, "irrelevance": 240}
    for example in kept:
        assert bool(example.calls) == bool(example.accepted) == (example.labels["category"] != "irrelevance")
        assert len(example.calls or []) == len(example.accepted)


def test_a_row_as_an_example():
    (made,) = bfcl.convert(next(row for row in rows() if row["id"] == "simple_python_0"), CFG)
    assert made.calls[0].name == "calculate_triangle_area" and made.calls[0].arguments["base"] == 10
    assert made.tools[0].parameters["type"] == "object", "the benchmark writes dict"
    assert made.accepted[0]["calculate_triangle_area"]["base"] == [10]


def test_type_names_become_json_schema():
    schema = {"type": "dict", "properties": {"a": {"type": "float"}, "b": {"type": "tuple", "items": {"type": "any"}}, "type": {"type": "integer"}}}
    assert bfcl.plain_schema(schema) == {"type": "object", "properties": {
        "a": {"type": "number"}, "b": {"type": "array", "items": {}}, "type": {"type": "integer"}}}


def test_first_accepted_values():
    gold = {"a": ["", 3, 4], "b": [""], "c": [{"x": [1, 2], "y": ["", 5], "z": [""]}]}
    row = rows()[0] | {"ground_truth": [{"f": gold}]}
    assert bfcl.convert(row, CFG)[0].calls == [Call("f", {"a": 3, "c": {"x": 1, "y": 5}})]


def test_a_row_without_its_answer_is_no_abstention():
    with pytest.raises(RowError, match="no_target"):
        bfcl.convert(rows()[0] | {"ground_truth": []}, CFG)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileError, match="has no BFCL_v4_simple_python.json.gz"):
        list(bfcl.read(cfg(tmp_path)))
    for name in bfcl.CATEGORIES:
        (tmp_path / f"BFCL_v4_{name}.json.gz").symlink_to(SHARED / f"bfcl/BFCL_v4_{name}.json.gz")
    with pytest.raises(FileError, match="possible_answer/BFCL_v4_simple_python.json.gz does not exist"):
        list(bfcl.read(cfg(tmp_path)))


def test_a_broken_line_is_one_bad_row(tmp_path):
    (tmp_path / "possible_answer").mkdir()
    for name in bfcl.CATEGORIES:
        lines = ['{"id": ["x"]}', "[1", "7", json.dumps({"id": "a", "question": [[]], "function": []})]
        (tmp_path / f"BFCL_v4_{name}.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        (tmp_path / f"possible_answer/BFCL_v4_{name}.json.gz").write_bytes(gzip.compress(b""))
    curator, folder = curate.Curator("bfcl"), cfg(tmp_path)
    assert not list(curate.curated(bfcl.read(folder), lambda row: bfcl.convert(row, folder), curator, lambda raw, error: None))
    assert dict(curator.rejected) == {"missing_key": 5, "bad_json": 5, "not_an_object": 5, "no_target": 4, "no_query": 1}


@settings(max_examples=200, deadline=None)
@given(anything(KEYS))
def test_any_json_gives_examples_or_a_row_error(value):
    only_row_errors(bfcl.convert, value, CFG)


def test_damaged_rows_give_examples_or_a_row_error():
    for seed in range(600):
        only_row_errors(bfcl.convert, damaged(rows()[2 * seed], seed), CFG)
