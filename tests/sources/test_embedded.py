"""embedded: every row of the repository's own data set is usable, and broken rows are refused by name."""

import json
from functools import cache

import pytest
from hypothesis import given, settings

from stages import curate
from stages.errors import RowError
from stages.files import read_json, read_jsonl
from stages.sources import embedded
from tests.sources.rows import anything, cfg, damaged, only_row_errors
from tests.tiny import ROOT

CFG = cfg(ROOT / "data/embedded")
KEYS = ["id", "group", "labels", "messages", "offered", "calls", "reply", "role", "content", "name", "arguments"]


@cache
def rows() -> list[dict]:
    return list(read_jsonl(ROOT / "data/embedded/examples.jsonl"))


def test_every_row_is_kept():
    curator = curate.Curator("embedded")
    rejected = []
    kept = list(curate.curated(embedded.read(CFG), lambda value: embedded.convert(value, CFG), curator, lambda raw, error: rejected.append(error)))
    assert rejected == []
    counts = read_json(ROOT / "data/embedded/counts.json")
    assert len(kept) == curator.read == counts["examples"] == len(rows())
    for label in ("kind", "turns", "complexity", "tools"):
        assert dict(sorted(curator.labels[label].items())) == counts[label]


def test_a_row_as_an_example():
    row = next(row for row in rows() if row["labels"]["kind"] == "single" and len(row["offered"]) > 2)
    (made,) = embedded.convert(row, CFG)
    assert (made.id, made.group, made.source, made.labels) == (row["id"], row["group"], "embedded", row["labels"])
    assert [tool.name for tool in made.tools] == row["offered"] and all(tool.description for tool in made.tools)
    assert [vars(call) for call in made.calls] == row["calls"]


@pytest.mark.parametrize("change,reason", [
    ({"offered": ["no_such_tool"]}, "unknown_tool"), ({"offered": [3]}, "wrong_type"), ({"offered": "get"}, "wrong_type"),
    ({"calls": [{"name": "f"}]}, "wrong_type"), ({"calls": [{"name": "f", "arguments": []}]}, "wrong_type"), ({"labels": {"kind": 3}}, "wrong_type"),
    ({"messages": [{"role": "robot", "content": ""}]}, "wrong_type"), ({"messages": [{"role": "user"}]}, "wrong_type"), ({"reply": 3}, "wrong_type"),
    ({"id": None}, "wrong_type"), ({"group": 7}, "wrong_type")])
def test_a_broken_row_is_refused_by_name(change, reason):
    with pytest.raises(RowError) as error:
        embedded.convert(rows()[0] | change, CFG)
    assert error.value.reason == reason and (reason != "wrong_type" or error.value.detail.startswith(next(iter(change))))


@pytest.mark.parametrize("key", ["id", "group", "labels", "messages", "offered", "calls", "reply"])
def test_a_missing_key_is_refused_by_name(key):
    with pytest.raises(RowError, match=f"missing_key: the row has no '{key}'"):
        embedded.convert({name: value for name, value in rows()[0].items() if name != key}, CFG)


@settings(max_examples=200, deadline=None)
@given(anything(KEYS))
def test_any_json_gives_examples_or_a_row_error(value):
    only_row_errors(embedded.convert, value, CFG)


def test_damaged_rows_give_examples_or_a_row_error():
    for seed in range(1000):
        only_row_errors(embedded.convert, damaged(rows()[seed * 7 % len(rows())], seed), CFG)


def test_the_files_hold_no_row_twice_and_end_in_a_line_end():
    text = (ROOT / "data/embedded/examples.jsonl").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert text.endswith("\n") and len(set(lines)) == len(lines) and all(json.loads(line) for line in lines[:50])
