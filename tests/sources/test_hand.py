"""Hand prompts: read with or without gold, tested on alone, and right when the expected kind of answer comes."""

import json

import pytest

from stages import curate, evaluate, formats
from stages.errors import FileError, RowError
from stages.files import read_json, read_jsonl
from stages.schema import Call
from stages.scoring.summary import summarise
from stages.sources import hand
from stages.suites import pick
from tests import tiny
from tests.sources.rows import cfg, damaged, only_row_errors

PROMPTS = tiny.ROOT / "data/hand/prompts.jsonl"
TOOL = tiny.tool("get_weather")


def row(**changes) -> dict:
    return {"prompt": "cold in Hull?", "tools": [TOOL], "expect": "call", **changes}


def convert(value):
    (made,) = hand.convert(value, cfg("unused"))
    return curate.Curator("hand").accept(made, "hand-1")


def test_the_forms_of_a_row():
    gold = [{"name": "get_weather", "arguments": {"city": "Hull"}}]
    assert convert(row(calls=gold)).calls == [Call("get_weather", {"city": "Hull"})]
    assert convert(row(calls=json.dumps(gold))).labels["kind"] == "single" and convert(row(calls=gold * 2)).labels["kind"] == "parallel"
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "bye"}]
    made = convert({"messages": turns, "tools": [], "expect": "reply"})
    assert made.messages == turns and made.labels["kind"] == "no_tool" and made.reply
    assert (convert(row()).calls, convert(row()).reply) == (None, "")


@pytest.mark.parametrize("value,reason", [
    (row(expect="reply", calls=[{"name": "get_weather", "arguments": {}}]), "expects_reply_but_has_calls"), (row(expect="both"), "wrong_type"),
    ({"prompt": "x", "tools": []}, "missing_key"), (row(prompt=5), "wrong_type"), (row(prompt=" "), "no_query"),
    (row(calls=[{"name": "other", "arguments": {}}]), "call_of_unoffered_tool"), (row(calls=[{"name": "get_weather"}]), "arguments_against_schema"),
])
def test_what_is_refused(value, reason):
    with pytest.raises(RowError) as error:
        convert(value)
    assert error.value.reason == reason


def test_damaged_rows_are_converted_or_refused():
    for seed in range(200):
        only_row_errors(hand.convert, damaged(row(calls=[{"name": "get_weather", "arguments": {"city": "Hull"}}]), seed), cfg("unused"))


def test_a_missing_file_names_the_key():
    with pytest.raises(FileError, match="hand.path: .*nowhere.jsonl does not exist"):
        list(hand.read(cfg("nowhere.jsonl")))


def call(name="get_weather", **arguments) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


@pytest.mark.parametrize("expect,text,outcome", [
    ("call", call(city="Oslo"), "valid_call"), ("call", call(city="Hull") + call(city="Oslo"), "valid_call"),
    ("call", call(town="Hull"), "invalid_call"), ("call", call("weather", city="Hull"), "invalid_call"), ("call", call(city=3), "invalid_call"),
    ("call", "Sure!", "no_call"), ("call", "Where?", "no_call"), ("call", "", "no_call"), ("call", call(city="Hull")[:20], "malformed:cut_off"),
    ("call", "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'Hull'},}</tool_call>", "invalid_call"),
    ("reply", "Sure!", "replied"), ("reply", "Where?", "asked_back"), ("reply", call(city="Hull"), "call_where_none_was_right"),
    ("reply", "<tool_call>", "malformed_call")])
def test_without_gold_any_valid_call_is_right(expect, text, outcome):
    native = formats.get("native")
    found = evaluate.score({"example": convert(row(expect=expect)).to_json()}, {"completion": text}, native.parse, native.answer)
    right = outcome in ("valid_call", "replied", "asked_back")
    assert (found["outcome"], found["strict"], found["schema"]) == (outcome, right, right)
    assert found["should_call"] == (expect == "call") and found["does_call"] == ("<tool_call>" in text)
    made = summarise([found])
    assert made["scores"]["strict"]["k"] == right and made["fields"]["micro"]["f1"] is None, "no gold, no field is counted"
    assert made["ladder"]["exact"]["k"] == (outcome == "valid_call")


def test_the_prompts_of_the_repository_are_tested_on_alone(folder):
    tiny.write_lines(folder / "tiny/rows.jsonl", tiny.messages_rows())
    tiny.write_params(folder, hand={"path": str(PROMPTS), "track": str(PROMPTS)}, suites=["hand"])
    curate.main()
    counts, rows = read_json("metrics/data/curate.json"), list(read_jsonl("data/curated.jsonl"))
    assert counts["hand"]["kept"] == 5 and counts["kept"] == 60 and len(rows) == 65
    labels = [(one["id"], one["labels"] | {"tools": "seen"}) for one in rows]
    own = {one["id"] for one in rows[60:]}
    assert set(pick("hand", labels, 100, 0)) == own
    for suite in ("seen_tools", "single", "parallel", "no_tool", "domains"):
        assert not own & set(pick(suite, labels, 100, 0))
