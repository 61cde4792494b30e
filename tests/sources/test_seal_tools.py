"""seal_tools: the 700 real requests, counted, and broken ones refused."""

from functools import cache

import pytest
from hypothesis import given, settings

from stages import curate
from stages.errors import RowError
from stages.files import read_jsonl
from stages.sources import seal_tools
from tests.sources.rows import anything, cfg, damaged, only_row_errors
from tests.tiny import SHARED

pytestmark = pytest.mark.skipif(not (SHARED / "seal_tools").is_dir(), reason="../shared/data/seal_tools is not there")
CFG = cfg(SHARED / "seal_tools")


@cache
def rows() -> list[dict]:
    return list(read_jsonl(SHARED / "seal_tools/dev.jsonl.gz"))


def test_every_real_row_is_kept_or_counted():
    curator, rejects = curate.Curator("seal_tools"), []
    kept = list(curate.curated(
        seal_tools.read(CFG), lambda row: seal_tools.convert(row, CFG), curator, lambda raw, error: rejects.append((raw, error))))
    assert (curator.read, curator.kept, len(kept)) == (700, 622, 622)
    assert dict(curator.rejected) == {"arguments_against_schema": 50, "depends_on_result": 28}
    assert dict(curator.labels["kind"]) == {"multiple": 467, "single": 155}
    raw, error = rejects[0]
    assert raw.line == 15 and error.detail == 'enrollYouthParticipant: "63" is not of type "integer"'
    values = [[str(value) for call in row["calling"] for value in call["parameters"].values()] for row in rows()]
    assert sum(any(value.startswith("API_call_") for value in of_row) for of_row in values) == 28


def test_the_tools_offered_hold_the_called_ones_among_others():
    places = set()
    for row in rows()[:200]:
        try:
            (made,) = seal_tools.convert(row, CFG)
        except RowError:
            continue
        offered, called = [tool.name for tool in made.tools], {call.name for call in made.calls}
        assert called <= set(offered) and len(set(offered)) == len(offered) == len(called) + seal_tools.DISTRACTORS
        places.add(offered.index(made.calls[0].name))
        assert seal_tools.convert(row, CFG) == [made], "the same ones each time"
    assert len(places) > 3, "the right tool is not always at the same place"


def test_types_become_json_schema():
    tools, fields = seal_tools.library(CFG.path)
    assert len(tools) == 4076 and set(fields) == set(tools)
    types = {schema.get("type") for tool in tools.values() for schema in tool.parameters["properties"].values()}
    assert types >= {"string", "integer", "number", "boolean"}


@pytest.mark.parametrize("change,reason", [
    ({"calling": [{"api": "noSuchTool", "parameters": {}}]}, "unknown_tool"), ({"calling": []}, "no_target"), ({"calling": [{}]}, "wrong_type"),
    ({"calling": None}, "wrong_type"), ({"query": 3}, "wrong_type"), ({"id": 3}, "wrong_type")])
def test_a_broken_row_is_refused_by_name(change, reason):
    with pytest.raises(RowError) as error:
        seal_tools.convert(rows()[0] | change, CFG)
    assert error.value.reason == reason


@settings(max_examples=200, deadline=None)
@given(anything(["id", "query", "calling", "api", "parameters"]))
def test_any_json_gives_examples_or_a_row_error(value):
    only_row_errors(seal_tools.convert, value, CFG)


def test_damaged_rows_give_examples_or_a_row_error():
    for seed in range(400):
        only_row_errors(seal_tools.convert, damaged(rows()[seed], seed), CFG)
